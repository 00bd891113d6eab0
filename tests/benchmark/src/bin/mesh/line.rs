//! What the programs have in common: lines in, lines out, and waiting for both standard input and a socket.

use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::io::{self, ErrorKind, Write as _};
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::time::Duration;

/// Most bytes of a datagram.
pub(crate) const DATAGRAM_BYTES_MAX: usize = 1_500;

/// Standard input, of which lines are taken as they come.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// What was read and is no whole line yet.
    rest: Vec<u8>,
}

/// What can be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    /// Standard input.
    pub(crate) input: bool,
    /// The socket.
    pub(crate) socket: bool,
}

/// Waits until there is something to read, or so long.
pub(crate) fn wait(socket: &UdpSocket, pause: Option<Duration>) -> io::Result<Ready> {
    let input = io::stdin();
    let mut entries = [PollFd::new(input.as_fd(), PollFlags::POLLIN), PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    // Rounded up, or the time before a deadline would be spent in waiting for nothing.
    let millis = pause.map(|pause| pause.as_micros().div_ceil(1_000));
    let timeout = millis.map_or(PollTimeout::NONE, |millis| PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX));
    nix::poll::poll(&mut entries, timeout)?;
    let [input, socket] = entries.map(|entry| entry.any().unwrap_or(true));
    Ok(Ready { input, socket })
}

impl Lines {
    /// Reads once, and gives the lines that are whole now; `None` at the end.
    pub(crate) fn read(&mut self) -> io::Result<Option<Vec<Vec<u8>>>> {
        let mut buffer = [0; 4_096];
        let length = nix::unistd::read(io::stdin(), &mut buffer)?;
        if length == 0 {
            return Ok(None);
        }
        self.rest.extend_from_slice(&buffer[..length]);
        let mut lines = Vec::new();
        while let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            lines.push(line[..end].to_vec());
        }
        Ok(Some(lines))
    }
}

/// Receives the next datagram that is there: its length.
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match socket.recv(buffer) {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Prints a line that was said.
pub(crate) fn show(text: &[u8]) -> io::Result<()> {
    let mut line = text.to_vec();
    line.push(b'\n');
    io::stdout().write_all(&line)
}
