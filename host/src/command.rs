//! The command line (docs/command-line.md): what can be asked for, and what is wrong with what was asked.
#![allow(rustdoc::broken_intra_doc_links, reason = "argh shows these comments as help, where brackets are no links")]

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod doctor;
pub mod help;
#[cfg(feature = "peer")]
mod peer;
#[cfg(target_os = "linux")]
mod serve;
#[cfg(feature = "peer")]
mod talk;
mod usage;

#[cfg(feature = "client")]
pub use client::Client;
#[cfg(feature = "client")]
pub use doctor::Doctor;
#[cfg(feature = "peer")]
pub use peer::Peer;
#[cfg(target_os = "linux")]
pub use serve::{Check, RateLimit, Serve, Web};

use crate::failure::Failure;
use argh::{ArgsInfo, FromArgs};
use std::ffi::OsString;

/// What the command line asks for.
#[derive(Debug)]
pub enum Action {
    /// Print this text and end: `--help`, `--version`.
    Print(String),
    /// Run this.
    Run(Command),
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[cfg_attr(
    feature = "client",
    argh(example = "chat-host client --tcp pi --name ann   talk in the room of the machine pi")
)]
#[cfg_attr(feature = "client", argh(example = "chat-host client --udp pi              talk through its relay"))]
#[cfg_attr(feature = "peer", argh(example = "chat-host peer --name ann              talk without a server"))]
#[cfg_attr(
    target_os = "linux",
    argh(example = "chat-host serve                        run both servers on this machine")
)]
/// Chat for small machines and isolated networks.
struct Arguments {
    /// what to run
    #[argh(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
/// What to run.
pub enum Command {
    /// The servers.
    #[cfg(target_os = "linux")]
    Serve(Serve),
    /// The health check.
    #[cfg(target_os = "linux")]
    Check(Check),
    /// A client.
    #[cfg(feature = "client")]
    Client(Client),
    /// A peer.
    #[cfg(feature = "peer")]
    Peer(Peer),
    /// What keeps peers from each other.
    #[cfg(feature = "client")]
    Doctor(Doctor),
}

impl Command {
    /// What each option's own reader cannot know.
    fn check(&self) -> Result<(), Failure> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Serve(options) => options.check(),
            #[cfg(target_os = "linux")]
            Self::Check(_) => Ok(()),
            #[cfg(feature = "client")]
            Self::Client(_) | Self::Doctor(_) => Ok(()),
            #[cfg(feature = "peer")]
            Self::Peer(options) => options.check(),
        }
    }

    /// Whether it runs until somebody ends it, and nobody may read what it says.
    pub const fn is_lasting(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Self::Serve(_) => true,
            #[cfg(target_os = "linux")]
            Self::Check(_) => false,
            #[cfg(feature = "client")]
            Self::Client(_) => true,
            #[cfg(feature = "peer")]
            Self::Peer(_) => true,
            #[cfg(feature = "client")]
            Self::Doctor(_) => false,
        }
    }
}

/// Reads the command line, the program's own name first.
///
/// # Errors
/// A failure with exit code 2 that says what is wrong.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Action, Failure> {
    let texts = arguments.skip(1).map(OsString::into_string).collect::<Result<Vec<_>, _>>();
    let arguments = texts.map_err(|argument| Failure::usage(format!("the argument {argument:?} is not UTF-8")))?;
    if let Some(wrong) = usage::no_command(&arguments) {
        return Err(Failure::usage(wrong));
    }
    if let Some(text) = help::asked(&arguments) {
        return Ok(Action::Print(text));
    }
    let arguments = separated(arguments);
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let parsed = match Arguments::from_args(&["chat-host"], &words) {
        Ok(parsed) => parsed,
        Err(early) if early.status.is_ok() => return Ok(Action::Print(early.output)),
        Err(early) => return Err(Failure::usage(usage::wrong(&early.output, &arguments))),
    };
    match parsed.command {
        Some(command) => {
            command.check()?;
            Ok(Action::Run(command))
        }
        None => Err(Failure::usage("say what to run (chat-host --help lists it)")),
    }
}

/// The words with `--option=VALUE` as two, which argh does not know.
fn separated(words: Vec<String>) -> Vec<String> {
    let info = help::info();
    let command = words.first().and_then(|word| info.commands.iter().find(|command| command.name == *word));
    let mut separated = Vec::new();
    let mut is_value = false;
    for word in words {
        let takes_value = |word: &str| command.is_some_and(|command| help::takes_value(&command.command, word));
        match word.split_once('=') {
            Some((option, value)) if !is_value && option.starts_with("--") && takes_value(option) => {
                separated.extend([option.to_owned(), value.to_owned()]);
            }
            _ => {
                is_value = !is_value && takes_value(&word);
                separated.push(word);
            }
        }
    }
    separated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(line: &str) -> Result<Action, Failure> {
        parse(format!("chat-host {line}").split_whitespace().map(OsString::from))
    }

    #[test]
    fn serve_takes_address_and_limit() {
        let Ok(Action::Run(Command::Serve(options))) = action("serve --udp 127.0.0.1:0 --max-clients 7") else {
            panic!()
        };
        assert_eq!((options.udp, options.max_clients), (Some("127.0.0.1:0".parse().unwrap()), Some(7)));
    }

    #[test]
    fn help_and_version_are_printed_and_no_failure() {
        for (line, part) in [("--help", "serve"), ("serve --help", "--max-clients"), ("--version", "chat-host 0.")] {
            assert!(matches!(action(line), Ok(Action::Print(text)) if text.contains(part)), "{line}");
        }
    }

    #[test]
    fn value_may_stand_behind_an_equals_sign() {
        let Ok(Action::Run(Command::Serve(options))) = action("serve --tcp=127.0.0.1:0 --clock-state /a=b --rate=off")
        else {
            panic!()
        };
        assert_eq!(options.tcp, Some("127.0.0.1:0".parse().unwrap()));
        assert_eq!((options.clock_state.unwrap().to_str(), options.rate), (Some("/a=b"), Some(RateLimit::Off)));
    }

    #[test]
    fn usage_lists_what_this_build_can_run() {
        let Ok(Action::Print(usage)) = action("--help") else { panic!() };
        assert!(usage.contains("serve"), "{usage}");
        assert_eq!(usage.to_lowercase().contains("client"), cfg!(feature = "client"), "{usage}");
    }

    #[test]
    fn wrong_usage_names_what_is_wrong() {
        for (line, part) in [
            ("", "say what"),
            ("relay --help", "there is no command \"relay\""),
            ("help relay", "there is no command \"relay\""),
            ("serve --udp 9090", "ADDR:PORT"),
            ("check --udp pi:x", "port"),
            ("check --seconds 0", "3600"),
            ("serve --web 9393", "ADDR:PORT"),
            ("serve --web off --web [::]:0", "--web off"),
            ("serve --web off --qr", "--web off"),
            ("serve --udp [::]:0 --web [::]:0", "--tcp"),
            ("serve --web-origin chat.example.org", "https://"),
            ("check --seconds -1", "from 1 to 3600"),
            ("serve --max-clients 0", "from 1 to 4294967295"),
            ("serve --max-members 0", "from 1 to 4294967295"),
            ("serve --max-members 4294967296", "from 1 to 4294967295"),
            ("serve --threads 65536", "from 1 to 65535"),
            ("serve --threads 0", "from 1 to 65535"),
            ("serve --journal 4095", "from 4096 to"),
            ("serve --rate 0", "from 1 to 1000, or off"),
            ("serve --udp 127.0.0.1:65536", "ADDR:PORT"),
            ("talk", "there is no command \"talk\"; chat-host --help lists them"),
            ("serv", "there is no command \"serv\"; did you mean serve? (chat-host --help lists all)"),
            ("--jsn", "there is no command \"--jsn\"; chat-host --help lists them"),
            ("--tcp pi", "\"--tcp\" is an option; the command comes first: serve, check"),
            ("serve --port 80", "\"--port\" is no option of chat-host serve; chat-host serve --help lists them"),
            (
                "serve --tpc [::]:0",
                "\"--tpc\" is no option of chat-host serve; did you mean --tcp? (chat-host serve --help",
            ),
            ("serve --max-client 9", "did you mean --max-clients?"),
            ("serve -tcp [::]:0", "did you mean --tcp?"),
            ("serve \u{2014}tcp [::]:0", "did you mean --tcp?"),
            ("serve --qr=yes", "--qr takes no value"),
            ("check pi", "\"pi\" stands behind no option; write for example --udp HOST[:PORT] (chat-host check --help"),
            ("check --tcp pi --tcp po", "--tcp is there twice; leave one out"),
            ("serve --tcp", "--tcp has no value; write --tcp ADDR:PORT"),
            ("check --udp 127.0.0.1:99999", "--udp: \"127.0.0.1:99999\": \"99999\" is no port"),
        ] {
            let message = action(line).unwrap_err().to_string();
            assert!(message.contains(part), "{line}: {message}");
            assert!(!message.contains('\n') && !message.contains("Error parsing"), "{line}: {message}");
        }
    }

    #[test]
    #[cfg(feature = "peer")]
    fn option_that_must_be_there_is_named_with_its_value() {
        assert_eq!(action("peer").unwrap_err().to_string(), "chat-host peer wants --name NAME");
    }

    #[test]
    fn option_of_a_server_that_does_not_run_is_wrong_usage() {
        for option in
            ["--max-members 9", "--rate 9", "--rate off", "--threads 9", "--journal 9999", "--clock-state /run/x"]
        {
            let message = action(&format!("serve --udp 127.0.0.1:0 {option}")).unwrap_err().to_string();
            assert!(message.contains(option.split(' ').next().unwrap()) && message.contains("--tcp"), "{message}");
            for addresses in ["", "--tcp 127.0.0.1:0", "--tcp 127.0.0.1:0 --udp 127.0.0.1:0"] {
                assert!(action(&format!("serve {option} {addresses}")).is_ok(), "{option} {addresses}");
            }
        }
        let message = action("serve --tcp 127.0.0.1:0 --max-clients 9").unwrap_err().to_string();
        assert!(message.contains("--max-clients is for the relay") && message.contains("--udp"), "{message}");
        assert!(action("serve --udp 127.0.0.1:0 --max-clients 9").is_ok());
    }

    #[test]
    fn argument_that_is_not_utf_8_is_wrong_usage() {
        use std::os::unix::ffi::OsStringExt as _;
        let arguments = ["chat-host".into(), OsString::from_vec(b"serv\xff".to_vec())];
        let failure = parse(arguments.into_iter()).unwrap_err();
        assert!(failure.to_string().contains("not UTF-8"), "{failure}");
    }
}
