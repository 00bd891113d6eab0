//! What a program needs of the system before it begins: a few open files and threads, both of which may be limited. One that cannot have
//! them says so at its start; libraries would end it with a panic.

use crate::failure::{Failure, cause};
use std::fs::File;
use std::io;
use std::sync::mpsc::channel;
use std::thread;

/// Files that a client has open at the same time, with some to spare: its socket, the terminal, what it waits with, and what the
/// system's own look-up of names opens.
#[cfg(feature = "client")]
pub const CLIENT_FILES: usize = 12;

/// Threads that every program has: its own work, the reactor's, that of the signals, and one for what blocks.
pub const THREADS: usize = 3;

/// What is always there and opened fast.
const ANY_FILE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

/// Sees to it that this many files and threads can be had.
///
/// # Errors
/// They cannot: says how many there are, and which limit to raise.
pub fn check(files: usize, threads: usize) -> Result<(), Failure> {
    let free = (0..files).map_while(|_| File::open(ANY_FILE).ok()).collect::<Vec<_>>().len();
    if free < files {
        return Err(Failure::lost(format!(
            "only {free} more files may be open, and {files} are needed to begin with: raise that limit (ulimit -n; LimitNOFILE= of a \
             systemd unit)"
        )));
    }
    start_threads(threads).map_err(|error| {
        Failure::lost(format!(
            "{threads} threads are needed, and the system refuses them: {}; raise the limit of processes or memory (ulimit -u, ulimit -v; \
             TasksMax=, MemoryMax= of a systemd unit)",
            cause(&error)
        ))
    })
}

/// Starts so many threads, and ends them when all are there.
fn start_threads(count: usize) -> io::Result<()> {
    let mut senders = Vec::new();
    for _ in 0..count {
        let (sender, receiver) = channel::<()>();
        // Ends when the sender is gone.
        thread::Builder::new().spawn(move || receiver.recv())?;
        senders.push(sender);
    }
    Ok(())
}
