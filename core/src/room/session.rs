//! One connection to a room's server: what its frames ask for, when it is silent for too long, how fast it is read.
//!
//! The session knows nothing of the room: what a frame asks for is handed out as a [`Request`], and whoever drives the session
//! tells it what came of that. Its own frames (signs of life, refusals, losses) are flags until [`Session::poll_frame`] encodes
//! them, which is only done between two frames of the journal.
//!
//! Drain order: after every `handle_*`, call [`Session::poll_frame`] until `None`; then close the connection if
//! [`Session::is_ended`]: a member that it was leaves the room then.

use super::bucket::Bucket;
use super::message::{DecodeError, JOIN_TAG, OBSERVE_TAG, VERSION};
use super::{Config, Join, Kind, MemberId, Message, Seen};
use crate::frame::{Frame, FrameError};
use crate::refusal::RefusalReason;
use crate::time::Instant;

/// One connection.
#[derive(Debug)]
pub struct Session {
    /// Who it is.
    state: State,
    /// Whether it is to be closed.
    ended: bool,
    /// When its last byte came; while it joins, when it was accepted.
    heard_at: Instant,
    /// Since when bytes for it wait without one being taken.
    blocked_since: Option<Instant>,
    /// How fast it may speak.
    bucket: Bucket,
    /// What it is still to be told.
    due: Due,
}

/// Who a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has not said yet.
    Joining,
    /// A member.
    Member(MemberId),
    /// Somebody who listens.
    Observer,
}

/// What a connection is still to be told, in the order in which it is told.
#[derive(Debug, Default)]
struct Due {
    /// Messages that it has lost.
    lagged: u64,
    /// The answer to its last frame.
    answer: Option<Answer>,
    /// Whether it is to give a sign of life: asked, or to be asked.
    ping: Ping,
    /// Whether it has asked for a sign of life.
    pong: bool,
    /// Why it is put out.
    refused: Option<RefusalReason>,
}

/// Whether a connection has been asked for a sign of life.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Ping {
    /// No: it has been heard of late.
    #[default]
    Quiet,
    /// It is to be asked.
    Due,
    /// It has been asked.
    Asked,
}

/// The answer to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// A message was not taken.
    Unsaid {
        /// Its number.
        number: u32,
        /// Why.
        reason: RefusalReason,
    },
    /// The tag is not known.
    Unsupported {
        /// The tag.
        tag: u32,
    },
}

/// What a connection asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// To be let in: answer with [`Session::handle_joined`] or [`Session::refuse`].
    Join(Join<'a>),
    /// To listen: answer with [`Session::handle_observing`].
    Observe {
        /// The last frame that it has seen.
        seen: Option<Seen>,
    },
    /// To say something: answer with [`Session::handle_unsaid`] if it is not taken.
    Say {
        /// The member.
        id: MemberId,
        /// Its own number for this.
        number: u32,
        /// How.
        kind: Kind,
        /// What, unchecked.
        text: &'a str,
    },
    /// To be told who is here.
    Who {
        /// The page.
        page: u32,
    },
}

impl Session {
    /// A connection that has just been accepted.
    pub const fn new(config: &Config, now: Instant) -> Self {
        Self {
            state: State::Joining,
            ended: false,
            heard_at: now,
            blocked_since: None,
            bucket: Bucket::full(config, now),
            due: Due { lagged: 0, answer: None, ping: Ping::Quiet, pong: false, refused: None },
        }
    }

    /// Bytes have come, whatever they are. They are a sign of life, but give nobody more time to join.
    pub fn handle_heard(&mut self, now: Instant) {
        if self.state != State::Joining {
            self.heard_at = now;
            self.due.ping = Ping::Quiet;
        }
    }

    /// Takes a frame, and says what it asks for. Not to be called while [`Session::may_read`] says no.
    pub fn handle_frame<'a>(
        &mut self,
        config: &Config,
        now: Instant,
        frame: Result<&'a [u8], FrameError>,
    ) -> Option<Request<'a>> {
        let decoded = frame.map_err(frame_refusal).and_then(|frame| match Message::decode(frame) {
            Ok(message) => Ok(Some(message)),
            Err(DecodeError::Malformed) if self.is_of_other_version(frame) => Err(RefusalReason::Version),
            Err(DecodeError::Malformed) => Err(RefusalReason::Malformed),
            Err(DecodeError::Unknown { tag }) => {
                self.due.answer = Some(Answer::Unsupported { tag });
                Ok(None)
            }
        });
        match decoded {
            Ok(message) => self.handle_message(config, now, message?),
            Err(reason) => {
                self.refuse(reason);
                None
            }
        }
    }

    /// Whether a frame that cannot be read asks to be let in by another version: tag and version never change place.
    fn is_of_other_version(&self, frame: &[u8]) -> bool {
        self.state == State::Joining && matches!(frame, [JOIN_TAG | OBSERVE_TAG, version, ..] if *version != VERSION)
    }

    /// Takes a message, and says what it asks for.
    fn handle_message<'a>(&mut self, config: &Config, now: Instant, message: Message<'a>) -> Option<Request<'a>> {
        match (self.state, message) {
            (State::Joining, Message::Join { version, .. } | Message::Observe { version, .. })
                if version != VERSION =>
            {
                self.refuse(RefusalReason::Version);
                None
            }
            (State::Joining, Message::Join { token, seen, name, .. }) => {
                Some(Request::Join(Join { name, token, seen }))
            }
            (State::Joining, Message::Observe { seen, .. }) => Some(Request::Observe { seen }),
            (State::Member(id), Message::Say { number, kind, text }) if number > 0 => {
                self.bucket.take(config, now);
                Some(Request::Say { id, number, kind, text })
            }
            (State::Member(_) | State::Observer, Message::Who { page }) => {
                self.bucket.take(config, now);
                Some(Request::Who { page })
            }
            (State::Member(_) | State::Observer, Message::Leave) => {
                self.ended = true;
                None
            }
            (State::Member(_) | State::Observer, Message::Pong) => None,
            (State::Member(_) | State::Observer, Message::Ping) => {
                self.due.pong = true;
                None
            }
            // Whatever else makes no sense at this point.
            _ => {
                self.refuse(RefusalReason::Malformed);
                None
            }
        }
    }

    /// The room has let the member in.
    pub fn handle_joined(&mut self, now: Instant, id: MemberId) {
        self.state = State::Member(id);
        self.heard_at = now;
    }

    /// The room has let the observer in.
    pub fn handle_observing(&mut self, now: Instant) {
        self.state = State::Observer;
        self.heard_at = now;
    }

    /// What the member said was not taken.
    pub fn handle_unsaid(&mut self, number: u32, reason: RefusalReason) {
        self.due.answer = Some(Answer::Unsaid { number, reason });
    }

    /// The reader has lost this many messages.
    pub fn handle_lagged(&mut self, messages: u64) {
        self.due.lagged += messages;
    }

    /// Puts the connection out: it is told why, and closed then.
    pub fn refuse(&mut self, reason: RefusalReason) {
        self.due.refused.get_or_insert(reason);
    }

    /// Bytes wait for the connection. `taken` says whether some were taken just now, which is a sign of life.
    pub fn handle_blocked(&mut self, now: Instant, taken: bool) {
        if taken {
            self.handle_heard(now);
        }
        self.blocked_since = if taken { Some(now) } else { self.blocked_since.or(Some(now)) };
    }

    /// Nothing waits for the connection any more.
    pub fn handle_drained(&mut self) {
        self.blocked_since = None;
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, config: &Config, now: Instant) {
        if self.stalled_at(config).is_some_and(|due| due <= now) {
            // It takes nothing, so it cannot be told.
            self.refuse(RefusalReason::Stalled);
            self.ended = true;
        } else if self.gone_at(config).is_some_and(|due| due <= now) {
            let joining = self.state == State::Joining;
            self.refuse(if joining { RefusalReason::JoinTimeout } else { RefusalReason::Silent });
        } else if self.ping_at(config).is_some_and(|due| due <= now) {
            self.due.ping = Ping::Due;
        }
    }

    /// When [`Session::handle_timeout`] has something to do. Never earlier than it was, but for [`Session::handle_blocked`] and
    /// what is read too fast.
    pub fn poll_timeout(&self, config: &Config) -> Option<Instant> {
        [self.stalled_at(config), self.gone_at(config), self.ping_at(config)].into_iter().flatten().min()
    }

    /// When the connection counts as stalled.
    fn stalled_at(&self, config: &Config) -> Option<Instant> {
        self.blocked_since.filter(|_| !self.ended).map(|since| since + config.stalled_after)
    }

    /// When the connection counts as gone.
    fn gone_at(&self, config: &Config) -> Option<Instant> {
        match self.state {
            _ if self.ended || self.due.refused.is_some() => None,
            State::Joining => Some(self.heard_at + config.join_max),
            State::Member(_) | State::Observer => Some(self.heard_at + config.gone_after),
        }
    }

    /// When the connection is to be asked for a sign of life.
    fn ping_at(&self, config: &Config) -> Option<Instant> {
        match self.state {
            _ if self.ended || self.due.refused.is_some() || self.due.ping != Ping::Quiet => None,
            State::Member(_) | State::Observer => Some(self.heard_at + config.ping_after),
            State::Joining => None,
        }
    }

    /// Whether the next frame may be taken.
    ///
    /// # Errors
    /// Not yet: at this instant at the latest, or `None` when the answer to the last one has been encoded.
    pub fn may_read(&self, config: &Config, now: Instant) -> Result<(), Option<Instant>> {
        if self.due.answer.is_some() || self.due.refused.is_some() || self.ended {
            return Err(None);
        }
        self.bucket.has_token(config, now).map_err(Some)
    }

    /// Whether [`Session::poll_frame`] has something.
    pub fn owes(&self) -> bool {
        let Due { lagged, answer, ping, pong, refused } = &self.due;
        !self.ended && (*lagged > 0 || answer.is_some() || *ping == Ping::Due || *pong || refused.is_some())
    }

    /// Encodes the next of the connection's own frames; `None` when nothing is due.
    pub fn poll_frame<'f>(&mut self, frame: &'f mut Frame) -> Option<&'f [u8]> {
        if self.ended {
            return None;
        }
        let message = if self.due.lagged > 0 {
            Message::Lagged { messages: core::mem::take(&mut self.due.lagged) }
        } else if let Some(answer) = self.due.answer.take() {
            match answer {
                Answer::Unsaid { number, reason } => Message::Unsaid { number, reason },
                Answer::Unsupported { tag } => Message::Unsupported { tag },
            }
        } else if self.due.ping == Ping::Due {
            self.due.ping = Ping::Asked;
            Message::Ping
        } else if core::mem::take(&mut self.due.pong) {
            Message::Pong
        } else if let Some(reason) = self.due.refused {
            self.ended = true;
            Message::Refused { reason }
        } else {
            return None;
        };
        // None of these is longer than a frame may be.
        frame.encode(&message).ok()
    }

    /// The member, if it is one.
    pub const fn member(&self) -> Option<MemberId> {
        match self.state {
            State::Member(id) => Some(id),
            _ => None,
        }
    }

    /// Whether it is to be sent what the room says.
    pub const fn is_listening(&self) -> bool {
        !self.ended && matches!(self.state, State::Member(_) | State::Observer)
    }

    /// Why it was put out or refused, if it was.
    pub const fn put_out(&self) -> Option<RefusalReason> {
        self.due.refused
    }

    /// Whether the connection is to be closed.
    pub const fn is_ended(&self) -> bool {
        self.ended
    }
}

/// The reason for what is wrong with a frame.
const fn frame_refusal(error: FrameError) -> RefusalReason {
    match error {
        FrameError::Overlong => RefusalReason::Overlong,
        FrameError::Malformed => RefusalReason::Malformed,
    }
}
