//! What a client's frames ask for, and how fast they are taken.

use super::due::Answer;
use super::{Session, State};
use crate::frame::FrameError;
use crate::refusal::RefusalReason;
use crate::room::message::{DecodeError, JOIN_TAG, OBSERVE_TAG, VERSION};
use crate::room::server::{Config, Join, MemberId};
use crate::room::{Kind, Message, Seen};
use crate::time::Instant;

/// What a frame asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::room::server) enum Request<'a> {
    /// To be let in: answer with [`Session::handle_joined`] or [`Session::refuse`].
    Join(Join<'a>),
    /// To listen: answer with [`Session::handle_observing`].
    Observe {
        /// The last frame that the client has seen.
        seen: Option<Seen>,
    },
    /// To say something: answer with [`Session::handle_unsaid`] if the message is not taken.
    Say {
        /// The member.
        id: MemberId,
        /// The member's own number for the message.
        number: u32,
        /// How it is said.
        kind: Kind,
        /// The text, unchecked.
        text: &'a str,
    },
    /// A frame of a kind that is not known here; its answer is due already.
    Unsupported,
}

/// A frame counts for the rate, and the bucket has no token for it: it has to wait until [`Session::paid_at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::room::server) struct Unpaid;

impl Session {
    /// Takes a frame, and returns what it asks for. Must not be called unless [`Session::may_read`].
    ///
    /// # Errors
    /// [`Unpaid`] when the frame has to wait; nothing has changed then.
    pub(in crate::room::server) fn handle_frame<'a>(
        &mut self,
        config: &Config,
        now: Instant,
        frame: Result<&'a [u8], FrameError>,
    ) -> Result<Option<Request<'a>>, Unpaid> {
        let reason = match frame.map(|frame| (frame, Message::decode(frame))) {
            Ok((_, Ok(message))) => return self.handle_message(config, now, message),
            Ok((_, Err(DecodeError::Unknown { tag }))) => {
                self.take_token(config, now)?;
                self.due.answer = Some(Answer::Unsupported { tag });
                return Ok(Some(Request::Unsupported));
            }
            Ok((frame, Err(DecodeError::Malformed))) if self.is_of_other_version(frame) => RefusalReason::Version,
            Ok((_, Err(DecodeError::Malformed))) => RefusalReason::Malformed,
            Err(error) => frame_refusal(error),
        };
        self.refuse(reason);
        Ok(None)
    }

    /// Whether a frame that cannot be decoded is a Join or an Observe of another version: tag and version never change place.
    fn is_of_other_version(&self, frame: &[u8]) -> bool {
        self.state == State::Joining && matches!(frame, [JOIN_TAG | OBSERVE_TAG, version, ..] if *version != VERSION)
    }

    /// Takes a token for a frame that counts for the rate.
    pub(super) fn take_token(&mut self, config: &Config, now: Instant) -> Result<(), Unpaid> {
        if let Some(rate) = config.rate {
            self.bucket.has_token(rate, now).map_err(|_| Unpaid)?;
            self.bucket.take(rate, now);
        }
        Ok(())
    }

    /// Takes a message, and returns what it asks for.
    fn handle_message<'a>(
        &mut self,
        config: &Config,
        now: Instant,
        message: Message<'a>,
    ) -> Result<Option<Request<'a>>, Unpaid> {
        match (self.state, message) {
            (State::Joining, Message::Join { version, .. } | Message::Observe { version, .. })
                if version != VERSION =>
            {
                self.refuse(RefusalReason::Version);
            }
            (State::Joining, Message::Join { token, seen, name, .. }) => {
                return Ok(Some(Request::Join(Join { name, token, seen })));
            }
            (State::Joining, Message::Observe { seen, .. }) => return Ok(Some(Request::Observe { seen })),
            (State::Member(id), Message::Say { number, kind, text }) if number > 0 => {
                self.take_token(config, now)?;
                return Ok(Some(Request::Say { id, number, kind, text }));
            }
            (State::Member(_) | State::Observer, Message::Who { page }) => {
                self.take_token(config, now)?;
                self.due.answer = Some(Answer::Members { page });
            }
            (State::Member(_) | State::Observer, Message::Leave) => self.ended = true,
            (State::Member(_) | State::Observer, Message::Pong) => {}
            (State::Member(_) | State::Observer, Message::Ping) => self.due.pong = true,
            // Every other message makes no sense in this state.
            _ => self.refuse(RefusalReason::Malformed),
        }
        Ok(None)
    }

    /// Whether the next frame may be looked at: not while the answer to the last frame has to be encoded first, nor when the connection
    /// ends.
    pub(in crate::room::server) const fn may_read(&self) -> bool {
        self.due.answer.is_none() && self.due.refused.is_none() && !self.ended
    }

    /// From when on a frame that counts for the rate may be taken; `now` if there is a token.
    pub(in crate::room::server) fn paid_at(&self, config: &Config, now: Instant) -> Instant {
        config.rate.and_then(|rate| self.bucket.has_token(rate, now).err()).unwrap_or(now)
    }
}

/// The refusal reason for an error in a frame.
const fn frame_refusal(error: FrameError) -> RefusalReason {
    match error {
        FrameError::Overlong => RefusalReason::Overlong,
        FrameError::Malformed => RefusalReason::Malformed,
    }
}
