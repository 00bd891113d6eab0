//! The options of `chat-host client`.
#![allow(rustdoc::broken_intra_doc_links, reason = "argh shows these comments as help, where brackets are no links")]

use crate::endpoint::Endpoint;
use crate::terminal::{Bell, Color};
use argh::{ArgsInfo, FromArgs};

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
pub(super) fn parse_color(text: &str) -> Result<Color, String> {
    match text {
        "always" => Ok(Color::Always),
        "auto" => Ok(Color::Auto),
        "never" => Ok(Color::Never),
        _ => Err(format!("{text:?} is none of always, auto and never")),
    }
}

/// Reads when the bell rings.
pub(super) fn parse_bell(text: &str) -> Result<Bell, String> {
    match text {
        "off" => Ok(Bell::Off),
        "mention" => Ok(Bell::Mention),
        "all" => Ok(Bell::All),
        _ => Err(format!("{text:?} is none of off, mention and all")),
    }
}
