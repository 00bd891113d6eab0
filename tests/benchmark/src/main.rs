//! Measures chat-host's servers: against the bare system calls, against other programs, and against their targets.
//!
//! Started by `tests/bench`, which builds what is measured. docs/performance.md says how to read the results.

#[cfg(not(loom))]
mod bench;
#[cfg(not(loom))]
mod datagram_load;
#[cfg(not(loom))]
mod load;
#[cfg(not(loom))]
mod mode;
#[cfg(not(loom))]
mod plot;
#[cfg(not(loom))]
mod protocol;
#[cfg(not(loom))]
mod report;
#[cfg(not(loom))]
mod sample;
#[cfg(not(loom))]
mod server;
#[cfg(not(loom))]
mod stream;
#[cfg(not(loom))]
mod target;
#[cfg(not(loom))]
mod text;

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() -> std::process::ExitCode {
    bench::main()
}
