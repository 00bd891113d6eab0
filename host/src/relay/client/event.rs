//! What a relay client shows (docs/command-line.md, docs/client-events.schema.json).

use crate::terminal::{Appearance, Said, Show};
use serde::Serialize;
use std::net::SocketAddr;

/// An event of a relay client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Event<'a> {
    /// Somebody said something through the relay.
    Incoming {
        /// Where the relay saw the sender: address and port.
        from: &'a str,
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
        /// Why it does not answer, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<&'a str>,
    },
}

impl Show for Event<'_> {
    fn appearance(&self) -> Appearance<'_> {
        match *self {
            Self::Incoming { from, own, text, .. } => Appearance::Said(Said {
                stamp: String::new(),
                sent_ms: None,
                before: "<From ",
                name: from,
                after: ">: ",
                text,
                own,
                history: false,
            }),
            Self::Presence { answers: true, server, .. } => {
                Appearance::Aside(format!("-- the relay at {server} answers --"))
            }
            Self::Presence { server, cause: Some(cause), .. } => {
                Appearance::Fault(format!("no answer from the relay at {server} ({cause}); going on trying"))
            }
            Self::Presence { server, cause: None, .. } => Appearance::Fault(format!(
                "no answer from the relay at {server}; is the address right and the relay running? going on trying"
            )),
        }
    }
}
