//! How many instructions the core needs for what is done most, counted by valgrind: the same on every run, whatever else the
//! machine does.
//!
//! `instructions check` compares with the record beside this package and fails when one has grown by more than 5%; `instructions
//! record` writes the record anew. Counts of another compiler are not compared. Each is the difference of two runs, divided by how
//! many more operations the longer one has.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Operations of the shorter run; the longer one has twice as many.
const OPERATIONS: u32 = 2_000;

/// How much a count may grow, in percent.
const GROWTH_MAX: f64 = 5.0;

/// Where the counts are kept.
const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");

/// What does one thing so many times.
type Operation = fn(u32);

/// What can be counted.
const ALL: [(&str, Operation); 9] = [
    ("encode", operation::encode),
    ("decode", operation::decode),
    ("journal-append", operation::journal_append),
    ("cursor-read", operation::cursor_read),
    ("relay-fan-out", operation::relay_fan_out),
    ("room-fan-out", operation::room_fan_out),
    ("mesh-ping", mesh::ping),
    ("mesh-say", mesh::say),
    ("mesh-probe", mesh::probe),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["check"] => check(),
        ["record"] => record(),
        ["run", name, count] => run(name, count),
        _ => Err("usage: instructions check | record".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does one thing so many times, to be counted.
fn run(name: &str, count: &str) -> Result<(), Box<dyn Error>> {
    let (_, operation) = ALL.iter().find(|known| known.0 == name).ok_or("there is no such operation")?;
    operation(count.parse()?);
    Ok(())
}

/// Writes the counts of this compiler.
fn record() -> Result<(), Box<dyn Error>> {
    let mut text =
        format!("# Instructions for one operation, written by `instructions record`.\ncompiler {}\n", compiler()?);
    for (name, _) in ALL {
        writeln!(text, "{name} {:.1}", count(name)?)?;
    }
    print!("{text}");
    std::fs::write(RECORD, text).map_err(|error| format!("{RECORD}: {error}").into())
}

/// Compares with what was recorded.
fn check() -> Result<(), Box<dyn Error>> {
    let record = std::fs::read_to_string(RECORD).map_err(|error| format!("{RECORD}: {error}"))?;
    let recorded = |name: &str| record.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let (known, compiler) = (recorded("compiler").unwrap_or_default(), compiler()?);
    if known != compiler {
        println!("Not compared: the record is of {known}, this is {compiler}.");
        return Ok(());
    }
    let mut grown = String::new();
    for (name, _) in ALL {
        let before: f64 = recorded(name).ok_or_else(|| format!("{name} is not recorded"))?.parse()?;
        let now = count(name)?;
        let growth = 100.0 * (now / before - 1.0);
        println!("{name:16} {now:10.1} instructions, recorded {before:10.1} ({growth:+.1}%)");
        if growth > GROWTH_MAX {
            write!(grown, " {name} by {growth:.1}%")?;
        }
    }
    if grown.is_empty() {
        return Ok(());
    }
    let file = Path::new(RECORD).file_name().unwrap_or_default().display();
    Err(format!(
        "more instructions than recorded:{grown}. If that is meant, `tests/instructions record` writes {file} anew, for the same commit"
    )
    .into())
}

/// The compiler and what it compiles for.
fn compiler() -> Result<String, Box<dyn Error>> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let line = |prefix| text.lines().find_map(|line: &str| line.strip_prefix(prefix)).unwrap_or("unknown");
    Ok(format!("{} {} ({})", line("release: "), line("host: "), line("commit-hash: ")))
}

/// How many instructions one operation needs.
fn count(name: &str) -> Result<f64, Box<dyn Error>> {
    let (shorter, longer) = (count_run(name, OPERATIONS)?, count_run(name, 2 * OPERATIONS)?);
    let more = longer.checked_sub(shorter).ok_or("the longer run needed fewer instructions")?;
    Ok(f64::from(u32::try_from(more)?) / f64::from(OPERATIONS))
}

/// How many instructions a whole run needs.
fn count_run(name: &str, operations: u32) -> Result<u64, Box<dyn Error>> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
    let output = command.args(["run", name, &operations.to_string()]).output();
    let output = output.map_err(|error| format!("cannot run valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    collected.filter(|_| output.status.success()).ok_or_else(|| format!("valgrind counted nothing: {text}").into())
}

/// What is counted. Each loop keeps the compiler from knowing what goes in and from dropping what comes out.
mod operation {
    use chat_core::datagram::Datagram;
    use chat_core::frame::{Decoder, Frame};
    use chat_core::limits::DATAGRAM_BYTES_MAX;
    use chat_core::relay::server::{FixedRoster, Local, Server, Slot};
    use chat_core::relay::{Message as RelayMessage, PROTOCOL};
    use chat_core::room::message::VERSION;
    use chat_core::room::server::{
        Config, Connection, Context, FixedBuffer, FixedRoster as RoomRoster, History, Journal, Mark, Room, WallTime,
    };
    use chat_core::room::{Kind, Message, Sequence};
    use chat_core::text::Text;
    use chat_core::time::Instant;
    use std::hint::black_box;
    use std::net::SocketAddr;

    /// A text of 128 bytes.
    const TEXT: &str = "The quick brown fox jumps over the lazy dog, and then it does so again, and once more, until 128 bytes \
                        have been filled. .......";

    /// Bytes of the journal: it wraps around in between.
    const JOURNAL_BYTES: usize = 1 << 16;

    /// Clients of the relay.
    const CLIENTS: u16 = 1_000;

    /// A message that somebody has said.
    fn said(sequence: u32) -> Message<'static> {
        let sent_ms = 1_800_000_000_000;
        Message::Said {
            sequence: Sequence(sequence.into()),
            sent_ms,
            number: sequence,
            kind: Kind::Plain,
            name: "ann",
            text: TEXT,
        }
    }

    /// A message of 128 bytes becomes a frame.
    pub(super) fn encode(count: u32) {
        let mut frame = Frame::EMPTY;
        for sequence in 0..count {
            let _ = black_box(frame.encode(&black_box(said(sequence))));
        }
    }

    /// A frame is found, unstuffed and read.
    pub(super) fn decode(count: u32) {
        let mut frame = Frame::EMPTY;
        let bytes = frame.encode(&said(1)).unwrap_or_default();
        let mut decoder = Decoder::new();
        for _ in 0..count {
            let mut input = black_box(bytes);
            if let Some(Ok(frame)) = decoder.next_frame(&mut input) {
                let _ = black_box(Message::decode(frame));
            }
        }
    }

    /// A frame goes into the journal.
    pub(super) fn journal_append(count: u32) {
        let mut journal = Journal::new(vec![0; JOURNAL_BYTES], vec![Mark::default(); 64]);
        let mut frame = Frame::EMPTY;
        let bytes = frame.encode(&said(1)).unwrap_or_default();
        for _ in 0..count {
            black_box(journal.append(black_box(bytes)));
        }
        black_box(&journal);
    }

    /// A cursor that is one frame behind is given what it lacks.
    pub(super) fn cursor_read(count: u32) {
        let mut journal = Journal::new(vec![0; JOURNAL_BYTES], vec![Mark::default(); 64]);
        let cursor = journal.head();
        let mut frame = Frame::EMPTY;
        journal.append(frame.encode(&said(1)).unwrap_or_default());
        for _ in 0..count {
            let _ = black_box(black_box(&journal).read(black_box(cursor)));
        }
    }

    /// One message of a room is given to one more member: a sixty-fourth of what a message to 64 costs, taking it included.
    pub(super) fn room_fan_out(count: u32) {
        let (journal, history) = (vec![0; JOURNAL_BYTES], vec![Frame::EMPTY; 10]);
        let journal = Journal::new(journal, vec![Mark::default(); 64]);
        let mut room = Room::new(Config::DEFAULT, 1, RoomRoster::<64>::new(), journal, History::new(history));
        let (mut decoder, config) = (Decoder::new(), Config { rate: None, ..Config::DEFAULT });
        let now = Instant::from_millis(0);
        let context = Context { config: &config, now, wall_time: WallTime { unix_ms: 0, trusted: true } };
        let mut frame = Frame::EMPTY;
        let mut members: Vec<Connection<FixedBuffer<2_048>>> = (0..64).map(|_| Connection::new(now, None)).collect();
        for (index, member) in members.iter_mut().enumerate() {
            let join = Message::Join { version: VERSION, token: [0; 16], seen: None, name: &format!("m{index}") };
            member.handle_bytes(context, &mut room, &mut decoder, frame.encode(&join).unwrap_or_default());
        }
        let (mut number, mut given) = (0, 0);
        while given < count {
            number += 1;
            let say = Message::Say { number, kind: Kind::Plain, text: TEXT };
            members[0].handle_bytes(context, &mut room, &mut decoder, frame.encode(&say).unwrap_or_default());
            for member in &mut members {
                while let Ok((first, second)) = member.poll_output(&room) {
                    let length = black_box(first).len() + black_box(second).len();
                    if length == 0 || !member.handle_sent(now, &room, length) {
                        break;
                    }
                }
            }
            given += 64;
        }
    }

    /// One datagram of the relay is given to one more client: a thousandth of a MESSAGE to 1,000.
    pub(super) fn relay_fan_out(count: u32) {
        let (mut payloads, mut slots) = (vec![[0; DATAGRAM_BYTES_MAX]; 16], vec![Slot::EMPTY; 16]);
        let mut server = Server::new(FixedRoster::<1_024>::new(), &mut payloads, &mut slots);
        let mut datagram = Datagram::EMPTY;
        datagram.begin(PROTOCOL);
        let _ = datagram.push(&RelayMessage::Greeting { features: 0 });
        let address = |port| SocketAddr::from(([192, 0, 2, 1], 1_024 + port));
        for client in 0..CLIENTS {
            server.handle_datagram(address(client), Local::default(), datagram.as_bytes());
        }
        datagram.begin(PROTOCOL);
        if let Ok(text) = Text::new(TEXT) {
            let _ = datagram.push(&RelayMessage::Message { number: 1, text });
        }
        let mut given = 0;
        while given < count {
            server.handle_datagram(address(0), Local::default(), black_box(datagram.as_bytes()));
            loop {
                let sent = server.outputs().take(64).map(black_box).count();
                if sent == 0 {
                    break;
                }
                server.handle_sent(sent);
                given += u32::try_from(sent).unwrap_or(u32::MAX);
            }
        }
    }
}

/// What is counted of the mesh: in a group of eight, in which every datagram arrives at once.
mod mesh {
    use chat_core::datagram;
    use chat_core::mesh::{Arrival, Config, Item, Output, PROTOCOL, Peer, SmallStorage, Target};
    use chat_core::text::Text;
    use chat_core::time::Instant;
    use chat_core::username::Username;
    use std::hint::black_box;
    use std::net::SocketAddr;
    use std::time::Duration;

    /// Members of the group.
    const MEMBERS: u8 = 8;

    /// A group, and what is under way in it.
    struct Group {
        /// The time.
        now: Instant,
        /// The members.
        peers: Vec<Peer<'static>>,
        /// From whom, to whom, and what.
        flying: Vec<(SocketAddr, Target, Vec<u8>)>,
        /// The last datagram with a Ping that the first member sent to the second.
        ping: Vec<u8>,
    }

    /// Where a member is.
    fn address(index: usize) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, u8::try_from(index).unwrap_or(u8::MAX)], 9_292))
    }

    impl Group {
        /// All have joined and are at rest.
        fn new() -> Self {
            let mut group =
                Self { now: Instant::from_millis(1_000), peers: Vec::new(), flying: Vec::new(), ping: Vec::new() };
            for index in 0..MEMBERS {
                let Ok(name) = Username::new(&format!("m{index}")) else { continue };
                let storage: &'static mut SmallStorage = Box::leak(Box::new(SmallStorage::EMPTY));
                let peer = Peer::new(storage.memory(), Config::new(name), group.now, [index + 1; 16]);
                group.peers.push(peer);
                group.run(Duration::from_secs(6));
            }
            group.run(Duration::from_secs(60));
            group
        }

        /// Takes out what a member has to send.
        fn drain(&mut self, index: usize) {
            while let Some(output) = self.peers[index].poll_output(self.now, Some(0)) {
                if let Output::Send { to, bytes } = output {
                    self.flying.push((address(index), to, bytes.to_vec()));
                }
            }
        }

        /// Delivers all that is under way, and what answers it.
        fn deliver(&mut self) {
            while let Some((source, to, bytes)) = self.flying.pop() {
                for index in 0..self.peers.len() {
                    let arrival = match to {
                        Target::Multicast => Arrival::Multicast,
                        Target::Unicast(to) if to == address(index) => Arrival::Unicast,
                        Target::Unicast(_) => continue,
                    };
                    if (source, index) == (address(0), 1) && has_ping(&bytes) {
                        self.ping.clone_from(&bytes);
                    }
                    self.peers[index].handle_datagram(self.now, source, arrival, &bytes);
                    self.drain(index);
                }
            }
        }

        /// Lets time pass.
        fn run(&mut self, span: Duration) {
            let until = self.now + span;
            loop {
                (0..self.peers.len()).for_each(|index| self.drain(index));
                self.deliver();
                let next = self.peers.iter().filter_map(Peer::poll_timeout).min();
                let Some(next) = next.filter(|next| *next <= until) else { break };
                self.now = next.max(self.now);
                let now = self.now;
                self.peers.iter_mut().for_each(|peer| peer.handle_timeout(now));
            }
            self.now = until;
        }
    }

    /// Whether a datagram has a Ping.
    fn has_ping(bytes: &[u8]) -> bool {
        let Ok(items) = datagram::open(PROTOCOL, bytes) else { return false };
        items.flatten().any(|item| matches!(Item::decode(item), Ok(Item::Ping { .. })))
    }

    /// A datagram comes, with a Ping and Heads, and is answered: one each millisecond, or the pace would hold the answers back. What the
    /// group does meanwhile is counted too.
    pub(super) fn ping(count: u32) {
        let mut group = Group::new();
        let ping = group.ping.clone();
        for index in 0..count {
            group.now = group.now + Duration::from_millis(1);
            group.peers[1].handle_datagram(group.now, address(0), Arrival::Unicast, black_box(&ping));
            while let Some(output) = group.peers[1].poll_output(group.now, Some(0)) {
                black_box(&output);
            }
            if index % 50 == 0 {
                group.run(Duration::ZERO);
            }
        }
    }

    /// A message goes to one more member, who shows and acknowledges it: a seventh of what one costs all eight, with 300 ms of theirs.
    pub(super) fn say(count: u32) {
        let mut group = Group::new();
        let mut given = 0;
        while given < count {
            let now = group.now;
            if let Ok(text) = Text::new("The quick brown fox jumps over the lazy dog.") {
                let _ = black_box(group.peers[0].say(now, 0, false, text));
            }
            group.run(Duration::from_millis(300));
            given += u32::from(MEMBERS) - 1;
        }
    }

    /// One probe of a member at rest: what 500 ms cost the group, for one of eight.
    pub(super) fn probe(count: u32) {
        let mut group = Group::new();
        let mut given = 0;
        while given < count {
            group.run(Duration::from_millis(500));
            given += u32::from(MEMBERS);
        }
    }
}
