//! What every client tells programs in the same words (docs/client-events.schema.json).

use super::way::Way;
use crate::terminal::{Appearance, Show};
use chat_core::refusal::RefusalReason;
use serde::Serialize;

/// A line of input was not sent.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "unsent")]
pub struct Unsent<'a> {
    /// Which line of the input, from 1.
    pub line: u64,
    /// Why.
    pub cause: &'a str,
}

/// Own messages have not come back and are no longer waited for.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "unconfirmed")]
pub struct Unconfirmed<'a> {
    /// How many.
    pub count: u64,
    /// The server.
    pub server: &'a str,
    /// With whom one talks there.
    #[serde(skip)]
    pub way: Way,
}

/// The server refuses this client, or puts it out. People are told of it as the program ends.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "refused")]
pub struct Refused<'a> {
    /// The server.
    pub server: &'a str,
    /// The number of the reason (docs/refusals.md).
    #[serde(serialize_with = "serialize_number")]
    pub reason: RefusalReason,
}

/// The reason as its number.
///
/// # Errors
/// What the serializer says.
pub fn serialize_number<S: serde::Serializer>(reason: &RefusalReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(u16::from(*reason))
}

impl Show for Unsent<'_> {
    fn appearance(&self) -> Appearance<'_> {
        Appearance::Fault(format!("line {} was not sent: {}", self.line, self.cause))
    }
}

impl Show for Unconfirmed<'_> {
    fn appearance(&self) -> Appearance<'_> {
        Appearance::Fault(match self.count {
            1 => format!("1 message was not confirmed by {} at {} and may be lost", self.way, self.server),
            count => format!("{count} messages were not confirmed by {} at {} and may be lost", self.way, self.server),
        })
    }
}

impl Show for Refused<'_> {
    fn appearance(&self) -> Appearance<'_> {
        Appearance::Hidden
    }
}
