//! The options of `chat-host serve` and `chat-host check`.
#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::bare_urls,
    reason = "argh shows these comments as help, without links"
)]

use crate::endpoint::{Endpoint, parse_bind_address};
use crate::failure::Failure;
use crate::web::WebOrigin;
use argh::{ArgsInfo, FromArgs};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "serve")]
#[argh(example = "chat-host serve [OPTIONS]")]
/// Run relay, room and the room's page until Ctrl-C or SIGTERM. Naming the address of one runs that one alone. SIGUSR1 shows the counters.
pub struct Serve {
    /// where the relay listens (default [::]:9090)
    #[argh(option, arg_name = "ADDR:PORT", from_str_fn(parse_bind_address))]
    pub udp: Option<SocketAddr>,
    /// most clients of the relay (default: no limit)
    #[argh(option, arg_name = "N", from_str_fn(parse_count))]
    pub max_clients: Option<u32>,
    /// where the room listens (default [::]:9191)
    #[argh(option, arg_name = "ADDR:PORT", from_str_fn(parse_bind_address))]
    pub tcp: Option<SocketAddr>,
    /// most members of the room (default: no limit)
    #[argh(option, arg_name = "N", from_str_fn(parse_count))]
    pub max_members: Option<u32>,
    /// messages a second that are read from a member above a burst of 10, 1 to 1000 (default 5)
    #[argh(option, arg_name = "N|off")]
    pub(super) rate: Option<RateLimit>,
    /// threads that serve the room (default 1)
    #[argh(option, arg_name = "N", from_str_fn(parse_thread_count))]
    threads: Option<NonZeroU16>,
    /// what the room keeps for slow and returning members, 4096 or more (default 1048576)
    #[argh(option, arg_name = "BYTES", from_str_fn(parse_journal))]
    journal: Option<usize>,
    /// a file that says whether this machine's clock is right, trusted or untrusted (default: it is)
    #[argh(option, arg_name = "FILE")]
    pub clock_state: Option<PathBuf>,
    /// where browsers open the page (default: as --tcp, port 9393); may be repeated
    #[argh(option, arg_name = "ADDR:PORT|off")]
    pub web: Vec<Web>,
    /// the page's origin behind a proxy, like https://chat.example.org; may be repeated
    #[argh(option, arg_name = "ORIGIN")]
    pub web_origin: Vec<WebOrigin>,
    /// show the page's address as a QR code
    #[argh(switch)]
    pub qr: bool,
}

/// Where the page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Web {
    /// At this address.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

impl FromStr for Web {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" { Ok(Self::Off) } else { parse_bind_address(text).map(Self::At) }
    }
}

impl Serve {
    /// How fast the messages of one member are read.
    pub fn rate(&self) -> RateLimit {
        self.rate.unwrap_or(RateLimit::Limited(5))
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
    pub(super) fn check(&self) -> Result<(), Failure> {
        let of_relay = [("--max-clients", self.max_clients.is_some())];
        let of_room = [
            ("--max-members", self.max_members.is_some()),
            ("--rate", self.rate.is_some()),
            ("--threads", self.threads.is_some()),
            ("--journal", self.journal.is_some()),
            ("--clock-state", self.clock_state.is_some()),
            ("--web", self.web.iter().any(|web| *web != Web::Off)),
            ("--web-origin", !self.web_origin.is_empty()),
            ("--qr", self.qr),
        ];
        self.check_page()?;
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

    /// Whether a page that is switched off has no other options.
    fn check_page(&self) -> Result<(), Failure> {
        let of_page =
            [("--web ADDR:PORT", self.web.len() > 1), ("--web-origin", !self.web_origin.is_empty()), ("--qr", self.qr)];
        match of_page.iter().find(|(_, is_given)| self.web.contains(&Web::Off) && *is_given) {
            Some((option, _)) => Err(Failure::usage(format!(
                "{option} is for the page, which --web off switches off: leave one of both out"
            ))),
            None => Ok(()),
        }
    }
}

/// How fast the messages of one member are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimit {
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

impl FromStr for RateLimit {
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
#[argh(example = "chat-host check [--udp HOST[:PORT]] [--tcp HOST[:PORT]] [OPTIONS]")]
/// Ask whether the servers answer. If none is named, those of this machine on their usual ports, and the page if it is on. Ends with 0
/// if all do, else with 1.
pub struct Check {
    /// the relay to ask (default port 9090)
    #[argh(option, arg_name = "HOST[:PORT]")]
    pub udp: Option<Endpoint>,
    /// the room to ask (default port 9191)
    #[argh(option, arg_name = "HOST[:PORT]")]
    pub tcp: Option<Endpoint>,
    /// the page to ask (default port 9393)
    #[argh(option, arg_name = "HOST[:PORT]")]
    pub web: Option<Endpoint>,
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
