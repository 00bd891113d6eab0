//! The health check of the page: a blocking socket, because the event loop may be what does not answer.

use crate::room::prober::{fault, left, read};
use crate::serve::fault::Fault;
use chat_core::refusal::RefusalReason;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest beginning of an answer that is waited for, in bytes: its status is in the first twelve.
const STATUS_BYTES: usize = 12;

/// Asks for the head of the page at this address, but not beyond the deadline. Returns how long the answer took.
///
/// # Errors
/// Why the page counts as silent.
pub(crate) fn ask(address: SocketAddr, deadline: Instant) -> Result<Duration, Fault> {
    let begin = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, left(deadline)).map_err(fault)?;
    let request = format!("HEAD / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", host(address));
    stream.write_all(request.as_bytes()).map_err(fault)?;
    let (mut status, mut length) = ([0; STATUS_BYTES], 0);
    while length < STATUS_BYTES {
        match read(&mut stream, &mut status[length..], deadline).map_err(fault)? {
            0 => return Err(Fault::Closed),
            count => length += count,
        }
    }
    let after = begin.elapsed();
    // The answer is read to its end, so that closing does not reset the connection.
    let mut rest = [0; 512];
    while matches!(read(&mut stream, &mut rest, deadline), Ok(1..)) {}
    match &status {
        b"HTTP/1.1 200" => Ok(after),
        b"HTTP/1.1 429" | b"HTTP/1.1 503" => Err(Fault::Refused(RefusalReason::Busy)),
        _ => Err(Fault::Rubbish),
    }
}

/// The address as a `Host`: without the number of an interface, which is of this machine alone.
fn host(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}
