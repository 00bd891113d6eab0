//! The command line (docs/command-line.md): what can be asked for, and what is wrong with what was asked.
#![allow(rustdoc::broken_intra_doc_links, reason = "argh shows these comments as help, where brackets are no links")]

pub mod help;

use crate::endpoint::{Endpoint, parse_bind_address};
use crate::failure::Failure;
#[cfg(feature = "client")]
use crate::terminal::{Bell, Color};
use argh::{ArgsInfo, FromArgs};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

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
#[argh(example = "chat-host serve                        run both servers on this machine")]
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
    Serve(Serve),
    /// The health check.
    Check(Check),
    /// A client.
    #[cfg(feature = "client")]
    Client(Client),
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "serve")]
#[argh(example = "chat-host serve [OPTIONS]")]
/// Run relay and room until Ctrl-C or SIGTERM. Naming the address of one runs that one alone. SIGUSR1 shows the counters.
pub struct Serve {
    /// where the relay listens (default [::]:9090, IPv4 too)
    #[argh(option, arg_name = "ADDR:PORT", from_str_fn(parse_bind_address))]
    pub udp: Option<SocketAddr>,
    /// most clients of the relay (default: no limit but memory)
    #[argh(option, arg_name = "N", from_str_fn(parse_count))]
    pub max_clients: Option<u32>,
    /// where the room listens (default [::]:9191, IPv4 too)
    #[argh(option, arg_name = "ADDR:PORT", from_str_fn(parse_bind_address))]
    pub tcp: Option<SocketAddr>,
    /// most members of the room (default: no limit but memory and files)
    #[argh(option, arg_name = "N", from_str_fn(parse_count))]
    pub max_members: Option<u32>,
    /// messages a second that are read from a member above a burst of 10, 1 to 1000 (default 5)
    #[argh(option, arg_name = "N|off")]
    rate: Option<Rate>,
    /// threads that serve the room (default 1)
    #[argh(option, arg_name = "N", from_str_fn(parse_thread_count))]
    threads: Option<NonZeroU16>,
    /// what the room keeps for slow and returning members, 4096 or more (default 1048576)
    #[argh(option, arg_name = "BYTES", from_str_fn(parse_journal))]
    journal: Option<usize>,
    /// a file that says whether this machine's clock is right, trusted or untrusted (default: it is)
    #[argh(option, arg_name = "FILE")]
    pub clock_state: Option<PathBuf>,
}

impl Serve {
    /// How fast the messages of one member are read.
    pub fn rate(&self) -> Rate {
        self.rate.unwrap_or(Rate::Limited(5))
    }

    /// Threads of the room.
    pub fn thread_count(&self) -> NonZeroU16 {
        self.threads.unwrap_or(NonZeroU16::MIN)
    }

    /// Bytes of the room's journal.
    pub fn journal_bytes(&self) -> usize {
        self.journal.unwrap_or(1 << 20)
    }

    /// Whether every option is of a server that runs: naming the address of one alone leaves the other out.
    fn check(&self) -> Result<(), Failure> {
        let of_relay = [("--max-clients", self.max_clients.is_some())];
        let of_room = [
            ("--max-members", self.max_members.is_some()),
            ("--rate", self.rate.is_some()),
            ("--threads", self.threads.is_some()),
            ("--journal", self.journal.is_some()),
            ("--clock-state", self.clock_state.is_some()),
        ];
        let (options, server, named, other): (&[_], _, _, _) = match (self.udp, self.tcp) {
            (Some(_), None) => (&of_room, "room", "--udp", "--tcp"),
            (None, Some(_)) => (&of_relay, "relay", "--tcp", "--udp"),
            _ => return Ok(()),
        };
        match options.iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) => Err(Failure::usage(format!(
                "{option} is for the {server}, which does not run: {named} alone runs only what it names; add {other} ADDR:PORT, or leave {option} out"
            ))),
            None => Ok(()),
        }
    }
}

/// How fast the messages of one member are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// So many a second above the burst.
    Limited(u16),
    /// As fast as they come.
    Off,
}

/// Reads how many there may be.
fn parse_count(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count @ 1..) => Ok(count),
        _ => Err(format!("{text:?} is no limit; write a number from 1 to {}", u32::MAX)),
    }
}

/// Reads the number of threads.
fn parse_thread_count(text: &str) -> Result<NonZeroU16, String> {
    text.parse().map_err(|_| format!("{text:?} is no number of threads; write one from 1 to {}", u16::MAX))
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "off" => Ok(Self::Off),
            Ok(rate @ 1..=1_000) => Ok(Self::Limited(rate)),
            _ => Err(format!("{text:?} is no rate; write a number from 1 to 1000, or off")),
        }
    }
}

/// Reads the size of the journal.
fn parse_journal(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes @ 4_096..=0x4000_0000) => Ok(bytes),
        _ => Err(format!("{text:?} is no size for the journal; write a number of bytes from 4096 to 1073741824")),
    }
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "check")]
#[argh(example = "chat-host check [--udp HOST[:PORT]] [--tcp HOST[:PORT]] [--seconds N]")]
/// Ask whether the servers answer. If none is named, those of this machine on their usual ports. Ends with 0 if all do, else with 1.
pub struct Check {
    /// the relay to ask (default port 9090)
    #[argh(option, arg_name = "HOST[:PORT]")]
    pub udp: Option<Endpoint>,
    /// the room to ask (default port 9191)
    #[argh(option, arg_name = "HOST[:PORT]")]
    pub tcp: Option<Endpoint>,
    /// wait so long for them, in seconds, 1 to 3600, also for one that refuses still (default: 5 for one that is there)
    #[argh(option, arg_name = "N", from_str_fn(parse_seconds))]
    pub seconds: Option<Duration>,
}

/// Reads a time limit.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=3_600) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{text:?} is no time; write a number of seconds from 1 to 3600")),
    }
}

#[cfg(feature = "client")]
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "client")]
#[argh(example = "chat-host client --tcp HOST[:PORT] [--name NAME] [OPTIONS]")]
#[argh(example = "chat-host client --udp HOST[:PORT] [OPTIONS]")]
/// Talk in a room (--tcp) or through a relay (--udp). Each line of standard input is one message. At a terminal, /help lists the
/// commands; Ctrl-D leaves.
pub struct Client {
    /// the room to talk in (default port 9191)
    #[argh(option, arg_name = "HOST[:PORT]")]
    pub tcp: Option<Endpoint>,
    /// your name in the room (default: $USER)
    #[argh(option, arg_name = "NAME")]
    pub name: Option<String>,
    /// the relay to talk through (default port 9090)
    #[argh(option, arg_name = "HOST[:PORT]")]
    pub udp: Option<Endpoint>,
    /// print one JSON object for each event
    #[argh(switch)]
    pub json: bool,
    /// no cursor movement: for screen readers and logs (default if TERM is dumb)
    #[argh(switch)]
    pub plain: bool,
    /// colours: always, auto or never (default auto)
    #[argh(option, arg_name = "WHEN", default = "Color::Auto", from_str_fn(parse_color))]
    pub color: Color,
    /// bell: off, mention (of your name) or all (default mention)
    #[argh(option, arg_name = "WHEN", default = "Bell::Mention", from_str_fn(parse_bell))]
    pub bell: Bell,
    /// a program that takes part: it reads messages, and what it prints is said
    #[argh(option, arg_name = "PROGRAM")]
    pub exec: Option<String>,
    /// no input: runs until SIGTERM, waits for the server; without --name listens
    #[argh(switch)]
    pub headless: bool,
}

/// Reads when there are colours.
#[cfg(feature = "client")]
fn parse_color(text: &str) -> Result<Color, String> {
    match text {
        "always" => Ok(Color::Always),
        "auto" => Ok(Color::Auto),
        "never" => Ok(Color::Never),
        _ => Err(format!("{text:?} is none of always, auto and never")),
    }
}

/// Reads when the bell rings.
#[cfg(feature = "client")]
fn parse_bell(text: &str) -> Result<Bell, String> {
    match text {
        "off" => Ok(Bell::Off),
        "mention" => Ok(Bell::Mention),
        "all" => Ok(Bell::All),
        _ => Err(format!("{text:?} is none of off, mention and all")),
    }
}

/// Reads the command line, the program's own name first.
///
/// # Errors
/// A failure with exit code 2 that says what is wrong.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Action, Failure> {
    let texts = arguments.skip(1).map(OsString::into_string).collect::<Result<Vec<_>, _>>();
    let arguments = texts.map_err(|argument| Failure::usage(format!("the argument {argument:?} is not UTF-8")))?;
    if let Some(text) = help::asked(&arguments) {
        return Ok(Action::Print(text));
    }
    let arguments = separated(arguments);
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let parsed = match Arguments::from_args(&["chat-host"], &words) {
        Ok(parsed) => parsed,
        Err(early) if early.status.is_ok() => return Ok(Action::Print(early.output)),
        Err(early) => return Err(Failure::usage(early.output)),
    };
    match parsed.command {
        Some(command) => {
            if let Command::Serve(options) = &command {
                options.check()?;
            }
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
        assert_eq!((options.clock_state.unwrap().to_str(), options.rate), (Some("/a=b"), Some(Rate::Off)));
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
            ("serve --udp 9090", "ADDR:PORT"),
            ("check --udp pi:x", "port"),
            ("check --seconds 0", "3600"),
            ("check --seconds -1", "from 1 to 3600"),
            ("serve --max-clients 0", "from 1 to 4294967295"),
            ("serve --max-members 0", "from 1 to 4294967295"),
            ("serve --max-members 4294967296", "from 1 to 4294967295"),
            ("serve --threads 65536", "from 1 to 65535"),
            ("serve --threads 0", "from 1 to 65535"),
            ("serve --journal 4095", "from 4096 to"),
            ("serve --rate 0", "from 1 to 1000, or off"),
            ("serve --udp 127.0.0.1:65536", "ADDR:PORT"),
            ("serv", "serv"),
        ] {
            let message = action(line).unwrap_err().to_string();
            assert!(message.contains(part), "{line}: {message}");
        }
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
