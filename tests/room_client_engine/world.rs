//! A room, a client's engine, and connections between them that can be cut at every byte.

use chat_core::frame::{Decoder, Frame};
use chat_core::limits::{DEPARTED_MAX, HISTORY_MESSAGES_MAX};
use chat_core::room::client::{self, Client, Output, Resumption};
use chat_core::room::server::{
    Config, Connection, Context, Cursor, FixedRoster, History, Join, Journal, Mark, MemberId, Room, WallTime,
};
use chat_core::room::{Kind, Message};
use chat_core::text::Text;
use chat_core::time::Instant;
use chat_core::username::Username;
use chat_host::room::server::buffer::GrowingBuffer;

/// Timers and limits of the room, without a rate limit.
pub(crate) const CONFIG: Config = Config { rate: None, ..Config::DEFAULT };

/// The time of all messages, which does not matter.
pub(crate) const WALL_TIME: WallTime = WallTime { unix_ms: 1_700_000_000_000, trusted: true };

/// The room under test.
pub(crate) type TestRoom = Room<FixedRoster<8>, Vec<u8>, Vec<Mark>, Vec<Frame>>;

/// An empty room whose journal keeps this many bytes.
pub(crate) fn room(epoch: u64, journal_bytes: usize) -> TestRoom {
    let journal = Journal::new(vec![0; journal_bytes], vec![Mark::default(); 64]);
    Room::new(CONFIG, epoch, FixedRoster::new(), journal, History::new(vec![Frame::EMPTY; HISTORY_MESSAGES_MAX]))
}

/// The server's end of a connection.
pub(crate) struct Link {
    pub(crate) connection: Connection<GrowingBuffer>,
    pub(crate) decoder: Decoder,
}

impl Link {
    pub(crate) fn new(now: Instant) -> Self {
        Self { connection: Connection::new(now, None), decoder: Decoder::new() }
    }

    /// The server takes bytes of the client.
    pub(crate) fn take(&mut self, room: &mut TestRoom, now: Instant, bytes: &[u8]) {
        let context = Context { config: &CONFIG, now, wall_time: WALL_TIME };
        self.connection.handle_bytes(context, room, &mut self.decoder, bytes);
    }

    /// The bytes that the server sends to the client now.
    pub(crate) fn flush(&mut self, room: &TestRoom, now: Instant) -> Vec<u8> {
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
    pub(crate) fn close(mut self, room: &mut TestRoom) {
        self.connection.close(room);
    }
}

/// Where and how a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Whether the bytes of the client are counted; if not, those of the server.
    pub(crate) up: bool,
    /// The connection is cut after this many bytes, counted over all connections.
    pub(crate) after: usize,
    /// Whether the server notices the cut only after the client has come back.
    pub(crate) late: bool,
    /// Whether the server's answer to the last bytes still arrives.
    pub(crate) answered: bool,
}

/// A room, a client and the connections between them.
pub(crate) struct World {
    pub(crate) room: TestRoom,
    pub(crate) client: Client,
    pub(crate) now: Instant,
    pub(crate) link: Option<Link>,
    /// Connections that were cut and that the server takes for alive.
    pub(crate) dead: Vec<Link>,
    /// How many bytes the client and the server have sent.
    pub(crate) sent: (usize, usize),
    pub(crate) cut: Option<Cut>,
    /// The lines that the client's user sees.
    pub(crate) transcript: Vec<String>,
    /// How the client came back, once for each time.
    pub(crate) resumptions: Vec<Resumption>,
}

impl World {
    /// A client that has not joined yet.
    pub(crate) fn new(room: TestRoom, cut: Option<Cut>) -> Self {
        let now = Instant::from_millis(1_000);
        let client = Client::new(client::Config::DEFAULT, now, 7, Username::new("ann").unwrap(), [7; 16]);
        let (transcript, resumptions) = (Vec::new(), Vec::new());
        Self { room, client, now, link: None, dead: Vec::new(), sent: (0, 0), cut, transcript, resumptions }
    }

    /// Runs client and server until neither has anything to do.
    pub(crate) fn settle(&mut self) {
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
    pub(crate) fn send_up(&mut self) -> bool {
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
    pub(crate) fn send_down(&mut self) -> bool {
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
    pub(crate) fn deliver(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.client.handle_bytes(self.now, &mut bytes);
            self.drain();
        }
    }

    /// Cuts the connection, once.
    pub(crate) fn sever(&mut self) {
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
    pub(crate) fn bury(&mut self) {
        for link in std::mem::take(&mut self.dead) {
            link.close(&mut self.room);
        }
    }

    /// Carries out the client's outputs.
    pub(crate) fn drain(&mut self) {
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
    pub(crate) fn say(&mut self, text: &str) {
        self.client.say(Kind::Plain, Text::new(text).unwrap()).unwrap();
    }

    /// All messages that the room has.
    pub(crate) fn said(&self) -> Vec<String> {
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
pub(crate) fn enter(room: &mut TestRoom, name: &str) -> MemberId {
    room.join(WALL_TIME, &Join { name, token: [0; 16], seen: None }, &mut GrowingBuffer::default()).unwrap().0
}

/// A member without a connection says something.
pub(crate) fn say(room: &mut TestRoom, id: MemberId, number: u32, text: &str) {
    room.say(WALL_TIME, id, number, Kind::Plain, text).unwrap();
}

/// So many other members join, say something and leave that the room forgets the numbers of all that left before.
pub(crate) fn forget(room: &mut TestRoom) {
    for index in 0..DEPARTED_MAX {
        let token = [u8::try_from(index).unwrap(); 16].map(|byte| byte | 0x80);
        let join = Join { name: "guest", token, seen: None };
        let (guest, admission) = room.join(WALL_TIME, &join, &mut GrowingBuffer::default()).unwrap();
        say(room, guest, admission.welcome.taken + 1, "bye");
        room.leave(guest);
    }
}
