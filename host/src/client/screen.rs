//! Where a client shows what happens: for a person at a terminal, for a pipe, or as JSON.
//!
//! What comes from the network goes through the display filter here, in every mode but JSON, which escapes.

use super::display::Shown;
use super::json;
use crate::failure::Failure;
use chat_core::refusal::RefusalReason;
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write};
use std::net::SocketAddr;

/// Goes to the beginning of the terminal's line and erases it (ECMA-48: CR, EL).
const ERASE_LINE: &str = "\r\x1b[K";

/// What invites to type.
const PROMPT: &str = "] ";

/// What can be shown: to programs as it is, to people as a line.
pub trait Show: Serialize {
    /// How people see it.
    fn line(&self) -> Line;
}

/// How people see something. What came from the network has been through the display filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// What somebody has said: on standard output.
    Said(String),
    /// What happens around it.
    Aside(String),
    /// What goes wrong, as a sentence.
    Fault(String),
    /// Not at all.
    Hidden,
}

/// What a relay client shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event<'a> {
    /// Somebody said something through the relay.
    Incoming {
        /// Where the relay saw the sender.
        from: SocketAddr,
        /// The number that the sender chose.
        number: u32,
        /// Whether it is this client's own message.
        own: bool,
        /// What was said.
        text: &'a str,
    },
    /// The server has begun or ceased to answer.
    Presence {
        /// Whether it answers.
        answers: bool,
        /// The server.
        server: SocketAddr,
        /// Why it does not, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<&'a str>,
    },
    /// The server refuses to serve this client.
    Refused {
        /// The server.
        server: SocketAddr,
        /// The number of the reason (docs/refusals.md).
        #[serde(serialize_with = "serialize_number")]
        reason: RefusalReason,
    },
    /// Own messages have not come back and are no longer waited for.
    Unconfirmed {
        /// How many.
        count: u32,
        /// The server.
        server: SocketAddr,
    },
    /// A line of input was not sent.
    Unsent {
        /// Which line of the input, from 1.
        line: u64,
        /// Why.
        cause: &'a str,
    },
}

/// The reason as its number.
pub(crate) fn serialize_number<S: serde::Serializer>(reason: &RefusalReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(u16::from(*reason))
}

/// How things are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A person at a terminal: with a prompt.
    Terminal,
    /// One line for each message.
    Plain,
    /// One JSON object for each event.
    Json,
}

/// Standard output and standard error of a client.
#[derive(Debug)]
pub struct Screen {
    /// How things are shown.
    mode: Mode,
}

impl Screen {
    /// With a prompt if standard input and output are both terminals; `json` for one object for each event.
    pub fn new(json: bool) -> Self {
        let mode = match json {
            true => Mode::Json,
            false if io::stdin().is_terminal() && io::stdout().is_terminal() => Mode::Terminal,
            false => Mode::Plain,
        };
        Self { mode }
    }

    /// Whether a person types here.
    pub fn is_terminal(&self) -> bool {
        self.mode == Mode::Terminal
    }

    /// Invites to type, if a person may be there.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn prompt(&mut self) -> io::Result<()> {
        if self.is_terminal() { write_output(PROMPT.as_bytes()) } else { Ok(()) }
    }

    /// Shows an event: messages on standard output, all else on standard error, but in JSON all on standard output.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn show(&mut self, event: &impl Show) -> io::Result<()> {
        let mut bytes = Vec::new();
        if self.mode == Mode::Json {
            json::write_line(&mut bytes, event)?;
            return write_output(&bytes);
        }
        match (self.mode, event.line()) {
            (_, Line::Hidden) => Ok(()),
            (_, Line::Fault(sentence)) => self.notice(&sentence),
            (Mode::Terminal, Line::Said(line) | Line::Aside(line)) => {
                writeln!(bytes, "{ERASE_LINE}{line}")?;
                bytes.extend_from_slice(PROMPT.as_bytes());
                write_output(&bytes)
            }
            (_, Line::Said(line)) => {
                writeln!(bytes, "{line}")?;
                write_output(&bytes)
            }
            (_, Line::Aside(line)) => {
                writeln!(bytes, "{line}")?;
                // Should standard error be closed, nobody wants it.
                let _ = io::stderr().write_all(&bytes);
                Ok(())
            }
        }
    }

    /// Shows an event to programs alone: people are told of it in another way.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn show_json(&mut self, event: &impl Show) -> io::Result<()> {
        if self.mode == Mode::Json { self.show(event) } else { Ok(()) }
    }

    /// Tells the user something on standard error.
    ///
    /// # Errors
    /// Standard output is closed.
    fn notice(&mut self, sentence: &str) -> io::Result<()> {
        if self.is_terminal() {
            write_output(ERASE_LINE.as_bytes())?;
        }
        Failure::lost(sentence).report();
        self.prompt()
    }

    /// Leaves the terminal at the beginning of a line.
    pub fn close(&mut self) {
        if self.is_terminal() {
            // If it is closed already, there is nothing to tidy up.
            let _ = write_output(b"\n");
        }
    }
}

/// Writes to standard output at once.
fn write_output(bytes: &[u8]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(bytes)?;
    output.flush()
}

/// The refusal in one sentence.
pub fn refusal(server: SocketAddr, reason: RefusalReason) -> String {
    format!("the relay at {server} refuses: {reason}")
}

impl Show for Event<'_> {
    fn line(&self) -> Line {
        Line::Fault(match self {
            Self::Incoming { from, text, .. } => return Line::Said(format!("<From {from}>: {}", Shown(text))),
            Self::Presence { answers: true, server, .. } => format!("the relay at {server} answers"),
            Self::Presence { server, cause: Some(cause), .. } => {
                format!("no answer from the relay at {server} ({cause}); going on trying")
            }
            Self::Presence { server, cause: None, .. } => format!(
                "no answer from the relay at {server}; is the address right and the relay running? going on trying"
            ),
            Self::Refused { server, reason } => refusal(*server, *reason),
            Self::Unconfirmed { count: 1, server } => {
                format!("1 message was not confirmed by the relay at {server} and may be lost")
            }
            Self::Unconfirmed { count, server } => {
                format!("{count} messages were not confirmed by the relay at {server} and may be lost")
            }
            Self::Unsent { line, cause } => format!("line {line} was not sent: {cause}"),
        })
    }
}
