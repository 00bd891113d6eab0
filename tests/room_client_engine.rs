//! The room client's engine against the room server's engines, over a connection that is cut at every byte.
#![cfg(not(loom))]

use chat_core::frame::{Decoder, Frame};
use chat_core::limits::{DEPARTED_MAX, HISTORY_MESSAGES_MAX};
use chat_core::refusal::RefusalReason;
use chat_core::room::client::{self, Client, DisconnectCause, Output, Resumption};
use chat_core::room::server::{
    Config, Connection, Context, Cursor, FixedRoster, History, Join, Journal, Mark, MemberId, Room, WallTime,
};
use chat_core::room::{Kind, Message};
use chat_core::text::Text;
use chat_core::time::Instant;
use chat_core::username::Username;
use chat_host::room::server::buffer::GrowingBuffer;
use std::time::Duration;
use tests::seed::Random;

/// Timers and limits of the room, without a rate limit.
const CONFIG: Config = Config { rate: None, ..Config::DEFAULT };

/// The time of all messages, which does not matter.
const WALL_TIME: WallTime = WallTime { unix_ms: 1_700_000_000_000, trusted: true };

/// The room under test.
type TestRoom = Room<FixedRoster<8>, Vec<u8>, Vec<Mark>, Vec<Frame>>;

/// An empty room whose journal keeps this many bytes.
fn room(epoch: u64, journal_bytes: usize) -> TestRoom {
    let journal = Journal::new(vec![0; journal_bytes], vec![Mark::default(); 64]);
    Room::new(CONFIG, epoch, FixedRoster::new(), journal, History::new(vec![Frame::EMPTY; HISTORY_MESSAGES_MAX]))
}

/// The server's end of a connection.
struct Link {
    connection: Connection<GrowingBuffer>,
    decoder: Decoder,
}

impl Link {
    fn new(now: Instant) -> Self {
        Self { connection: Connection::new(now, None), decoder: Decoder::new() }
    }

    /// The server takes bytes of the client.
    fn take(&mut self, room: &mut TestRoom, now: Instant, bytes: &[u8]) {
        let context = Context { config: &CONFIG, now, wall_time: WALL_TIME };
        self.connection.handle_bytes(context, room, &mut self.decoder, bytes);
    }

    /// The bytes that the server sends to the client now.
    fn flush(&mut self, room: &TestRoom, now: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            if let Ok((first, second)) = self.connection.poll_output(room) {
                let length = first.len() + second.len();
                bytes.extend([first, second].concat());
                if length == 0 {
                    return bytes;
                }
                self.connection.handle_sent(now, room, length);
            }
        }
    }

    /// The server notices that the connection is gone.
    fn close(mut self, room: &mut TestRoom) {
        self.connection.close(room);
    }
}

/// Where and how a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// Whether the bytes of the client are counted; if not, those of the server.
    up: bool,
    /// The connection is cut after this many bytes, counted over all connections.
    after: usize,
    /// Whether the server notices the cut only after the client has come back.
    late: bool,
    /// Whether the server's answer to the last bytes still arrives.
    answered: bool,
}

/// A room, a client and the connections between them.
struct World {
    room: TestRoom,
    client: Client,
    now: Instant,
    link: Option<Link>,
    /// Connections that were cut and that the server takes for alive.
    dead: Vec<Link>,
    /// How many bytes the client and the server have sent.
    sent: (usize, usize),
    cut: Option<Cut>,
    /// The lines that the client's user sees.
    transcript: Vec<String>,
    /// How the client came back, once for each time.
    resumptions: Vec<Resumption>,
}

impl World {
    /// A client that has not joined yet.
    fn new(room: TestRoom, cut: Option<Cut>) -> Self {
        let now = Instant::from_millis(1_000);
        let client = Client::new(client::Config::DEFAULT, now, 7, Username::new("ann").unwrap(), [7; 16]);
        let (transcript, resumptions) = (Vec::new(), Vec::new());
        Self { room, client, now, link: None, dead: Vec::new(), sent: (0, 0), cut, transcript, resumptions }
    }

    /// Runs client and server until neither has anything to do.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            self.drain();
            if self.link.is_none() && !self.client.is_ended() {
                self.now = self.client.poll_timeout().unwrap().max(self.now);
                self.client.handle_timeout(self.now);
                continue;
            }
            if !self.send_up() && !self.send_down() && self.link.is_some() != self.client.is_ended() {
                return;
            }
        }
        panic!("it does not come to rest: {:?}", self.transcript);
    }

    /// Carries bytes from the client to the server. Returns whether there were any.
    fn send_up(&mut self) -> bool {
        let mut bytes = Vec::new();
        while let Some(frame) = self.client.poll_frame() {
            bytes.extend_from_slice(frame);
        }
        let Some(link) = &mut self.link else { return false };
        let arrived = self.cut.filter(|cut| cut.up).map_or(bytes.len(), |cut| bytes.len().min(cut.after - self.sent.0));
        let is_cut = self.cut.is_some_and(|cut| cut.up && self.sent.0 + bytes.len() >= cut.after);
        self.sent.0 += arrived;
        link.take(&mut self.room, self.now, &bytes[..arrived]);
        self.bury();
        if is_cut {
            if self.cut.is_some_and(|cut| cut.answered) {
                self.send_down();
            }
            self.sever();
        }
        !bytes.is_empty()
    }

    /// Carries bytes from the server to the client. Returns whether there were any.
    fn send_down(&mut self) -> bool {
        let Some(link) = &mut self.link else { return false };
        let bytes = link.flush(&self.room, self.now);
        let arrived =
            self.cut.filter(|cut| !cut.up).map_or(bytes.len(), |cut| bytes.len().min(cut.after - self.sent.1));
        let is_cut = self.cut.is_some_and(|cut| !cut.up && self.sent.1 + bytes.len() >= cut.after);
        self.sent.1 += arrived;
        self.deliver(&bytes[..arrived]);
        if is_cut {
            self.sever();
        } else if let Some(link) = self.link.take_if(|link| link.connection.is_ended()) {
            link.close(&mut self.room);
            self.client.handle_disconnected(self.now);
        }
        !bytes.is_empty()
    }

    /// Hands bytes of the server to the client.
    fn deliver(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.client.handle_bytes(self.now, &mut bytes);
            self.drain();
        }
    }

    /// Cuts the connection, once.
    fn sever(&mut self) {
        let late = self.cut.take().is_some_and(|cut| cut.late);
        let Some(link) = self.link.take() else { return };
        if late {
            self.dead.push(link);
        } else {
            link.close(&mut self.room);
        }
        self.client.handle_disconnected(self.now);
    }

    /// The server notices the ends of the connections that were cut.
    fn bury(&mut self) {
        for link in std::mem::take(&mut self.dead) {
            link.close(&mut self.room);
        }
    }

    /// Carries out the client's outputs.
    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            let line = match output {
                Output::Connect => {
                    self.link = Some(Link::new(self.now));
                    self.client.handle_connected(self.now);
                    continue;
                }
                Output::Disconnect => {
                    if let Some(link) = self.link.take() {
                        link.close(&mut self.room);
                    }
                    continue;
                }
                Output::Broken(_) => continue,
                Output::Back(back) => {
                    self.resumptions.push(back);
                    continue;
                }
                Output::Welcome(_) => "welcome".to_owned(),
                Output::HistoryEnd => "history end".to_owned(),
                Output::Message(said) => {
                    let age = if said.history { "history " } else { "" };
                    let own = if said.own { " (own)" } else { "" };
                    format!("{age}{}: {}{own}", said.name, said.text)
                }
                Output::Joined(name) => format!("+{name}"),
                Output::Left(name) => format!("-{name}"),
                other => format!("{other:?}"),
            };
            self.transcript.push(line);
        }
    }

    /// The client says something.
    fn say(&mut self, text: &str) {
        self.client.say(Kind::Plain, Text::new(text).unwrap()).unwrap();
    }

    /// All messages that the room has.
    fn said(&self) -> Vec<String> {
        let (first, second) = self.room.journal().read(Cursor::default()).expect("the journal holds all");
        let (bytes, mut decoder, mut said) = ([first, second].concat(), Decoder::new(), Vec::new());
        let mut input = bytes.as_slice();
        while let Some(frame) = decoder.next_frame(&mut input) {
            if let Message::Said { name, text, .. } = Message::decode(frame.unwrap()).unwrap() {
                said.push(format!("{name}: {text}"));
            }
        }
        said
    }
}

/// Another member joins, without a connection.
fn enter(room: &mut TestRoom, name: &str) -> MemberId {
    room.join(WALL_TIME, &Join { name, token: [0; 16], seen: None }, &mut GrowingBuffer::default()).unwrap().0
}

/// A member without a connection says something.
fn say(room: &mut TestRoom, id: MemberId, number: u32, text: &str) {
    room.say(WALL_TIME, id, number, Kind::Plain, text).unwrap();
}

/// So many other members join, say something and leave that the room forgets the numbers of all that left before.
fn forget(room: &mut TestRoom) {
    for index in 0..DEPARTED_MAX {
        let token = [u8::try_from(index).unwrap(); 16].map(|byte| byte | 0x80);
        let join = Join { name: "guest", token, seen: None };
        let (guest, admission) = room.join(WALL_TIME, &join, &mut GrowingBuffer::default()).unwrap();
        say(room, guest, admission.welcome.taken + 1, "bye");
        room.leave(guest);
    }
}

/// Runs a short session, with this cut.
fn session(cut: Option<Cut>) -> World {
    let mut room = room(1, 1 << 14);
    let bob = enter(&mut room, "bob");
    (1..=3).for_each(|number| say(&mut room, bob, number, &format!("b{number}")));
    let mut world = World::new(room, cut);
    world.settle();
    world.say("a1");
    world.say("a2");
    world.settle();
    say(&mut world.room, bob, 4, "b4");
    enter(&mut world.room, "carl");
    world.settle();
    world.say("a3");
    say(&mut world.room, bob, 5, "b5");
    world.settle();
    world.client.leave();
    world.settle();
    world.bury();
    world
}

#[test]
fn session_is_the_same_wherever_it_is_cut() {
    let uncut = session(None);
    let history = ["welcome", "history bob: b1", "history bob: b2", "history bob: b3", "history end"];
    let live = ["ann: a1 (own)", "ann: a2 (own)", "bob: b4", "+carl", "bob: b5", "ann: a3 (own)"];
    assert_eq!(uncut.transcript, [&history[..], &live[..]].concat());
    assert_eq!(uncut.said(), ["bob: b1", "bob: b2", "bob: b3", "ann: a1", "ann: a2", "bob: b4", "bob: b5", "ann: a3"]);
    assert!(uncut.sent.0 + uncut.sent.1 > 200, "{:?}", uncut.sent);
    for (up, count) in [(true, uncut.sent.0), (false, uncut.sent.1)] {
        for (after, late, answered) in (0..=count)
            .flat_map(|after| [(after, false, false), (after, true, false), (after, false, true), (after, true, true)])
        {
            let cut = Cut { up, after, late, answered };
            let world = session(Some(cut));
            assert_eq!(world.transcript, uncut.transcript, "{cut:?}");
            assert_eq!(world.said(), uncut.said(), "{cut:?}");
            assert_eq!((world.room.member_count(), world.client.under_way()), (2, 0), "{cut:?}");
            assert!(world.resumptions.iter().all(|back| back.missed == 0 && !back.restarted), "{cut:?}");
        }
    }
}

#[test]
fn nothing_is_lost_or_doubled_whatever_is_cut_and_however_often() {
    let mut random = Random::new();
    for run in 0..300 {
        let mut room = room(1, 1 << 16);
        let bob = enter(&mut room, "bob");
        let (mut own, mut others) = (0, 5);
        (1..=others).for_each(|number| say(&mut room, bob, number, &format!("{number}")));
        let mut world = World::new(room, None);
        world.settle();
        for _ in 0..40 {
            match random.below(9) {
                0..3 if world.client.may_say() => {
                    own += 1;
                    world.say(&format!("{own}"));
                }
                3..5 => {
                    others += 1;
                    say(&mut world.room, bob, others, &format!("{others}"));
                }
                5 => drop(world.send_up()),
                6 => drop(world.send_down()),
                7 => {
                    world.settle();
                    world.cut = None;
                }
                _ => {
                    let up = random.below(2) == 0;
                    let sent = if up { world.sent.0 } else { world.sent.1 };
                    let (late, answered) = (random.below(2) == 0, random.below(2) == 0);
                    world.cut = Some(Cut { up, after: sent + random.below(120), late, answered });
                }
            }
            if random.below(16) == 0 {
                // So many other members come and go that the server forgets the number of this client.
                forget(&mut world.room);
            }
        }
        world.settle();
        let seen = |line: &String| line.contains(": ").then(|| line.replace("history ", "").replace(" (own)", ""));
        let transcript: Vec<_> = world.transcript.iter().filter_map(seen).collect();
        assert_eq!(transcript, world.said(), "run {run}");
        let said: Vec<_> = transcript.into_iter().filter(|line| line.starts_with("ann")).collect();
        let expected: Vec<_> = (1..=own).map(|number| format!("ann: {number}")).collect();
        assert_eq!(said, expected, "run {run}");
        assert_eq!(world.client.under_way(), 0, "run {run}");
    }
}

#[test]
fn what_was_not_confirmed_is_said_again_to_a_server_that_was_restarted() {
    let mut world = World::new(room(1, 1 << 14), None);
    world.settle();
    world.say("before");
    world.settle();
    world.say("lost");
    // The server takes the message, and restarts before it can answer.
    world.send_up();
    world.room = room(2, 1 << 14);
    let bob = enter(&mut world.room, "bob");
    (1..=12).for_each(|number| say(&mut world.room, bob, number, &format!("b{number}")));
    world.sever();
    world.settle();
    let expected: Vec<_> =
        (3..=12).map(|number| format!("bob: b{number}")).chain(["ann: lost (own)".to_owned()]).collect();
    assert_eq!(world.transcript[3..], expected);
    assert_eq!(world.resumptions, [Resumption { after: Duration::ZERO, missed: 2, restarted: true }]);
}

#[test]
fn what_the_journal_does_not_reach_any_more_is_counted_once() {
    let mut room = room(1, 2_048);
    let bob = enter(&mut room, "bob");
    let mut world = World::new(room, None);
    world.settle();
    world.sever();
    (1..=200).for_each(|number| say(&mut world.room, bob, number, &format!("b{number}")));
    world.settle();
    let seen = world.transcript.iter().filter(|line| line.starts_with("bob")).count();
    assert!(seen > 10 && seen < 200, "{:?}", world.transcript);
    assert_eq!(world.resumptions[0].missed, 200 - u64::try_from(seen).unwrap());
    assert!(!world.transcript.iter().any(|line| line.contains("Lagged")), "{:?}", world.transcript);
    assert_eq!(world.transcript.last().unwrap(), "bob: b200");
}

#[test]
fn slow_reader_is_told_what_it_lost_and_its_own_message_counts_as_taken() {
    let mut room = room(1, 2_048);
    let bob = enter(&mut room, "bob");
    let mut world = World::new(room, None);
    world.settle();
    world.say("mine");
    world.send_up();
    (1..=200).for_each(|number| say(&mut world.room, bob, number, &format!("b{number}")));
    world.settle();
    let seen = world.transcript.iter().filter(|line| line.starts_with("bob")).count();
    let lagged = format!("Lagged({})", 201 - seen);
    assert!(world.transcript.contains(&lagged), "{lagged} {:?}", world.transcript);
    assert_eq!(world.client.under_way(), 0);
    // The connection breaks; messages that the server still has must not count as lost.
    say(&mut world.room, bob, 201, "after");
    world.sever();
    world.settle();
    assert_eq!(world.transcript.last().unwrap(), "bob: after");
    assert_eq!(world.resumptions, [Resumption { after: Duration::ZERO, missed: 0, restarted: false }]);
}

#[test]
fn loss_that_was_told_just_before_the_connection_broke_is_counted_once() {
    let mut room = room(1, 2_048);
    let bob = enter(&mut room, "bob");
    let mut world = World::new(room, None);
    world.settle();
    (1..=200).for_each(|number| say(&mut world.room, bob, number, &format!("b{number}")));
    let lagged = Frame::EMPTY.clone().encode(&Message::Lagged { messages: 150 }).unwrap().len();
    world.cut = Some(Cut { up: false, after: world.sent.1 + lagged, late: false, answered: false });
    world.settle();
    // The journal reaches further back than the place where a slow reader goes on.
    assert!(!world.transcript.iter().any(|line| line.contains("Lagged")), "{:?}", world.transcript);
    let seen = world.transcript.iter().filter(|line| line.starts_with("bob")).count();
    assert_eq!(world.resumptions[0].missed, 200 - u64::try_from(seen).unwrap());
}

#[test]
fn message_that_was_taken_is_not_said_again_to_a_server_that_has_forgotten_the_member() {
    let mut world = World::new(room(1, 1 << 14), None);
    world.settle();
    world.say("mine");
    world.send_up();
    world.say("not sent");
    world.sever();
    forget(&mut world.room);
    world.settle();
    let own: Vec<_> = world.said().into_iter().filter(|line| line.starts_with("ann")).collect();
    assert_eq!(own, ["ann: mine", "ann: not sent"]);
    assert!(world.transcript.contains(&"ann: mine (own)".to_owned()), "{:?}", world.transcript);
}

#[test]
fn name_that_another_took_meanwhile_ends_the_client() {
    let mut world = World::new(room(1, 4_096), None);
    world.settle();
    world.sever();
    enter(&mut world.room, "Ann");
    world.settle();
    let expected = format!("{:?}", Output::Refused(RefusalReason::NameTaken));
    assert_eq!(world.transcript.last(), Some(&expected));
    assert!(world.client.is_ended());
}

#[test]
fn message_of_another_who_had_the_name_meanwhile_is_not_taken_for_an_own_one() {
    let mut world = World::new(room(1, 4_096), None);
    world.settle();
    world.say("mine");
    // The message is sent and never arrives.
    world.cut = Some(Cut { up: true, after: world.sent.0, late: false, answered: false });
    world.send_up();
    let other = enter(&mut world.room, "ann");
    say(&mut world.room, other, 1, "not yours");
    world.room.leave(other);
    world.settle();
    assert_eq!(world.transcript[2..], ["ann: not yours", "ann: mine (own)"]);
}

#[test]
fn message_of_an_earlier_member_of_the_same_name_does_not_confirm_the_same_words() {
    let mut room = room(1, 4_096);
    let earlier = enter(&mut room, "ann");
    say(&mut room, earlier, 1, "hi");
    room.leave(earlier);
    let mut world = World::new(room, None);
    world.say("hi");
    world.client.handle_timeout(world.now);
    world.drain();
    world.send_up();
    let answer = world.link.as_mut().unwrap().flush(&world.room, world.now);
    // The welcome comes, the client sends the message, then the history comes.
    let (welcome, history) = answer.split_at(answer.iter().position(|&byte| byte == 0).unwrap() + 1);
    world.deliver(welcome);
    assert!(world.send_up());
    world.deliver(history);
    world.settle();
    assert_eq!(world.transcript, ["welcome", "history ann: hi", "history end", "ann: hi (own)"]);
}

#[test]
fn silent_server_is_asked_and_then_given_up() {
    let mut world = World::new(room(1, 4_096), None);
    world.settle();
    world.link = None;
    let ping = world.now + CONFIG.ping_after;
    assert_eq!(world.client.poll_timeout(), Some(ping));
    world.client.handle_timeout(ping);
    let mut frame = Frame::EMPTY;
    assert_eq!(world.client.poll_frame(), Some(frame.encode(&Message::Ping).unwrap()));
    let gone = world.now + CONFIG.gone_after;
    assert_eq!(world.client.poll_timeout(), Some(gone));
    world.client.handle_timeout(gone);
    assert_eq!(world.client.poll_output(), Some(Output::Disconnect));
    assert_eq!(world.client.poll_output(), Some(Output::Broken(DisconnectCause::Silent)));
    // The connection had held for long: the next one is opened at once.
    assert_eq!(world.client.poll_timeout(), Some(gone));
    world.now = gone;
    world.settle();
    assert_eq!(world.resumptions.len(), 1);
}
