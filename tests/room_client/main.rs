//! `chat-host client --tcp` as its users run it, against a server that sends what the test tells it to send, and against the real one.
#![cfg(not(loom))]

mod connection; // it breaks, it ends
mod person; // at a terminal
mod refusals; // by the server, and of a wrong command line
mod said; // what is said, and what becomes of it
mod server; // the real one
mod shown; // what is shown, to people and programs

/// A line without its stamp, which depends on where and when the test runs.
fn unstamped(line: &str) -> &str {
    let (stamp, rest) = line.split_once("] ").unwrap_or_else(|| panic!("{line:?} has no stamp"));
    assert!(stamp.starts_with("[2023-11-1") && stamp.len() == "[2023-11-14 22:13:20".len(), "{line}");
    rest
}
