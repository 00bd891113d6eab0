//! The session of one connection to a room's server: what the client's frames ask for, when the client has been silent for too long,
//! how fast its frames are taken.
//!
//! A frame that asks for something gives a [`Request`], and the connection tells the session how that went. The session's own frames
//! (answers, signs of life, refusals, losses) are flags until [`Session::poll_frame`] encodes them, which is only done between two
//! frames of the journal.

mod due;
mod request;

use super::{Config, MemberId};
use crate::bucket::Bucket;
use crate::refusal::RefusalReason;
use crate::time::Instant;
use due::{Due, Ping};
pub(super) use request::{Request, Unpaid};

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

    /// Whether the connection is to be closed.
    pub(super) const fn is_ended(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::bucket::Rate;
    use crate::frame::{Decoder, Frame, FrameError};
    use crate::limits::FRAME_BYTES_MAX;
    use crate::room::message::VERSION;
    use crate::room::server::{Join, fixture};
    use crate::room::{Kind, Message};
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
