//! The room client's engine (docs/room-protocol.md section 5).
//!
//! It joins, says, and joins again when the connection is lost: with the same token, behind the last frame that it has seen.
//! Own messages are numbered and kept until they come back or the server says that it took them, so none is lost or doubled.
//!
//! Drain order: after every `handle_*` and command, call [`Client::poll_output`] until `None`; then write what
//! [`Client::poll_frame`] gives, one frame after the other. [`Client::handle_bytes`] takes nothing while outputs wait. Call
//! [`Client::handle_timeout`] at [`Client::poll_timeout`], which each of these may change.

mod config;
mod connection;
mod heard;
mod notice;
mod outbox;
mod output;
mod progress;
mod retry;
mod transcript;
mod watch;

pub use config::Config;
pub use outbox::OutboxFull;
pub use output::{Counts, DisconnectCause, Output, Resumption, Said};

use super::message::{DecodeError, VERSION};
use super::{Kind, Message, Token};
use crate::frame::{Decoder, Frame};
use crate::limits::{FRAME_BYTES_MAX, TEXT_BYTES_MAX};
use crate::text::Text;
use crate::time::Instant;
use crate::username::Username;
use connection::State;
use heapless::Vec;
use notice::Notices;
use retry::Retry;
use transcript::Transcript;

/// A room client: what to send, and what to tell the user.
#[derive(Debug)]
pub struct Client {
    /// Timers.
    config: Config,
    /// The secret by which the server knows the client again.
    token: Token,
    /// The state of its connection.
    state: State,
    /// The frames that it has seen and the messages that it has said.
    transcript: Transcript,
    /// When to open the next connection.
    retry: Retry,
    /// Since when the client is not in although it should be; `None` while all is well.
    broken_at: Option<Instant>,
    /// How many connections in a row have ended with something that cannot be understood.
    malformed_in_a_row: u32,
    /// When an own message was last taken, or the client let in.
    progress_at: Instant,
    /// Longest text that the server takes, as its last WELCOME says.
    text_bytes_max: u16,
    /// Which frames are due besides messages.
    due: Due,
    /// What the caller is to be told, oldest first.
    notices: Notices,
    /// Finds the frames in the bytes that come.
    decoder: Decoder,
    /// The frame that came last.
    received: Vec<u8, FRAME_BYTES_MAX>,
    /// The frame that goes out.
    frame: Frame,
    /// What was ignored.
    counts: Counts,
}

/// Whether a client leaves, and what it does before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Leave {
    /// It stays.
    #[default]
    No,
    /// It sends the messages that it has, and then leaves.
    AfterSaying,
    /// It leaves, and does not send the messages that it still has.
    AtOnce,
}

/// Which frames are due besides messages.
#[derive(Debug, Default)]
struct Due {
    /// A Join or Observe.
    join: bool,
    /// A Pong.
    pong: bool,
    /// A Who for this page of the members.
    who: Option<u32>,
    /// A Leave.
    leave: Leave,
}

impl Client {
    /// A client whose first connection is due now. `token` is 128 bits of the operating system's randomness; `seed` shortens the
    /// client's pauses, so that clients differ in them.
    pub fn new(config: Config, now: Instant, seed: u64, name: Username, token: Token) -> Self {
        Self::with_name(config, now, seed, Some(name), token)
    }

    /// A client that only listens: it has no name, says nothing, and nobody is told of it.
    pub fn observer(config: Config, now: Instant, seed: u64) -> Self {
        Self::with_name(config, now, seed, None, [0; 16])
    }

    /// A client with a name or without.
    fn with_name(config: Config, now: Instant, seed: u64, name: Option<Username>, token: Token) -> Self {
        Self {
            config,
            token,
            state: State::Waiting(now),
            transcript: Transcript::new(name),
            retry: Retry::new(seed),
            broken_at: None,
            malformed_in_a_row: 0,
            progress_at: now,
            // No longer one is allowed in any room.
            text_bytes_max: u16::MAX,
            due: Due::default(),
            notices: Notices::new(),
            decoder: Decoder::new(),
            received: Vec::new(),
            frame: Frame::EMPTY,
            counts: Counts::default(),
        }
    }

    /// Says something, now or once the client is in, and returns the number with which it comes back. An observer may never say anything.
    ///
    /// # Errors
    /// [`OutboxFull`] when the text has to wait.
    pub fn say(&mut self, kind: Kind, text: Text<'_>) -> Result<u32, OutboxFull> {
        if self.transcript.name().is_none() {
            return Err(OutboxFull);
        }
        self.transcript.outbox_mut().push(kind, text)
    }

    /// Whether [`Client::say`] would take a text, however long.
    pub fn may_say(&self) -> bool {
        self.transcript.name().is_some() && self.transcript.outbox().may_push()
    }

    /// Longest text that the server takes, in bytes: it refuses a longer one. [`TEXT_BYTES_MAX`] until the client is in.
    pub fn text_bytes_max(&self) -> usize {
        TEXT_BYTES_MAX.min(self.text_bytes_max.into())
    }

    /// How many own messages are not known to have been taken.
    pub fn under_way(&self) -> usize {
        self.transcript.outbox().waiting_count()
    }

    /// Whether frames are still to come that the room had when the client was let in last. Own messages that are known to have been
    /// taken may be among these frames.
    pub fn is_behind(&self) -> bool {
        self.transcript.is_behind()
    }

    /// When an own message was last taken or the client last let in; when the client was made, if neither has happened.
    pub const fn progress_at(&self) -> Instant {
        self.progress_at
    }

    /// Asks for a page of the members, 0 the first. Nothing happens while the client is not in.
    pub fn who(&mut self, page: u32) {
        self.due.who = Some(page);
    }

    /// Leaves. If the client is in, [`Client::poll_frame`] gives the Leave once all own messages are sent, also those that are held back
    /// after a resumption until it is known which ones were taken. If the client is not in, it ends at once, and messages that were not
    /// sent are lost: [`Client::under_way`] tells how many.
    pub fn leave(&mut self) {
        self.begin_leave(Leave::AfterSaying);
    }

    /// Leaves, and never sends own messages that are not sent yet: [`Client::under_way`] tells how many.
    pub fn leave_at_once(&mut self) {
        self.begin_leave(Leave::AtOnce);
    }

    /// Leaves in this way.
    fn begin_leave(&mut self, leave: Leave) {
        match self.state {
            State::Member { .. } => self.due.leave = leave,
            _ => self.state = State::Ended,
        }
    }

    /// Whether the client is in.
    pub const fn is_member(&self) -> bool {
        matches!(self.state, State::Member { .. })
    }

    /// Whether there will be no connection any more: it has left, or is refused.
    pub const fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// What was ignored.
    pub const fn counts(&self) -> Counts {
        Counts { undrained: self.notices.dropped(), ..self.counts }
    }

    /// Takes the bytes up to the end of one frame off `input`, or all bytes if no frame ends there. Takes nothing while outputs wait.
    /// Work is bounded by the length of `input`.
    pub fn handle_bytes(&mut self, now: Instant, input: &mut &[u8]) {
        if !self.notices.is_empty() {
            return;
        }
        match &mut self.state {
            State::Member { watch, .. } => watch.handle_heard(now),
            State::Joining(_) => {}
            State::Waiting(_) | State::Connecting | State::Ended => {
                *input = &[];
                return;
            }
        }
        let Some(frame) = self.decoder.next_frame(input) else { return };
        // The buffer is taken out, so that the message does not borrow the client.
        let mut received = core::mem::take(&mut self.received);
        received.clear();
        // A frame is never longer than the buffer.
        let whole = frame.is_ok_and(|frame| received.extend_from_slice(frame).is_ok());
        match Message::decode(&received) {
            Ok(message) if whole => self.handle_message(now, message),
            Err(DecodeError::Unknown { .. }) if whole => self.counts.ignored += 1,
            _ => self.handle_malformed(now),
        }
        self.received = received;
    }

    /// What is to be done next; `None` when nothing is.
    pub fn poll_output(&mut self) -> Option<Output<'_>> {
        self.notices.take(&self.received)
    }

    /// The next frame to write to the connection; `None` when there is none. A frame counts as sent when it is given.
    pub fn poll_frame(&mut self) -> Option<&[u8]> {
        let Self { token, state, transcript, due, frame, .. } = self;
        let message = match state {
            State::Joining(_) if core::mem::take(&mut due.join) => {
                let seen = transcript.seen();
                match transcript.name() {
                    Some(name) => Message::Join { version: VERSION, token: *token, seen, name: name.as_str() },
                    None => Message::Observe { version: VERSION, seen },
                }
            }
            State::Member { watch, .. } => {
                if core::mem::take(&mut due.pong) {
                    Message::Pong
                } else if watch.take_ping(transcript.sent_last()) {
                    Message::Ping
                } else if let Some(page) = due.who.take() {
                    Message::Who { page }
                } else if due.leave != Leave::AtOnce
                    && let Some(say) = transcript.send()
                {
                    say
                } else if due.leave == Leave::AtOnce || due.leave == Leave::AfterSaying && !transcript.holds_unsent() {
                    *state = State::Ended;
                    Message::Leave
                } else {
                    return None;
                }
            }
            State::Joining(_) if core::mem::take(&mut due.pong) => Message::Pong,
            _ => return None,
        };
        // None of these messages is longer than a frame may be.
        frame.encode(&message).ok()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::refusal::RefusalReason;
    use crate::room::server::fixture;
    use crate::room::{Names, Seen, Sequence, Welcome};
    use core::time::Duration;
    use std::string::{String, ToString as _};
    use std::vec::Vec as List;

    const START: Instant = Instant::from_millis(1_000);

    /// The welcome of a room of one member and two messages.
    fn welcome() -> Welcome {
        let (next, head) = (Sequence(3), Sequence(3));
        Welcome { next, messages: 2, head, members: 1, ..fixture::welcome() }
    }

    /// Frames of the server with these messages.
    fn frames(messages: &[Message<'_>]) -> List<u8> {
        messages.iter().flat_map(|message| Frame::EMPTY.clone().encode(message).unwrap().to_vec()).collect()
    }

    fn said(sequence: u64, name: &'static str) -> Message<'static> {
        let (sequence, kind) = (Sequence(sequence), Kind::Plain);
        Message::Said { sequence, sent_ms: 0, number: 1, kind, name, text: "text" }
    }

    /// All outputs of the client, in words.
    fn drain(client: &mut Client) -> List<String> {
        let mut words = List::new();
        while let Some(output) = client.poll_output() {
            words.push(match output {
                Output::Message(said) => std::format!("{} {}", said.name, said.text),
                Output::Members { names, .. } => std::format!("{:?}", names.iter().collect::<List<_>>()),
                Output::Welcome(_) => "Welcome".to_string(),
                other => std::format!("{other:?}"),
            });
        }
        words
    }

    /// Hands bytes to the client; returns its outputs in words.
    fn deliver(client: &mut Client, now: Instant, bytes: &[u8]) -> List<String> {
        let (mut input, mut words) = (bytes, List::new());
        while !input.is_empty() {
            client.handle_bytes(now, &mut input);
            words.extend(drain(client));
        }
        words
    }

    /// The bytes that the client writes.
    fn written(client: &mut Client) -> List<u8> {
        let mut bytes = List::new();
        while let Some(frame) = client.poll_frame() {
            bytes.extend_from_slice(frame);
        }
        bytes
    }

    /// The client's Join.
    fn join(seen: Option<Seen>) -> List<u8> {
        frames(&[Message::Join { version: VERSION, token: [7; 16], seen, name: "ann" }])
    }

    /// A client that has sent its first Join.
    fn joining() -> Client {
        joining_with(5)
    }

    /// The same, whose pauses depend on this seed.
    fn joining_with(seed: u64) -> Client {
        let mut client = Client::new(Config::DEFAULT, START, seed, Username::new("ann").unwrap(), [7; 16]);
        assert_eq!(client.poll_timeout(), Some(START));
        client.handle_timeout(START);
        assert_eq!(drain(&mut client), ["Connect"]);
        assert_eq!(client.poll_timeout(), None);
        client.handle_connected(START);
        assert_eq!(written(&mut client), join(None));
        client
    }

    /// A client that is in.
    fn member() -> Client {
        let mut client = joining();
        assert_eq!(deliver(&mut client, START, &frames(&[Message::Welcome(welcome())])), ["Welcome", "HistoryEnd"]);
        assert!(client.is_member());
        client
    }

    #[test]
    fn what_is_said_early_is_sent_once_the_client_is_in() {
        let mut client = joining();
        assert_eq!(client.say(Kind::Plain, Text::new("early").unwrap()), Ok(1));
        assert_eq!((written(&mut client), client.under_way()), (List::new(), 1));
        deliver(&mut client, START, &frames(&[Message::Welcome(welcome())]));
        assert_eq!(written(&mut client), frames(&[Message::Say { number: 1, kind: Kind::Plain, text: "early" }]));
    }

    #[test]
    fn outputs_are_drained_before_more_is_taken() {
        let mut client = joining();
        let bytes = frames(&[Message::Welcome(welcome()), said(3, "bob")]);
        let mut input = bytes.as_slice();
        client.handle_bytes(START, &mut input);
        let rest = input.len();
        client.handle_bytes(START, &mut input);
        assert!(rest > 0 && input.len() == rest);
        drain(&mut client);
        client.handle_bytes(START, &mut input);
        assert_eq!((drain(&mut client), input.len()), (std::vec!["bob text".to_string()], 0));
    }

    #[test]
    fn server_that_does_not_answer_the_join_is_given_up() {
        let mut client = joining();
        let due = START + Config::DEFAULT.welcome_max;
        assert_eq!(client.poll_timeout(), Some(due));
        client.handle_timeout(due);
        assert_eq!(drain(&mut client), ["Disconnect", "Broken(Silent)"]);
        assert_eq!(deliver(&mut client, due, &frames(&[Message::Welcome(welcome())])), [""; 0]);
    }

    #[test]
    fn outputs_that_are_not_drained_are_counted_when_they_find_no_room() {
        let mut client = member();
        for _ in 0..3 {
            client.handle_disconnected(START);
            let due = client.poll_timeout().unwrap_or(START);
            client.handle_timeout(due);
            client.handle_connected(due);
        }
        let told = drain(&mut client).len();
        assert_eq!((told, client.counts().undrained > 0), (4, true));
    }

    #[test]
    fn leave_after_a_return_waits_until_what_is_held_back_is_sent() {
        let mut client = member();
        client.say(Kind::Plain, Text::new("one").unwrap()).unwrap();
        let say = frames(&[Message::Say { number: 1, kind: Kind::Plain, text: "one" }]);
        assert_eq!(written(&mut client), say);
        client.handle_disconnected(START);
        drain(&mut client);
        client.handle_timeout(client.poll_timeout().unwrap());
        drain(&mut client);
        client.handle_connected(START);
        written(&mut client);
        // The server does not know which messages were taken; frames that may show it are still to come.
        let welcome = Welcome { head: Sequence(4), taken: 0, ..welcome() };
        deliver(&mut client, START, &frames(&[Message::Welcome(welcome)]));
        client.leave();
        assert_eq!((written(&mut client), client.is_ended()), (List::new(), false));
        deliver(&mut client, START, &frames(&[said(3, "bob")]));
        assert_eq!(written(&mut client), [say, frames(&[Message::Leave])].concat());
        assert!(client.is_ended());
    }

    #[test]
    fn break_is_told_once_and_the_return_with_how_long_it_took() {
        let mut client = member();
        client.handle_disconnected(START);
        client.handle_disconnected(START);
        assert_eq!(drain(&mut client), ["Disconnect", "Broken(Closed)"]);
        for _ in 0..3 {
            let now = client.poll_timeout().unwrap();
            client.handle_timeout(now);
            assert_eq!(drain(&mut client), ["Connect"]);
            client.handle_disconnected(now);
            assert_eq!(drain(&mut client), ["Disconnect"]);
        }
        let now = client.poll_timeout().unwrap();
        client.handle_timeout(now);
        drain(&mut client);
        client.handle_connected(now);
        assert_eq!(written(&mut client), join(Some(Seen { epoch: 77, sequence: Sequence(2), messages: 2 })));
        let back = Resumption { after: now - START, missed: 0, restarted: false };
        assert_eq!(
            deliver(&mut client, now, &frames(&[Message::Welcome(welcome())])),
            [std::format!("{:?}", Output::Back(back))]
        );
    }

    #[test]
    fn connection_that_held_is_followed_by_another_at_once() {
        let mut client = member();
        client.handle_disconnected(START);
        let mut now = client.poll_timeout().unwrap();
        assert_eq!(now, START);
        client.handle_timeout(now);
        client.handle_connected(now);
        drain(&mut client);
        deliver(&mut client, now, &frames(&[Message::Welcome(welcome())]));
        client.handle_disconnected(now);
        assert!(client.poll_timeout().unwrap() > now, "it did not hold");
        now = client.poll_timeout().unwrap();
        client.handle_timeout(now);
        client.handle_connected(now);
        drain(&mut client);
        deliver(&mut client, now, &frames(&[Message::Welcome(welcome())]));
        now = now + Config::DEFAULT.steady_after;
        client.handle_disconnected(now);
        assert_eq!(client.poll_timeout(), Some(now));
    }

    #[test]
    fn first_connection_that_fails_is_followed_by_another_behind_growing_pauses() {
        for seed in 0..100 {
            let mut client = Client::new(Config::DEFAULT, START, seed, Username::new("ann").unwrap(), [7; 16]);
            let mut now = START;
            for longest in [1_000, 2_000, 4_000] {
                client.handle_timeout(now);
                client.handle_disconnected(now);
                drain(&mut client);
                let due = client.poll_timeout().unwrap();
                let pause = (due - now).as_millis();
                assert!((longest / 2..=longest).contains(&pause), "seed {seed}: {pause} ms of {longest}");
                now = due;
            }
        }
    }

    #[test]
    fn refusal_is_final_or_not() {
        for (reason, words) in [
            (RefusalReason::NameTaken, "Refused(NameTaken)"),
            (RefusalReason::Full, "Refused(Full)"),
            (RefusalReason::Version, "Refused(Version)"),
            (RefusalReason::Busy, "Broken(Refused(Busy))"),
            (RefusalReason::ShuttingDown, "Broken(Refused(ShuttingDown))"),
        ] {
            let mut client = joining();
            let outputs = deliver(&mut client, START, &frames(&[Message::Refused { reason }]));
            assert_eq!(outputs, ["Disconnect", words]);
            assert_eq!(client.is_ended(), words.starts_with("Refused"), "{reason}");
            assert!(client.poll_timeout().is_none_or(|due| due > START), "{reason}");
        }
        let mut client = member();
        let outputs = deliver(&mut client, START, &frames(&[Message::Refused { reason: RefusalReason::Replaced }]));
        assert_eq!((outputs[1].as_str(), client.is_ended()), ("Refused(Replaced)", true));
    }

    #[test]
    fn clients_that_are_put_out_together_come_back_one_after_the_other() {
        let dues = [1, 2, 3].map(|seed| {
            let mut client = joining_with(seed);
            deliver(&mut client, START, &frames(&[Message::Welcome(welcome())]));
            let later = START + Config::DEFAULT.steady_after;
            deliver(&mut client, later, &frames(&[Message::Refused { reason: RefusalReason::ShuttingDown }]));
            client.poll_timeout().unwrap() - later
        });
        assert!(dues.iter().all(|due| (500..=1_000).contains(&due.as_millis())), "{dues:?}");
        assert!(dues[0] != dues[1] && dues[1] != dues[2], "{dues:?}");
    }

    #[test]
    fn ping_before_the_welcome_is_answered_behind_the_join() {
        let mut client = joining();
        deliver(&mut client, START, &frames(&[Message::Ping]));
        assert_eq!(written(&mut client), frames(&[Message::Pong]));
    }

    #[test]
    fn server_of_another_version_is_refused() {
        let mut client = joining();
        let welcome = Welcome { version: VERSION + 1, ..welcome() };
        let outputs = deliver(&mut client, START, &frames(&[Message::Welcome(welcome)]));
        assert_eq!(outputs, ["Disconnect", "Refused(Version)"]);
    }

    #[test]
    fn what_makes_no_sense_from_a_server_is_skipped_and_counted() {
        let mut client = member();
        // A tag that is not known, a message that only clients send, a second Welcome, a frame that was seen before.
        let unknown =
            [&[2, 63, 0][..], &frames(&[Message::Leave, Message::Welcome(welcome()), said(2, "bob")])].concat();
        assert_eq!(deliver(&mut client, START, &unknown), [""; 0]);
        assert_eq!(client.counts(), Counts { ignored: 4, ..Counts::default() });
        assert!(client.is_member());
    }

    #[test]
    fn malformed_frames_end_the_connection_and_in_the_end_the_client() {
        let mut client = member();
        // Stuffing past the end, a SAID that is cut, an over-long frame.
        for malformed in [&[5, 1, 0][..], &[2, 11, 0], &[1; 2_000]] {
            let now = client.poll_timeout().filter(|_| !client.is_member()).unwrap_or(START);
            client.handle_timeout(now);
            client.handle_connected(now);
            drain(&mut client);
            let outputs = deliver(&mut client, now, malformed);
            assert_eq!(outputs[0], "Disconnect", "{malformed:?}");
        }
        assert_eq!((client.counts().malformed, client.is_ended()), (3, true));
    }

    #[test]
    fn ping_is_answered_and_who_is_shown() {
        let mut client = member();
        client.who(4);
        assert_eq!(deliver(&mut client, START, &frames(&[Message::Ping])), [""; 0]);
        assert_eq!(written(&mut client), frames(&[Message::Pong, Message::Who { page: 4 }]));
        let names = Names::new(b"\x03ann").unwrap();
        let outputs = deliver(&mut client, START, &frames(&[Message::Members { page: 4, more: false, names }]));
        assert_eq!(outputs, ["[\"ann\"]"]);
    }

    #[test]
    fn client_that_leaves_says_first_what_it_has_to_say_unless_it_leaves_at_once() {
        let say = Message::Say { number: 1, kind: Kind::Action, text: "goes" };
        for (leave, sent) in [
            (Client::leave as fn(&mut Client), frames(&[say, Message::Leave])),
            (Client::leave_at_once, frames(&[Message::Leave])),
        ] {
            let mut client = member();
            client.say(Kind::Action, Text::new("goes").unwrap()).unwrap();
            leave(&mut client);
            assert_eq!(written(&mut client), sent);
            assert!(client.is_ended());
            client.handle_disconnected(START);
            assert_eq!((drain(&mut client), client.poll_timeout()), (List::new(), None));
        }
    }

    #[test]
    fn observer_observes_and_says_nothing() {
        let mut client = Client::observer(Config::DEFAULT, START, 5);
        client.handle_timeout(START);
        drain(&mut client);
        client.handle_connected(START);
        assert_eq!(written(&mut client), frames(&[Message::Observe { version: VERSION, seen: None }]));
        assert_eq!(deliver(&mut client, START, &frames(&[Message::Welcome(welcome())])), ["Welcome", "HistoryEnd"]);
        assert!(!client.may_say());
        assert_eq!(client.say(Kind::Plain, Text::new("hi").unwrap()), Err(OutboxFull));
        let outputs = deliver(&mut client, START, &frames(&[said(3, "ann")]));
        assert_eq!(outputs, ["ann text"]);
    }

    #[test]
    fn server_that_does_not_answer_what_was_said_is_asked_and_then_left() {
        let mut client = member();
        client.say(Kind::Plain, Text::new("hi").unwrap()).unwrap();
        written(&mut client);
        let mut asked_at = None;
        let mut now = START;
        while client.is_member() {
            now = client.poll_timeout().unwrap().max(now);
            client.handle_timeout(now);
            if !written(&mut client).is_empty() {
                asked_at.get_or_insert(now);
            }
        }
        assert_eq!(asked_at, Some(START + Duration::from_secs(1)));
        assert_eq!(now, START + Config::DEFAULT.answer_max);
        assert_eq!(drain(&mut client), ["Disconnect", "Broken(Silent)"]);
    }

    #[test]
    fn any_garbage_is_survived_in_every_state() {
        for fill in 0..=u8::MAX {
            for mut client in [joining(), member()] {
                let mut bytes = frames(&[said(9, "bob")]);
                bytes.extend([fill; 300]);
                bytes.push(0);
                deliver(&mut client, START, &bytes);
            }
        }
    }
}
