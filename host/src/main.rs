//! The `chat-host` program: takes its arguments, runs what they name, and maps the result to an exit code.
#![forbid(unsafe_code)]

/// Nothing: under loom there is only the registry.
#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
use chat_host::command::{self, Command};
#[cfg(not(loom))]
use chat_host::failure::Failure;
#[cfg(not(loom))]
use chat_host::log::{self, Level};
#[cfg(all(not(loom), feature = "peer"))]
use chat_host::resources;
#[cfg(not(loom))]
use std::process::ExitCode;

/// Runs the program; see docs/command-line.md for the exit codes.
#[cfg(not(loom))]
fn main() -> ExitCode {
    log::report_panics();
    // What is said is written before the end; a program that runs until it is ended does not wait for that without a limit.
    let mut patience = None;
    let outcome = match command::parse(std::env::args_os()) {
        Ok(command::Action::Print(text)) => log::print_now(&text),
        Ok(command::Action::Run(command)) => {
            if command.is_lasting() {
                patience = Some(log::PATIENCE);
            }
            run(&command)
        }
        Err(failure) => Err(failure),
    };
    let code = match &outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // What was printed before stands before it.
            log::finish(patience);
            log::say(Level::Failure, failure);
            failure.exit_code()
        }
    };
    log::finish(patience);
    code
}

/// Runs what the command line names.
#[cfg(not(loom))]
fn run(command: &Command) -> Result<(), Failure> {
    match command {
        #[cfg(target_os = "linux")]
        Command::Serve(options) => chat_host::serve::run(options),
        #[cfg(target_os = "linux")]
        Command::Check(options) => chat_host::serve::check::run(options),
        #[cfg(feature = "client")]
        Command::Client(options) => {
            resources::check(resources::CLIENT_FILES, resources::THREADS)?;
            chat_host::client::run(options)
        }
        #[cfg(feature = "peer")]
        Command::Peer(options) => {
            resources::check(resources::CLIENT_FILES, resources::THREADS)?;
            chat_host::mesh::run(options)
        }
        #[cfg(feature = "client")]
        Command::Doctor(options) => chat_host::mesh::doctor::run(options),
    }
}
