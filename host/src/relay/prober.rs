//! The driver of the relay's health check: a blocking socket, because the event loop may be what does not answer.

use super::connect_to;
use crate::clock;
use crate::serve::fault::Fault;
use chat_core::limits::DATAGRAM_BYTES_MAX;
use chat_core::relay::Prober;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Sends PROBEs to the relay at this address until it answers, but not beyond the deadline. Returns how long the answer took.
///
/// # Errors
/// Why the relay counts as silent.
pub(crate) fn ask(address: SocketAddr, deadline: Instant) -> Result<Duration, Fault> {
    let begin = Instant::now();
    let mut prober = Prober::new(clock::now(), RandomState::new().hash_one(std::process::id()));
    match probe(&mut prober, address, deadline) {
        Ok(()) if prober.is_answered() => Ok(begin.elapsed()),
        Ok(()) if prober.ignored() > 0 => Err(Fault::Rubbish),
        Ok(()) => Err(Fault::Silent),
        Err(error) => Err(Fault::Unreachable(error)),
    }
}

/// Sends and receives until there is an answer, or the deadline has come.
fn probe(prober: &mut Prober, address: SocketAddr, deadline: Instant) -> io::Result<()> {
    let socket = connect_to(address)?;
    let mut buffer = [0; DATAGRAM_BYTES_MAX + 1];
    while let Some(due) = prober.poll_timeout() {
        let now = Instant::now();
        if now >= deadline {
            break;
        }
        prober.handle_timeout(clock::now());
        if let Some(datagram) = prober.poll_output() {
            socket.send(datagram)?;
            continue;
        }
        // A timeout of zero would mean for ever.
        let wait = clock::system_instant(due).min(deadline).saturating_duration_since(now);
        socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match socket.recv(&mut buffer) {
            Ok(length) => prober.handle_datagram(&buffer[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
