//! The driver of the room's health check: a blocking socket, because the event loop may be what does not answer.

use crate::serve::fault::Fault;
use chat_core::room::{ProbeError, Prober};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Bytes read at once: more than a history with short texts.
const READ_BYTES: usize = 1_024;

/// Visits the room at this address, but not beyond the deadline. Returns how long it took until the end of the history.
///
/// # Errors
/// Why the room counts as silent.
pub(crate) fn ask(address: SocketAddr, deadline: Instant) -> Result<Duration, Fault> {
    let begin = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, left(deadline)).map_err(fault)?;
    let mut prober = Prober::new();
    while prober.outcome().is_none() {
        if let Some(frame) = prober.poll_frame() {
            stream.write_all(frame).map_err(fault)?;
            continue;
        }
        let mut buffer = [0; READ_BYTES];
        match read(&mut stream, &mut buffer, deadline).map_err(fault)? {
            0 => return Err(Fault::Closed),
            length => prober.handle_bytes(&buffer[..length]),
        }
    }
    match prober.outcome() {
        Some(Err(ProbeError::Refused(reason))) => return Err(Fault::Refused(reason)),
        Some(Err(ProbeError::Malformed)) => return Err(Fault::Rubbish),
        Some(Ok(())) | None => {}
    }
    let after = begin.elapsed();
    leave(&mut stream, &mut prober, deadline);
    Ok(after)
}

/// Leaves, and waits for the end of the connection, so that the room sees a leave and no broken connection. The room has answered
/// already, so errors do not matter here.
fn leave(stream: &mut TcpStream, prober: &mut Prober, deadline: Instant) {
    if let Some(frame) = prober.poll_frame()
        && stream.write_all(frame).is_ok()
    {
        let mut buffer = [0; READ_BYTES];
        while matches!(read(stream, &mut buffer, deadline), Ok(1..)) {}
    }
}

/// Waits for bytes and reads them, but not beyond the deadline.
pub(crate) fn read(stream: &mut TcpStream, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
    loop {
        if Instant::now() >= deadline {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left(deadline)))?;
        match stream.read(buffer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            outcome => return outcome,
        }
    }
}

/// The time up to the deadline; at least 1 ms, because a timeout of zero would mean for ever.
pub(crate) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

/// The fault that an error of the connection shows.
pub(crate) fn fault(error: io::Error) -> Fault {
    if error.kind() == ErrorKind::TimedOut { Fault::Silent } else { Fault::Unreachable(error) }
}
