//! Measures chat-host's servers: against the bare system calls, against other programs, and against their targets.
//!
//! Started by `tests/bench`, which builds what is measured. docs/performance.md says how to read the results.

mod bench;
mod datagram_load;
mod load;
mod mode;
mod plot;
mod protocol;
mod report;
mod sample;
mod server;
mod stream;
mod target;
mod text;

fn main() -> std::process::ExitCode {
    bench::main()
}
