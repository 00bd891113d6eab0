//! The session of one connection to a room's server: what the client's frames ask for, when the client has been silent for too long,
//! how fast its frames are taken.
//!
//! A frame that asks for something gives a [`Request`], and the connection tells the session how that went. The session's own frames
//! (answers, signs of life, refusals, losses) are flags until [`Session::poll_frame`] encodes them, which is only done between two
//! frames of the journal.

use super::{Access, Config, Join, MemberId};
use crate::bucket::Bucket;
use crate::frame::{Frame, FrameError};
use crate::limits::PAGE_BYTES_MAX;
use crate::refusal::RefusalReason;
use crate::room::message::{DecodeError, JOIN_TAG, OBSERVE_TAG, VERSION};
use crate::room::{Kind, Message, Names, Seen};
use crate::time::Instant;

/// The session of one connection.
#[derive(Debug)]
pub(super) struct Session {
    /// Whether the client has joined, and as what.
    state: State,
    /// Whether the connection is to be closed.
    ended: bool,
    /// When the client's last byte came; before the join, when the connection was accepted.
    heard_at: Instant,
    /// Since when bytes wait for the client, which has taken none of them; `None` if no bytes wait.
    blocked_since: Option<Instant>,
    /// Tokens for the client's frames.
    bucket: Bucket,
    /// What the client is still to be told.
    due: Due,
}

/// Whether a client has joined, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has not joined yet.
    Joining,
    /// It has joined as this member.
    Member(MemberId),
    /// It has joined as an observer.
    Observer,
}

/// What a client is still to be told, in the order in which it is told.
#[derive(Debug, Default)]
struct Due {
    /// How many messages it has lost.
    lagged: u64,
    /// The answer to its last frame.
    answer: Option<Answer>,
    /// Whether it was asked or is to be asked for a sign of life.
    ping: Ping,
    /// Whether it has asked for a sign of life.
    pong: bool,
    /// The reason why it is put out.
    refused: Option<RefusalReason>,
}

/// Whether a client has been asked for a sign of life.
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
    /// A page of the members.
    Members {
        /// The page.
        page: u32,
    },
}

/// What a frame asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request<'a> {
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
pub(super) struct Unpaid;

impl Session {
    /// The session of a connection that has just been accepted.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            state: State::Joining,
            ended: false,
            heard_at: now,
            blocked_since: None,
            bucket: Bucket::FULL,
            due: Due { lagged: 0, answer: None, ping: Ping::Quiet, pong: false, refused: None },
        }
    }

    /// Bytes have come, whatever they are. They are a sign of life, but do not prolong the time to join.
    pub(super) fn handle_heard(&mut self, now: Instant) {
        if self.state != State::Joining {
            self.heard_at = now;
            self.due.ping = Ping::Quiet;
        }
    }

    /// Takes a frame, and returns what it asks for. Must not be called unless [`Session::may_read`].
    ///
    /// # Errors
    /// [`Unpaid`] when the frame has to wait; nothing has changed then.
    pub(super) fn handle_frame<'a>(
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
    fn take_token(&mut self, config: &Config, now: Instant) -> Result<(), Unpaid> {
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

    /// The room has let the member in.
    pub(super) fn handle_joined(&mut self, now: Instant, id: MemberId) {
        self.state = State::Member(id);
        self.heard_at = now;
    }

    /// The room has let the observer in.
    pub(super) fn handle_observing(&mut self, now: Instant) {
        self.state = State::Observer;
        self.heard_at = now;
    }

    /// The member's message with this number was not taken.
    pub(super) fn handle_unsaid(&mut self, number: u32, reason: RefusalReason) {
        self.due.answer = Some(Answer::Unsaid { number, reason });
    }

    /// The reader has lost this many messages.
    pub(super) fn handle_lagged(&mut self, messages: u64) {
        self.due.lagged += messages;
    }

    /// Puts the connection out: the client is told the reason, and then the connection is to be closed.
    pub(super) fn refuse(&mut self, reason: RefusalReason) {
        self.due.refused.get_or_insert(reason);
    }

    /// Bytes wait for the client. `taken` says whether it took some just now, which is a sign of life.
    pub(super) fn handle_blocked(&mut self, now: Instant, taken: bool) {
        if taken {
            self.handle_heard(now);
        }
        self.blocked_since = if taken { Some(now) } else { self.blocked_since.or(Some(now)) };
    }

    /// No bytes wait for the client any more.
    pub(super) fn handle_drained(&mut self) {
        self.blocked_since = None;
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, config: &Config, now: Instant) {
        if self.stalled_at(config).is_some_and(|due| due <= now) {
            // The client takes nothing, so it cannot be told.
            self.refuse(RefusalReason::Stalled);
            self.ended = true;
        } else if self.gone_at(config).is_some_and(|due| due <= now) {
            let joining = self.state == State::Joining;
            self.refuse(if joining { RefusalReason::JoinTimeout } else { RefusalReason::Silent });
        } else if self.ping_at(config).is_some_and(|due| due <= now) {
            self.due.ping = Ping::Due;
        }
    }

    /// When [`Session::handle_timeout`] has something to do. [`Session::handle_drained`] never makes this earlier, so a write that
    /// takes everything needs no new look at it.
    pub(super) fn poll_timeout(&self, config: &Config) -> Option<Instant> {
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

    /// When the client is to be asked for a sign of life.
    fn ping_at(&self, config: &Config) -> Option<Instant> {
        match self.state {
            _ if self.ended || self.due.refused.is_some() || self.due.ping != Ping::Quiet => None,
            State::Member(_) | State::Observer => Some(self.heard_at + config.ping_after),
            State::Joining => None,
        }
    }

    /// Whether the next frame may be looked at: not while the answer to the last frame has to be encoded first, nor when the connection
    /// ends.
    pub(super) const fn may_read(&self) -> bool {
        self.due.answer.is_none() && self.due.refused.is_none() && !self.ended
    }

    /// From when on a frame that counts for the rate may be taken; `now` if there is a token.
    pub(super) fn paid_at(&self, config: &Config, now: Instant) -> Instant {
        config.rate.and_then(|rate| self.bucket.has_token(rate, now).err()).unwrap_or(now)
    }

    /// Whether [`Session::poll_frame`] has a frame to give.
    pub(super) fn owes(&self) -> bool {
        let Due { lagged, answer, ping, pong, refused } = &self.due;
        !self.ended && (*lagged > 0 || answer.is_some() || *ping == Ping::Due || *pong || refused.is_some())
    }

    /// Encodes the next of the session's own frames; `None` when none is due.
    pub(super) fn poll_frame<'f>(&mut self, room: &impl Access, frame: &'f mut Frame) -> Option<&'f [u8]> {
        if self.ended {
            return None;
        }
        let mut names = [0; PAGE_BYTES_MAX];
        let message = if self.due.lagged > 0 {
            Message::Lagged { messages: core::mem::take(&mut self.due.lagged) }
        } else if let Some(answer) = self.due.answer.take() {
            match answer {
                Answer::Unsaid { number, reason } => Message::Unsaid { number, reason },
                Answer::Unsupported { tag } => Message::Unsupported { tag },
                Answer::Members { page } => {
                    let (length, more) = room.page(page, &mut names);
                    Message::Members { page, more, names: Names::new(&names[..length])? }
                }
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
        // None of these messages is longer than a frame may be.
        frame.encode(&message).ok()
    }

    /// Whether the client has not joined yet, neither as a member nor as an observer.
    pub(super) const fn is_joining(&self) -> bool {
        matches!(self.state, State::Joining)
    }

    /// The member, if the client has joined as one.
    pub(super) const fn member(&self) -> Option<MemberId> {
        match self.state {
            State::Member(id) => Some(id),
            _ => None,
        }
    }

    /// Whether the client is to be sent the journal.
    pub(super) const fn is_listening(&self) -> bool {
        !self.ended && matches!(self.state, State::Member(_) | State::Observer)
    }

    /// Why the client was put out or refused, if it was.
    pub(super) const fn put_out(&self) -> Option<RefusalReason> {
        self.due.refused
    }

    /// Whether the connection is to be closed.
    pub(super) const fn is_ended(&self) -> bool {
        self.ended
    }
}

/// The refusal reason for an error in a frame.
const fn frame_refusal(error: FrameError) -> RefusalReason {
    match error {
        FrameError::Overlong => RefusalReason::Overlong,
        FrameError::Malformed => RefusalReason::Malformed,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::bucket::Rate;
    use crate::frame::Decoder;
    use crate::limits::FRAME_BYTES_MAX;
    use crate::room::server::fixture;
    use std::string::String;
    use std::vec::Vec;

    const CONFIG: Config = Config::DEFAULT;
    const ID: MemberId = MemberId { slot: 3, generation: 9 };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// A message as it stands in a frame.
    fn wire(message: &Message<'_>) -> Vec<u8> {
        postcard::to_slice(message, &mut [0; FRAME_BYTES_MAX]).unwrap().to_vec()
    }

    /// A connection that was accepted at 0.
    fn joining() -> Session {
        Session::new(at(0))
    }

    /// A member since 1,000 ms.
    fn member() -> Session {
        let mut session = joining();
        session.handle_joined(at(1_000), ID);
        session
    }

    /// All frames of the session, in words.
    fn drain(session: &mut Session) -> Vec<String> {
        let mut words = Vec::new();
        let (room, mut frame) = (fixture::room(CONFIG), Frame::EMPTY);
        while session.owes() {
            let mut decoder = Decoder::new();
            let mut bytes = session.poll_frame(&room, &mut frame).unwrap();
            let plain = decoder.next_frame(&mut bytes).unwrap().unwrap();
            words.push(std::format!("{:?}", Message::decode(plain).unwrap()));
        }
        assert!(session.poll_frame(&room, &mut frame).is_none());
        words
    }

    /// Hands in this frame, and checks that the client is put out for it with this reason.
    fn check_refused(mut session: Session, frame: Result<&[u8], FrameError>, reason: RefusalReason) {
        assert_eq!(session.handle_frame(&CONFIG, at(1_000), frame), Ok(None));
        assert!(!session.may_read());
        assert_eq!(drain(&mut session), [std::format!("Refused {{ reason: {reason:?} }}")]);
        assert!(session.is_ended());
        assert_eq!((session.put_out(), session.poll_timeout(&CONFIG)), (Some(reason), None));
    }

    #[test]
    fn join_and_observe_are_handed_out() {
        let token = [7; 16];
        let join = wire(&Message::Join { version: VERSION, token, seen: None, name: "ann" });
        let expected = Request::Join(Join { name: "ann", token, seen: None });
        assert_eq!(joining().handle_frame(&CONFIG, at(1), Ok(&join)), Ok(Some(expected)));
        let observe = wire(&Message::Observe { version: VERSION, seen: None });
        assert_eq!(joining().handle_frame(&CONFIG, at(1), Ok(&observe)), Ok(Some(Request::Observe { seen: None })));
    }

    #[test]
    fn other_version_is_refused_as_that_whatever_else_its_join_holds() {
        check_refused(joining(), Ok(&[0, 2]), RefusalReason::Version);
        check_refused(joining(), Ok(&[1, 9, 9, 9]), RefusalReason::Version);
        let join = wire(&Message::Join { version: 2, token: [0; 16], seen: None, name: "ann" });
        check_refused(joining(), Ok(&join), RefusalReason::Version);
    }

    #[test]
    fn what_makes_no_sense_at_this_point_puts_out() {
        let say = |number| wire(&Message::Say { number, kind: Kind::Plain, text: "hi" });
        check_refused(joining(), Ok(&say(1)), RefusalReason::Malformed);
        check_refused(joining(), Ok(&wire(&Message::Ping)), RefusalReason::Malformed);
        check_refused(member(), Ok(&say(0)), RefusalReason::Malformed);
        check_refused(member(), Ok(&wire(&Message::HistoryEnd)), RefusalReason::Malformed);
        check_refused(
            member(),
            Ok(&wire(&Message::Observe { version: VERSION, seen: None })),
            RefusalReason::Malformed,
        );
        check_refused(member(), Ok(&[2, 1]), RefusalReason::Malformed);
        check_refused(member(), Err(FrameError::Overlong), RefusalReason::Overlong);
        check_refused(member(), Err(FrameError::Malformed), RefusalReason::Malformed);
    }

    #[test]
    fn unknown_tag_is_answered_before_anything_else_is_read() {
        let mut session = member();
        assert_eq!(session.handle_frame(&CONFIG, at(1_000), Ok(&[99])), Ok(Some(Request::Unsupported)));
        assert!(!session.may_read());
        assert_eq!(drain(&mut session), ["Unsupported { tag: 99 }"]);
        assert!(session.may_read());
    }

    #[test]
    fn connection_that_does_not_join_is_put_out_however_much_it_sends() {
        let mut session = joining();
        session.handle_heard(at(4_000));
        assert_eq!(session.poll_timeout(&CONFIG), Some(at(5_000)));
        session.handle_timeout(&CONFIG, at(4_999));
        assert!(!session.owes());
        session.handle_timeout(&CONFIG, at(5_000));
        assert_eq!(drain(&mut session), ["Refused { reason: JoinTimeout }"]);
    }

    #[test]
    fn silent_member_is_asked_once_and_then_put_out() {
        let mut session = member();
        assert_eq!(session.poll_timeout(&CONFIG), Some(at(31_000)));
        session.handle_timeout(&CONFIG, at(31_000));
        assert_eq!(drain(&mut session), ["Ping"]);
        assert_eq!(session.poll_timeout(&CONFIG), Some(at(76_000)));
        session.handle_timeout(&CONFIG, at(76_000));
        assert_eq!(drain(&mut session), ["Refused { reason: Silent }"]);
        assert_eq!(session.member(), Some(ID));
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        let mut session = member();
        session.handle_timeout(&CONFIG, at(31_000));
        drain(&mut session);
        session.handle_heard(at(40_000));
        assert_eq!(session.poll_timeout(&CONFIG), Some(at(70_000)));
    }

    #[test]
    fn member_that_takes_nothing_is_closed_and_one_that_takes_slowly_is_not() {
        let mut session = member();
        session.handle_blocked(at(2_000), false);
        session.handle_blocked(at(20_000), true);
        session.handle_blocked(at(49_000), false);
        session.handle_timeout(&CONFIG, at(49_999));
        assert!(!session.is_ended());
        session.handle_timeout(&CONFIG, at(50_000));
        assert!(session.is_ended() && !session.owes());
        assert_eq!(session.put_out(), Some(RefusalReason::Stalled));
        let mut drained = member();
        drained.handle_blocked(at(2_000), false);
        drained.handle_drained();
        assert_eq!(drained.poll_timeout(&CONFIG), Some(at(31_000)));
    }

    #[test]
    fn message_above_the_rate_waits_for_a_token_and_changes_nothing_until_then() {
        let config = Config { rate: Some(Rate { burst: 2, per_second: 5 }), ..CONFIG };
        let mut session = member();
        for number in 1..=3 {
            let say = wire(&Message::Say { number, kind: Kind::Plain, text: "hi" });
            let request = Ok(Some(Request::Say { id: ID, number, kind: Kind::Plain, text: "hi" }));
            let expected = if number <= 2 { request } else { Err(Unpaid) };
            assert_eq!(session.handle_frame(&config, at(1_000), Ok(&say)), expected);
            assert!(session.may_read() && !session.owes());
            if expected.is_err() {
                assert_eq!(session.paid_at(&config, at(1_000)), at(1_200));
                assert_eq!(session.handle_frame(&config, at(1_199), Ok(&say)), expected);
                assert_eq!(session.handle_frame(&config, at(1_200), Ok(&say)), request);
            }
        }
    }

    #[test]
    fn every_frame_counts_for_the_rate_but_ping_pong_and_leave() {
        let config = Config { rate: Some(Rate { burst: 1, per_second: 5 }), ..CONFIG };
        let unknown = [63];
        for (frame, counts) in [
            (wire(&Message::Say { number: 1, kind: Kind::Plain, text: "hi" }), true),
            (wire(&Message::Say { number: 1, kind: Kind::Plain, text: "" }), true),
            (wire(&Message::Who { page: 0 }), true),
            (unknown.to_vec(), true),
            (wire(&Message::Ping), false),
            (wire(&Message::Pong), false),
            (wire(&Message::Leave), false),
        ] {
            let mut session = member();
            assert!(session.handle_frame(&config, at(1_000), Ok(&frame)).is_ok());
            drain(&mut session);
            assert_eq!(session.paid_at(&config, at(1_000)) > at(1_000), counts, "{frame:02x?}");
            let mut session = member();
            session.take_token(&config, at(1_000)).unwrap();
            assert_eq!(session.handle_frame(&config, at(1_000), Ok(&frame)).is_err(), counts, "{frame:02x?}");
        }
    }

    #[test]
    fn own_frames_come_in_their_order_and_losses_are_added_up() {
        let mut session = member();
        session.handle_frame(&CONFIG, at(1_000), Ok(&wire(&Message::Ping))).unwrap();
        session.handle_unsaid(4, RefusalReason::TextEmpty);
        session.handle_lagged(3);
        session.handle_lagged(4);
        session.refuse(RefusalReason::ShuttingDown);
        session.refuse(RefusalReason::Malformed);
        let expected = [
            "Lagged { messages: 7 }",
            "Unsaid { number: 4, reason: TextEmpty }",
            "Pong",
            "Refused { reason: ShuttingDown }",
        ];
        assert_eq!(drain(&mut session), expected);
    }

    #[test]
    fn leave_ends_without_a_word_and_keeps_the_member_for_the_room() {
        let mut session = member();
        assert_eq!(session.handle_frame(&CONFIG, at(1_000), Ok(&wire(&Message::Leave))), Ok(None));
        assert!(session.is_ended() && !session.owes() && !session.is_listening());
        assert_eq!((session.member(), session.put_out()), (Some(ID), None));
    }
}
