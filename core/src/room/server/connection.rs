//! One connection to a room's server: bytes in, slices out.
//!
//! It hands its client's requests to the room ([`Access`]). It queues nothing: a place in the journal says what the client still lacks,
//! and the connection's own frames (answers, signs of life, losses, refusals) are flags in its session, encoded only between two frames
//! of the journal. If a frame of the journal was written in part, its rest is copied aside, so that the ring may overwrite the frame.
//!
//! Drain order: after every call, write what [`Connection::poll_output`] gives and tell [`Connection::handle_sent`] how much was
//! written, until nothing is given or not all was written; then [`Connection::close`] it if [`Connection::is_ended`]. Call
//! [`Connection::handle_timeout`] at [`Connection::poll_timeout`], which each call may change, and when a pause is over.

use super::journal::Slices;
use super::reader::Reader;
use super::session::{Request, Session, Unpaid};
use super::{Access, Admission, Buffer, Config, Counter, MemberId, Origin, Pace, SayError, WallTime};
use crate::frame::{Decoder, Frame, Partial};
use crate::limits::FRAME_STUFFED_BYTES_MAX;
use crate::refusal::RefusalReason;
use crate::time::Instant;

/// One connection. Its two buffers `B` have a fixed capacity or grow.
#[derive(Debug)]
pub struct Connection<B> {
    /// Where it comes from; `None` for the server's own machine.
    origin: Option<Origin>,
    /// Its join state, timers and rate, and its own frames that are due.
    session: Session,
    /// How far it has got in the journal.
    reader: Reader,
    /// Received bytes that were not taken: whole frames that came too fast, or the beginning of one frame.
    pending: B,
    /// What `pending` holds.
    unread: Unread,
    /// Whether received bytes are thrown away up to the next 0x00.
    discarding: bool,
    /// Whole frames, or the rest of one, that are to be written before anything of the journal.
    owed: B,
    /// How many bytes [`Connection::poll_output`] gave last.
    offered: usize,
    /// Whether the socket took less than it was given at the last write.
    blocked: bool,
    /// Whether publishing pauses until the server's other threads have caught up.
    paused: bool,
}

/// What waits in a connection's received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    /// At most the beginning of a frame.
    Nothing,
    /// Whole frames that nobody has looked at, perhaps.
    Frames,
    /// Whole frames, of which the first waits for a token.
    Unpaid,
}

/// What a connection needs to know of its server and the time.
#[derive(Debug, Clone, Copy)]
pub struct Context<'c> {
    /// Timers and limits.
    pub config: &'c Config,
    /// The time by which timers run.
    pub now: Instant,
    /// The time of day, with which messages are stamped.
    pub wall_time: WallTime,
}

impl<B: Buffer> Connection<B> {
    /// A connection that has just been accepted.
    pub fn new(now: Instant, origin: Option<Origin>) -> Self {
        Self {
            origin,
            session: Session::new(now),
            reader: Reader::default(),
            pending: B::default(),
            unread: Unread::Nothing,
            discarding: false,
            owed: B::default(),
            offered: 0,
            blocked: false,
            paused: false,
        }
    }

    /// How many bytes may be read from the socket now and handed to [`Connection::handle_bytes`]. 0 while frames wait (the first of them
    /// for its turn by the rate, perhaps), publishing pauses, or an answer is to be encoded first. So a client whose frames have all been
    /// taken is read, however fast they came, and its end is seen at once.
    pub fn wants_bytes(&self) -> usize {
        if self.unread != Unread::Nothing || !self.may_take() || !self.session.may_read() {
            return 0;
        }
        self.pending.room()
    }

    /// Whether the room and `owed` allow frames to be taken: publishing does not pause, and before the join `owed` is empty, because the
    /// welcome and the history need its room.
    fn may_take(&self) -> bool {
        !self.paused && (!self.session.is_joining() || self.owed.as_bytes().is_empty())
    }

    /// Takes bytes that were read, at most [`Connection::wants_bytes`]; if more do not fit, they are lost and the connection is put out.
    /// `decoder` may serve all connections of a thread. Work is bounded by the waiting bytes and these.
    pub fn handle_bytes(&mut self, context: Context<'_>, room: &mut impl Access, decoder: &mut Decoder, bytes: &[u8]) {
        self.session.handle_heard(context.now);
        if self.pending.as_bytes().is_empty() {
            return self.take(context, room, decoder, bytes);
        }
        let mut pending = core::mem::take(&mut self.pending);
        if pending.extend(bytes).is_err() {
            self.session.refuse(RefusalReason::Overlong);
        }
        self.take(context, room, decoder, pending.as_bytes());
    }

    /// Does what is due, and takes the waiting frames that came too fast, as far as they may be taken now.
    pub fn handle_timeout(&mut self, context: Context<'_>, room: &mut impl Access, decoder: &mut Decoder) {
        let Context { config, now, .. } = context;
        if self.session.poll_timeout(config).is_some_and(|due| due <= now) {
            self.session.handle_timeout(config, now);
        }
        self.paused = self.paused && room.pace() == Pace::Pause;
        if self.unread != Unread::Nothing {
            // The waiting frames count as a sign of life: nothing newer is read before they are taken.
            self.session.handle_heard(now);
            let pending = core::mem::take(&mut self.pending);
            self.take(context, room, decoder, pending.as_bytes());
        }
    }

    /// When [`Connection::handle_timeout`] has something to do.
    pub fn poll_timeout(&self, config: &Config, now: Instant) -> Option<Instant> {
        let readable = match self.unread {
            _ if !self.may_take() || !self.session.may_read() => None,
            Unread::Nothing => None,
            Unread::Frames => Some(now),
            Unread::Unpaid => Some(self.session.paid_at(config, now)),
        };
        [self.session.poll_timeout(config), readable].into_iter().flatten().min()
    }

    /// Takes the frames in these bytes, as far as they may be taken now; the rest goes to `pending`, which must be empty.
    fn take(&mut self, context: Context<'_>, room: &mut impl Access, decoder: &mut Decoder, bytes: &[u8]) {
        decoder.resume(Partial { bytes: &[], discarding: self.discarding });
        let (mut input, mut unpaid) = (bytes, false);
        while self.may_take() && self.session.may_read() && !unpaid {
            let before = input;
            let Some(frame) = decoder.next_frame(&mut input) else { break };
            match self.session.handle_frame(context.config, context.now, frame) {
                Ok(Some(request)) => self.handle_request(context, room, request),
                Ok(None) => {}
                // `before` holds the whole frame: the decoder had begun none.
                Err(Unpaid) => (input, unpaid) = (before, true),
            }
        }
        let Partial { bytes: begun, discarding } = decoder.partial();
        self.discarding = discarding;
        self.unread = match input {
            [] => Unread::Nothing,
            _ if unpaid => Unread::Unpaid,
            _ => Unread::Frames,
        };
        // `begun` and `input` are parts of `bytes`, of which a caller hands in no more than `pending` has room for.
        if self.pending.extend(begun).and_then(|()| self.pending.extend(input)).is_err() {
            self.session.refuse(RefusalReason::Overlong);
        }
    }

    /// Does what a frame asks for.
    fn handle_request(&mut self, context: Context<'_>, room: &mut impl Access, request: Request<'_>) {
        let Context { now, wall_time, .. } = context;
        match request {
            Request::Join(_) | Request::Observe { .. } if !room.admits_join(now, self.origin) => {
                room.count(Counter::JoinsRefused);
                self.session.refuse(RefusalReason::AddressJoins);
            }
            Request::Join(join) => match room.join(wall_time, &join, &mut self.owed) {
                Ok((id, admission)) => {
                    room.count(Counter::Joins);
                    if admission.replacing {
                        room.count(Counter::JoinsReplacing);
                    }
                    self.session.handle_joined(now, id);
                    self.begin(&admission);
                }
                Err(reason) => {
                    room.count(Counter::JoinsRefused);
                    self.session.refuse(reason);
                }
            },
            Request::Observe { seen } => match room.observe(wall_time, seen, &mut self.owed) {
                Ok(admission) => {
                    room.count(Counter::Joins);
                    self.session.handle_observing(now);
                    self.begin(&admission);
                }
                Err(reason) => {
                    room.count(Counter::JoinsRefused);
                    self.session.refuse(reason);
                }
            },
            Request::Say { id, number, kind, text } => match room.say(wall_time, id, number, kind, text) {
                Ok(pace) => {
                    room.count(Counter::Messages);
                    self.paused = pace == Pace::Pause;
                }
                Err(SayError::Doubled) => room.count(Counter::MessagesDoubled),
                Err(SayError::Stale) => self.session.refuse(RefusalReason::Replaced),
                Err(SayError::Refused(reason)) => {
                    room.count(Counter::MessagesRefused);
                    self.session.handle_unsaid(number, reason);
                }
            },
            Request::Unsupported => room.count(Counter::Unsupported),
        }
    }

    /// Live frames begin where `admission` says, behind the frames that the room has put into `owed`.
    const fn begin(&mut self, admission: &Admission) {
        self.reader = Reader::new(admission.cursor);
    }

    /// The bytes that are to be written next, in one slice or in two around the end of the ring; none if both are empty. Work is
    /// bounded by the connection's own frames.
    ///
    /// # Errors
    /// How many messages the client has lost because it read too slowly. The client will be told; call again for the bytes to write.
    pub fn poll_output<'a>(&'a mut self, room: &'a impl Access) -> Result<Slices<'a>, u64> {
        while self.session.owes() && self.owed.room() > FRAME_STUFFED_BYTES_MAX {
            let mut frame = Frame::EMPTY;
            if let Some(frame) = self.session.poll_frame(room, &mut frame) {
                // There is room for the longest frame.
                let _ = self.owed.extend(frame);
            }
        }
        if !self.owed.as_bytes().is_empty() {
            self.offered = self.owed.as_bytes().len();
            return Ok((self.owed.as_bytes(), &[]));
        }
        self.offered = 0;
        if !self.session.is_listening() {
            return Ok(Default::default());
        }
        let lacking = self.reader.read(room.journal()).inspect_err(|&lost| self.session.handle_lagged(lost))?;
        self.offered = lacking.0.len() + lacking.1.len();
        Ok(lacking)
    }

    /// `count` bytes of those that [`Connection::poll_output`] gave last were written; nothing may be called in between. Returns whether
    /// there may be more to write at once: false if fewer bytes were written than were given.
    pub fn handle_sent(&mut self, now: Instant, room: &impl Access, count: usize) -> bool {
        self.blocked = count < self.offered;
        if self.blocked {
            self.session.handle_blocked(now, count > 0);
        } else {
            self.session.handle_drained();
        }
        if !self.owed.as_bytes().is_empty() {
            self.owed.consume(count);
            return !self.blocked;
        }
        if !self.blocked {
            self.reader.finish(room.journal());
            return self.session.owes();
        }
        let (first, second) = self.reader.advance(room.journal(), count);
        // The rest of a frame fits into the empty buffer.
        let _ = self.owed.extend(first).and_then(|()| self.owed.extend(second));
        false
    }

    /// Puts the connection out: the client is told the reason, and then the connection is to be closed.
    pub fn refuse(&mut self, reason: RefusalReason) {
        self.session.refuse(reason);
    }

    /// Its member went on from another connection: nothing more is taken from this one, and it is put out.
    pub fn handle_replaced(&mut self) {
        (self.pending, self.unread) = (B::default(), Unread::Nothing);
        self.session.refuse(RefusalReason::Replaced);
    }

    /// Publishing pauses until the server's other threads have caught up, so nothing is read.
    pub const fn pause(&mut self) {
        self.paused = true;
    }

    /// Whether publishing pauses.
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether the socket took less than it was given: nothing can be written before it takes more.
    pub const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// The member that this connection belongs to; `None` before the join, and for an observer.
    pub const fn member(&self) -> Option<MemberId> {
        self.session.member()
    }

    /// Whether the connection is to be closed.
    pub const fn is_ended(&self) -> bool {
        self.session.is_ended()
    }

    /// Where it comes from; `None` for the server's own machine.
    pub const fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// The connection is gone or is closed now: its member leaves, and the name is free. Returns whether the connection was put out with
    /// a reason that the client may still read.
    pub fn close(&mut self, room: &mut impl Access) -> bool {
        if let Some(id) = self.session.member() {
            room.leave(id);
        }
        let reason = self.session.put_out();
        match reason {
            Some(RefusalReason::Malformed | RefusalReason::Overlong) => room.count(Counter::PutOutMalformed),
            Some(RefusalReason::JoinTimeout | RefusalReason::Silent) => room.count(Counter::PutOutSilent),
            Some(RefusalReason::Stalled) => room.count(Counter::PutOutStalled),
            _ => {}
        }
        reason.is_some() && !self.blocked
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::bucket::Rate;
    use crate::room::message::VERSION;
    use crate::room::server::FixedBuffer;
    use crate::room::server::fixture::{SmallRoom, WALL_TIME, room};
    use crate::room::{Kind, Message};
    use std::string::{String, ToString as _};
    use std::vec::Vec;

    /// A connection whose buffers have room for one longest frame.
    type Small = Connection<FixedBuffer<{ FRAME_STUFFED_BYTES_MAX + 1 }>>;

    const CONFIG: Config = Config { rate: None, ..Config::DEFAULT };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// These messages as they travel.
    fn stream(messages: &[Message<'_>]) -> Vec<u8> {
        messages.iter().flat_map(|message| Frame::EMPTY.clone().encode(message).unwrap().to_vec()).collect()
    }

    fn join(name: &str) -> Message<'_> {
        Message::Join { version: VERSION, token: [name.as_bytes()[0]; 16], seen: None, name }
    }

    fn say(number: u32, text: &str) -> Message<'_> {
        Message::Say { number, kind: Kind::Plain, text }
    }

    /// Hands bytes in at 1,000 ms.
    fn hear(connection: &mut Small, room: &mut SmallRoom, config: &Config, bytes: &[u8]) {
        let context = Context { config, now: at(1_000), wall_time: WALL_TIME };
        connection.handle_bytes(context, room, &mut Decoder::new(), bytes);
    }

    /// Writes at most `step` bytes at a time until none are left; returns all of them.
    fn drain(connection: &mut Small, room: &SmallRoom, step: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let Ok((first, second)) = connection.poll_output(room) else { continue };
            let offered = [first, second].concat();
            if offered.is_empty() {
                return bytes;
            }
            let count = offered.len().min(step);
            bytes.extend_from_slice(&offered[..count]);
            connection.handle_sent(at(1_000), room, count);
        }
    }

    /// Frames in words.
    fn words(bytes: &[u8]) -> Vec<String> {
        let (mut decoder, mut input, mut words) = (Decoder::new(), bytes, Vec::new());
        while let Some(frame) = decoder.next_frame(&mut input) {
            words.push(match Message::decode(frame.unwrap()).unwrap() {
                Message::Welcome(welcome) => std::format!("welcome {}", welcome.history),
                Message::HistoryEnd => "history end".to_string(),
                Message::Said { name, text, .. } => std::format!("{name}: {text}"),
                Message::Joined { name, .. } => std::format!("+{name}"),
                Message::Members { names, .. } => names.iter().collect::<Vec<_>>().join(" "),
                other => std::format!("{other:?}"),
            });
        }
        words
    }

    /// The connection of a member that has read everything so far.
    fn member(room: &mut SmallRoom, name: &str) -> Small {
        let mut connection = Small::new(at(1_000), None);
        hear(&mut connection, room, &CONFIG, &stream(&[join(name)]));
        drain(&mut connection, room, usize::MAX);
        connection
    }

    #[test]
    fn newcomer_is_welcomed_with_the_history_and_then_hears_what_is_said() {
        let mut room = room(CONFIG);
        let mut ann = member(&mut room, "ann");
        hear(&mut ann, &mut room, &CONFIG, &stream(&[say(1, "one"), say(2, "two")]));
        let mut bob = Small::new(at(1_000), None);
        hear(&mut bob, &mut room, &CONFIG, &stream(&[join("bob"), say(1, "three")]));
        let heard = words(&drain(&mut bob, &room, usize::MAX));
        assert_eq!(heard, ["welcome 2", "ann: one", "ann: two", "history end", "bob: three"]);
        assert_eq!(words(&drain(&mut ann, &room, usize::MAX)), ["ann: one", "ann: two", "+bob", "bob: three"]);
    }

    #[test]
    fn newcomer_whose_buffer_is_small_is_given_the_newest_messages_that_fit() {
        let mut room = room(CONFIG);
        let mut ann = member(&mut room, "ann");
        for number in 1..=5 {
            hear(&mut ann, &mut room, &CONFIG, &stream(&[say(number, &std::format!("{number}{}", "x".repeat(399)))]));
            drain(&mut ann, &room, usize::MAX);
        }
        let mut bob = Small::new(at(1_000), None);
        hear(&mut bob, &mut room, &CONFIG, &stream(&[join("bob")]));
        let heard = words(&drain(&mut bob, &room, usize::MAX));
        let begins: Vec<_> = heard.iter().map(|words| &words[..words.len().min(9)]).collect();
        assert_eq!(begins, ["welcome 2", "ann: 4xxx", "ann: 5xxx", "history e"]);
    }

    #[test]
    fn kind_of_a_later_version_goes_through_unchanged() {
        let mut room = room(CONFIG);
        let mut ann = member(&mut room, "ann");
        let kind = Kind::Other(200);
        hear(&mut ann, &mut room, &CONFIG, &stream(&[Message::Say { number: 1, kind, text: "x" }]));
        let bytes = drain(&mut ann, &room, usize::MAX);
        let mut decoder = Decoder::new();
        let frame = decoder.next_frame(&mut bytes.as_slice()).unwrap().unwrap();
        assert!(matches!(Message::decode(frame), Ok(Message::Said { kind: Kind::Other(200), .. })));
    }

    #[test]
    fn frames_are_whole_wherever_writing_stops() {
        for step in 1..40 {
            let mut room = room(CONFIG);
            let (mut ann, mut bob) = (member(&mut room, "ann"), member(&mut room, "bob"));
            let mut heard = drain(&mut ann, &room, step);
            for number in 1..=30 {
                hear(&mut bob, &mut room, &CONFIG, &stream(&[say(number, "how are you")]));
                drain(&mut bob, &room, usize::MAX);
                // One incomplete write, and an own frame that becomes due behind it.
                if let Ok((first, second)) = ann.poll_output(&room) {
                    let offered = [first, second].concat();
                    let count = offered.len().min(step);
                    heard.extend_from_slice(&offered[..count]);
                    ann.handle_sent(at(1_000), &room, count);
                }
                hear(&mut ann, &mut room, &CONFIG, &stream(&[Message::Ping]));
            }
            heard.extend(drain(&mut ann, &room, step));
            let words = words(&heard);
            let said = words.iter().filter(|words| *words == "bob: how are you").count();
            let lost = words.iter().filter(|words| words.starts_with("Lagged")).count();
            assert!(said == 30 || lost > 0, "step {step}: {words:?}");
            assert!(words.iter().any(|words| words == "Pong"));
        }
    }

    #[test]
    fn reader_that_falls_out_of_the_ring_is_told_how_many_messages_it_lost() {
        let mut room = room(CONFIG);
        let (mut ann, mut bob) = (member(&mut room, "ann"), member(&mut room, "bob"));
        for number in 1..=60 {
            hear(&mut bob, &mut room, &CONFIG, &stream(&[say(number, "how are you")]));
        }
        let Err(lost) = ann.poll_output(&room) else { panic!("60 messages do not fit into 1,024 bytes") };
        let heard = words(&drain(&mut ann, &room, usize::MAX));
        assert_eq!(heard[0], std::format!("Lagged {{ messages: {lost} }}"));
        assert_eq!(heard.len() as u64 - 1, 60 - lost);
    }

    #[test]
    fn what_comes_too_fast_waits_and_more_is_not_read() {
        let config = Config { rate: Some(Rate { burst: 2, per_second: 5 }), ..CONFIG };
        let mut room = room(config);
        let mut ann = member(&mut room, "ann");
        let texts: Vec<_> = (1..=5).map(|number| say(number, "x")).collect();
        assert!(ann.wants_bytes() > 0);
        hear(&mut ann, &mut room, &config, &stream(&texts));
        assert_eq!(ann.wants_bytes(), 0);
        let mut now = at(1_000);
        while room.counted(Counter::Messages) < 5 {
            now = ann.poll_timeout(&config, now).unwrap();
            ann.handle_timeout(Context { config: &config, now, wall_time: WALL_TIME }, &mut room, &mut Decoder::new());
        }
        assert_eq!(now, at(1_600));
        assert!(ann.wants_bytes() > 0);
    }

    #[test]
    fn member_whose_frames_were_all_taken_is_read_although_its_tokens_are_used_up() {
        let config = Config { rate: Some(Rate { burst: 2, per_second: 5 }), ..CONFIG };
        let mut room = room(config);
        let mut ann = member(&mut room, "ann");
        let third = stream(&[say(3, "three")]);
        hear(&mut ann, &mut room, &config, &[&stream(&[say(1, "one"), say(2, "two")])[..], &third[..4]].concat());
        assert!(ann.wants_bytes() > 0);
        assert_eq!(ann.poll_timeout(&config, at(1_000)), Some(at(31_000)));
        hear(&mut ann, &mut room, &config, &third[4..]);
        assert_eq!((ann.wants_bytes(), ann.poll_timeout(&config, at(1_000))), (0, Some(at(1_200))));
        assert_eq!(room.counted(Counter::Messages), 2);
    }

    #[test]
    fn leave_needs_no_token_and_neither_overtakes_a_message_that_does() {
        let config = Config { rate: Some(Rate { burst: 2, per_second: 5 }), ..CONFIG };
        let mut room = room(config);
        let (mut ann, mut bob) = (member(&mut room, "ann"), member(&mut room, "bob"));
        hear(&mut ann, &mut room, &config, &stream(&[say(1, "one"), say(2, "two"), Message::Ping, Message::Leave]));
        assert!(ann.is_ended());
        hear(&mut bob, &mut room, &config, &stream(&[say(1, "1"), say(2, "2"), say(3, "3"), Message::Leave]));
        assert!(!bob.is_ended());
        let context = Context { config: &config, now: at(1_200), wall_time: WALL_TIME };
        bob.handle_timeout(context, &mut room, &mut Decoder::new());
        assert_eq!((bob.is_ended(), room.counted(Counter::Messages)), (true, 5));
    }

    #[test]
    fn frame_in_pieces_is_taken_when_it_is_whole() {
        let mut room = room(CONFIG);
        let mut ann = member(&mut room, "ann");
        for byte in stream(&[say(1, "hello")]) {
            assert_eq!(ann.poll_output(&room), Ok((&[][..], &[][..])));
            hear(&mut ann, &mut room, &CONFIG, &[byte]);
        }
        assert_eq!(words(&drain(&mut ann, &room, usize::MAX)), ["ann: hello"]);
    }

    #[test]
    fn overlong_frame_in_pieces_puts_out_once_and_its_tail_is_no_frame() {
        let mut room = room(CONFIG);
        let mut ann = member(&mut room, "ann");
        for _ in 0..3 {
            hear(&mut ann, &mut room, &CONFIG, &[1; 600]);
        }
        hear(&mut ann, &mut room, &CONFIG, &stream(&[say(1, "tail")]));
        assert_eq!(words(&drain(&mut ann, &room, usize::MAX)), ["Refused { reason: Overlong }"]);
        assert!(ann.is_ended() && ann.close(&mut room));
        assert_eq!((room.member_count(), room.counted(Counter::PutOutMalformed)), (0, 1));
    }

    #[test]
    fn answer_is_given_before_anything_more_is_taken() {
        let mut room = room(CONFIG);
        let mut ann = member(&mut room, "ann");
        let who = Message::Who { page: 0 };
        hear(&mut ann, &mut room, &CONFIG, &[&stream(&[who])[..], &[2, 99, 0], &stream(&[say(1, "x")])].concat());
        assert_eq!((ann.wants_bytes(), room.counted(Counter::Messages)), (0, 0));
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.extend(words(&drain(&mut ann, &room, usize::MAX)));
            assert!(ann.poll_timeout(&CONFIG, at(1_000)).is_some());
            let context = Context { config: &CONFIG, now: at(1_000), wall_time: WALL_TIME };
            ann.handle_timeout(context, &mut room, &mut Decoder::new());
        }
        assert_eq!(heard, ["ann", "Unsupported { tag: 99 }", "ann: x"]);
        assert_eq!(room.counted(Counter::Unsupported), 1);
    }

    #[test]
    fn member_that_went_on_elsewhere_is_put_out_and_stays_a_member() {
        let mut room = room(CONFIG);
        let mut old = member(&mut room, "ann");
        let new = member(&mut room, "ann");
        hear(&mut old, &mut room, &CONFIG, &stream(&[say(1, "late")]));
        assert_eq!(words(&drain(&mut old, &room, usize::MAX)), ["Refused { reason: Replaced }"]);
        old.close(&mut room);
        assert_eq!(room.member_count(), 1);
        assert_eq!((room.counted(Counter::Joins), room.counted(Counter::JoinsReplacing)), (2, 1));
        assert_ne!(old.member(), new.member());
    }
}
