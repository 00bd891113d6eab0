//! How a room client ends, and what its user is told about that.

use super::event::{Event, refusal};
use crate::client::screen::Screen;
use crate::failure::Failure;
use chat_core::refusal::RefusalReason;
use std::io;

/// Why the driver stops short of the end of input.
pub(super) enum Stop {
    /// Whoever read the output does not want any more.
    OutputClosed,
    /// The user leaves.
    Quit,
    /// There was never a connection.
    Unreachable(Failure),
    /// The server refuses this client.
    Refused(RefusalReason),
    /// What the server says cannot be understood.
    GivenUp,
    /// The server has not let this client in, and there is something to say.
    Unanswered,
    /// What was said last does not come back.
    Unconfirmed,
}

/// What became of the lines of input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Which line came last, from 1.
    pub(super) lines: u64,
    /// How many lines were not sent, or messages not taken.
    pub(super) lost: u64,
    /// How many messages are not known to have been taken.
    pub(super) under_way: u64,
    /// Whether a line waits that was not sent.
    pub(super) waiting: bool,
}

/// What becomes of the program.
pub(super) fn conclude(
    outcome: Result<(), Stop>,
    screen: &mut Screen,
    server: &str,
    tally: Tally,
) -> Result<(), Failure> {
    let Tally { mut lines, mut lost, under_way, waiting } = tally;
    match outcome {
        Err(Stop::Unreachable(failure)) => return Err(failure),
        Err(Stop::Refused(reason)) => {
            // If nobody reads the event, the line on standard error still tells.
            let _ = screen.show_json(&Event::Refused { server, reason });
            return Err(Failure::lost(refusal(server, reason)));
        }
        Err(Stop::GivenUp) => {
            return Err(Failure::lost(format!(
                "what {server} says cannot be understood; is that the address of a room of chat-host?"
            )));
        }
        Err(Stop::Unanswered) => {
            return Err(Failure::lost(format!(
                "the room at {server} does not answer, and nothing was sent; is that the address of a room of chat-host?"
            )));
        }
        Err(Stop::Unconfirmed) => {
            // As above.
            let _ = screen.show_json(&Event::Unconfirmed { count: under_way, server });
            lines += u64::from(waiting);
            lost += under_way + u64::from(waiting);
        }
        Ok(()) | Err(Stop::OutputClosed | Stop::Quit) => {}
    }
    if lost == 0 {
        return Ok(());
    }
    Err(Failure::lost(format!("{lost} of {lines} lines did not reach the room at {server} or were not confirmed")))
}

/// Only standard output is written to while the driver runs, so that is what has failed.
impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::OutputClosed
    }
}
