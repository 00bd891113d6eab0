//! The `chat-host` program: takes its arguments, runs what they name, and maps the result to an exit code.

/// Nothing: under loom there is only the registry.
#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
use chat_host::command::{self, Command};
#[cfg(not(loom))]
use chat_host::failure::Failure;
#[cfg(not(loom))]
use std::process::ExitCode;

/// Runs the program; see docs/command-line.md for the exit codes.
#[cfg(not(loom))]
fn main() -> ExitCode {
    let outcome = match command::parse(std::env::args_os()) {
        Ok(command::Action::Print(text)) => {
            // Whoever closed standard output does not want to read it.
            let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
            Ok(())
        }
        Ok(command::Action::Run(command)) => run(&command),
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            failure.exit_code()
        }
    }
}

/// Runs what the command line names.
#[cfg(not(loom))]
fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Serve(options) => chat_host::serve::run(options),
        Command::Check(options) => chat_host::serve::check::run(options),
        #[cfg(feature = "client")]
        Command::Client(options) => chat_host::client::run(options),
    }
}
