//! The open files and threads that a program needs before it begins; the system may limit both. A program that cannot have them says so
//! at its start; without this check a library would panic.

use crate::failure::{Failure, cause};
use std::fs::File;
use std::io;
use std::sync::mpsc::channel;
use std::thread;

/// Files that a client has open at the same time, with some to spare: its socket, the terminal, the reactor's files, and those that
/// the system opens to look a name up.
#[cfg(feature = "peer")]
pub const CLIENT_FILES: usize = 12;

/// Threads that every program starts: the reactor's, the signals', and one for calls that block.
pub const THREADS: usize = 3;

/// A file that always exists and is opened fast.
const ANY_FILE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

/// Checks that this many files can be opened and this many threads started.
///
/// # Errors
/// There are fewer: the message says how many there are, and which limit to raise.
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

/// Starts this many threads, and ends them when all have started.
fn start_threads(count: usize) -> io::Result<()> {
    let mut senders = Vec::new();
    for _ in 0..count {
        let (sender, receiver) = channel::<()>();
        // The thread ends when its sender is dropped.
        thread::Builder::new().spawn(move || receiver.recv())?;
        senders.push(sender);
    }
    Ok(())
}
