//! A health check of a room: joins as an observer, stays until the end of the history, and leaves (docs/room-protocol.md section 5).
//!
//! Nobody is told of an observer, so it leaves nothing behind. It has no timers: how long the visit may take is up to the caller.
//!
//! Drain order: write what [`Prober::poll_frame`] gives until `None`, at the beginning and after each [`Prober::handle_bytes`].

use super::Message;
use super::message::{DecodeError, OBSERVE_TAG, VERSION};
use crate::frame::{Decoder, Frame};
use crate::refusal::RefusalReason;

/// One connection to a room that is only to show whether the room works.
#[derive(Debug)]
pub struct Prober {
    /// Finds the frames in the bytes that come.
    decoder: Decoder,
    /// The frame that goes out.
    frame: Frame,
    /// The frame that is due.
    due: Option<Due>,
    /// Whether the prober was let in.
    inside: bool,
    /// How the visit has ended; `None` while it lasts.
    outcome: Option<Result<(), ProbeError>>,
}

/// Why a visit has failed. The prober sends nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeError {
    /// The room does not let the prober in.
    Refused(RefusalReason),
    /// What came cannot be understood.
    Malformed,
}

/// A frame that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// It asks to be let in.
    Observe,
    /// It says that the prober is there.
    Pong,
    /// It says that the prober leaves.
    Leave,
}

impl Prober {
    /// A prober on a connection that was just opened.
    pub const fn new() -> Self {
        Self { decoder: Decoder::new(), frame: Frame::EMPTY, due: Some(Due::Observe), inside: false, outcome: None }
    }

    /// Takes bytes from the connection. Work is bounded by their number.
    pub fn handle_bytes(&mut self, mut bytes: &[u8]) {
        while self.outcome.is_none() {
            let Some(frame) = self.decoder.next_frame(&mut bytes) else { return };
            match frame.map(Message::decode) {
                Ok(Ok(Message::Welcome(welcome))) if welcome.version == VERSION => self.inside = true,
                Ok(Ok(Message::Welcome(_))) => self.outcome = Some(Err(ProbeError::Refused(RefusalReason::Version))),
                Ok(Ok(Message::Refused { reason })) => self.outcome = Some(Err(ProbeError::Refused(reason))),
                Ok(Ok(Message::Unsupported { tag })) if tag == u32::from(OBSERVE_TAG) => {
                    self.outcome = Some(Err(ProbeError::Refused(RefusalReason::Unsupported)));
                }
                Ok(Ok(Message::HistoryEnd)) if self.inside => {
                    (self.due, self.outcome) = (Some(Due::Leave), Some(Ok(())));
                }
                Ok(Ok(Message::Ping)) => self.due = self.due.or(Some(Due::Pong)),
                Ok(Ok(_) | Err(DecodeError::Unknown { .. })) => {}
                Ok(Err(DecodeError::Malformed)) | Err(_) => self.outcome = Some(Err(ProbeError::Malformed)),
            }
        }
    }

    /// The frame that is to be written, if there is one.
    pub fn poll_frame(&mut self) -> Option<&[u8]> {
        let message = match self.due.take()? {
            Due::Observe => Message::Observe { version: VERSION, seen: None },
            Due::Pong => Message::Pong,
            Due::Leave => Message::Leave,
        };
        // Each of these frames has a few bytes.
        self.frame.encode(&message).ok()
    }

    /// How the visit has ended; `None` while the room owes an answer.
    pub const fn outcome(&self) -> Option<Result<(), ProbeError>> {
        self.outcome
    }
}

impl Default for Prober {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Display for ProbeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "the room does not let anybody in: {reason}"),
            Self::Malformed => f.write_str("what came is not of the protocol"),
        }
    }
}

impl core::error::Error for ProbeError {}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::room::server::fixture::welcome;
    use crate::room::{Sequence, Welcome};
    use std::vec::Vec;

    /// These messages as they travel.
    fn stream(messages: &[Message<'_>]) -> Vec<u8> {
        messages.iter().flat_map(|message| Frame::EMPTY.clone().encode(message).unwrap().to_vec()).collect()
    }

    /// A prober that has asked to be let in.
    fn asking() -> Prober {
        let mut prober = Prober::new();
        assert_eq!(prober.poll_frame(), Some(&stream(&[Message::Observe { version: VERSION, seen: None }])[..]));
        assert_eq!(prober.poll_frame(), None);
        prober
    }

    fn check_fails(bytes: &[u8], error: ProbeError) {
        let mut prober = asking();
        prober.handle_bytes(bytes);
        assert_eq!((prober.outcome(), prober.poll_frame()), (Some(Err(error)), None));
    }

    #[test]
    fn visit_ends_with_the_history_in_whatever_pieces_it_comes() {
        let joined = Message::Joined { sequence: Sequence(0), name: "ann" };
        let bytes = stream(&[Message::Welcome(welcome()), joined, Message::HistoryEnd]);
        let mut prober = asking();
        for byte in &bytes {
            assert_eq!((prober.outcome(), prober.poll_frame()), (None, None));
            prober.handle_bytes(&[*byte]);
        }
        assert_eq!(prober.outcome(), Some(Ok(())));
        assert_eq!(prober.poll_frame(), Some(&stream(&[Message::Leave])[..]));
        prober.handle_bytes(b"\x01\x00");
        assert_eq!((prober.outcome(), prober.poll_frame()), (Some(Ok(())), None));
    }

    #[test]
    fn ping_is_answered_and_unknown_kinds_and_an_early_end_are_passed_over() {
        let mut prober = asking();
        prober.handle_bytes(&stream(&[Message::HistoryEnd, Message::Ping, Message::Unsupported { tag: 99 }]));
        prober.handle_bytes(b"\x02\x7f\x00");
        assert_eq!(prober.outcome(), None);
        assert_eq!(prober.poll_frame(), Some(&stream(&[Message::Pong])[..]));
    }

    #[test]
    fn refusal_and_other_versions_are_told() {
        let other = Welcome { version: VERSION + 1, ..welcome() };
        for (message, reason) in [
            (Message::Refused { reason: RefusalReason::Busy }, RefusalReason::Busy),
            (Message::Unsupported { tag: u32::from(OBSERVE_TAG) }, RefusalReason::Unsupported),
            (Message::Welcome(other), RefusalReason::Version),
        ] {
            check_fails(&stream(&[message, Message::HistoryEnd]), ProbeError::Refused(reason));
        }
    }

    #[test]
    fn rubbish_ends_the_visit() {
        check_fails(b"HTTP/1.1 400 Bad Request\r\n\r\n\0", ProbeError::Malformed);
        check_fails(&[1; 4_096], ProbeError::Malformed);
    }
}
