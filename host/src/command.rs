//! The command line (docs/command-line.md): what can be asked for, and what is wrong with what was asked.
#![allow(rustdoc::broken_intra_doc_links, reason = "argh shows these comments as help, where brackets are no links")]

use crate::endpoint::{Endpoint, parse_bind_address};
use crate::failure::Failure;
use argh::FromArgs;
use std::net::SocketAddr;

/// What the command line asks for.
#[derive(Debug)]
pub enum Action {
    /// Print this text and end: `--help`, `--version`.
    Print(String),
    /// Run the servers.
    Serve(Serve),
    /// Run a client.
    Client(Client),
}

#[derive(Debug, FromArgs)]
/// Chat on small machines and isolated networks.
struct Arguments {
    /// print the version and end
    #[argh(switch)]
    version: bool,
    /// what to run
    #[argh(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, FromArgs)]
#[argh(subcommand)]
/// What to run.
enum Command {
    /// The servers.
    Serve(Serve),
    /// A client.
    Client(Client),
}

#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "serve")]
/// Run the relay server until SIGINT or SIGTERM. SIGUSR1 shows its counters.
pub struct Serve {
    /// where the relay listens, ADDR:PORT (default [::]:9090, which serves IPv4 too)
    #[argh(option, from_str_fn(parse_bind_address))]
    pub udp: Option<SocketAddr>,
    /// most clients of the relay (default: no limit but memory)
    #[argh(option)]
    pub max_clients: Option<u32>,
}

#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "client")]
/// Talk through a server. Each line of standard input is one message.
pub struct Client {
    /// the relay to talk through, HOST[:PORT] (default port 9090)
    #[argh(option)]
    pub udp: Option<Endpoint>,
    /// print one JSON object for each event
    #[argh(switch)]
    pub json: bool,
}

/// Reads the command line, the program's own name first.
///
/// # Errors
/// A failure with exit code 2 that says what is wrong.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Action, Failure> {
    let arguments: Vec<String> = arguments.skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let parsed = match Arguments::from_args(&["chat-host"], &words) {
        Ok(parsed) => parsed,
        Err(early) if early.status.is_ok() => return Ok(Action::Print(early.output)),
        Err(early) => return Err(Failure::usage(early.output)),
    };
    match parsed.command {
        _ if parsed.version => Ok(Action::Print(format!("chat-host {}\n", env!("CARGO_PKG_VERSION")))),
        Some(Command::Serve(options)) => Ok(Action::Serve(options)),
        Some(Command::Client(options)) => Ok(Action::Client(options)),
        None => Err(Failure::usage("say what to run: serve or client (chat-host --help shows how)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(line: &str) -> Result<Action, Failure> {
        parse(format!("chat-host {line}").split_whitespace().map(str::to_owned))
    }

    #[test]
    fn serve_takes_address_and_limit() {
        let Ok(Action::Serve(options)) = action("serve --udp 127.0.0.1:0 --max-clients 7") else { panic!() };
        assert_eq!((options.udp, options.max_clients), (Some("127.0.0.1:0".parse().unwrap()), Some(7)));
    }

    #[test]
    fn help_and_version_are_printed_and_no_failure() {
        for (line, part) in [("--help", "serve"), ("serve --help", "--max-clients"), ("--version", "chat-host 0.")] {
            assert!(matches!(action(line), Ok(Action::Print(text)) if text.contains(part)), "{line}");
        }
    }

    #[test]
    fn wrong_usage_names_what_is_wrong() {
        for (line, part) in
            [("", "say what"), ("serve --udp 9090", "ADDR:PORT"), ("client --udp pi:x", "port"), ("serv", "serv")]
        {
            let message = action(line).unwrap_err().to_string();
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
