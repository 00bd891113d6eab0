//! Clients that mean harm, and clients that do not answer: the room's own limits, with short timers.
#![cfg(not(loom))]

use chat_core::room::Message;
use chat_core::room::message::VERSION;
use chat_core::room::server::{AddressLimits, Config};
use chat_host::room::server::{Driver, Listener, Options};
use smol::channel::{Receiver, Sender, bounded};
use smol::future;
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tests::DEADLINE;
use tests::process::{RoomServer, allow_files};
use tests::tcp::{Connection, Heard};

/// A server's counters, by name.
type Counts = HashMap<&'static str, u64>;

/// A room's server in a thread of the test, so that its timers can be short.
struct Room {
    /// The address that it listens on.
    address: SocketAddr,
    /// Channel that asks the room for its counters; closing it ends the room.
    asking: Option<Sender<Sender<Counts>>>,
    /// The room's thread.
    thread: Option<JoinHandle<()>>,
}

/// Timers that a test can wait for.
const CONFIG: Config = Config {
    rate: None,
    join_max: Duration::from_millis(300),
    ping_after: Duration::from_millis(300),
    gone_after: Duration::from_millis(900),
    stalled_after: Duration::from_millis(600),
    ..Config::DEFAULT
};

impl Room {
    /// Starts a room with these timers, and a small journal.
    fn start(config: Config) -> Self {
        let (asking, asked) = bounded::<Sender<Counts>>(1);
        let (sender, receiver) = bounded(1);
        let thread = std::thread::spawn(move || smol::block_on(Self::run(config, &asked, &sender)));
        let address = receiver.recv_blocking().expect("the room starts");
        Self { address, asking: Some(asking), thread: Some(thread) }
    }

    /// Serves on the room's thread.
    async fn run(config: Config, asked: &Receiver<Sender<Counts>>, bound: &Sender<SocketAddr>) {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let options = Options {
            config,
            members_max: None,
            thread_count: 1,
            journal_bytes: 1 << 16,
            address_limits: AddressLimits::DEFAULT,
        };
        let mut driver = Driver::new(listener, &options, 1).unwrap();
        bound.send(driver.local_address().unwrap()).await.unwrap();
        loop {
            let failed = async { Err(driver.run().await) };
            match future::or(failed, async { Ok(asked.recv().await) }).await {
                Ok(Ok(answer)) => answer.send(driver.counters().collect()).await.unwrap(),
                Ok(Err(_)) => break driver.close(),
                Err(outcome) => outcome.unwrap(),
            }
        }
    }

    /// The counters at this moment.
    fn counters(&self) -> Counts {
        let (sender, receiver) = bounded(1);
        self.asking.as_ref().unwrap().send_blocking(sender).unwrap();
        receiver.recv_blocking().unwrap()
    }

    /// Waits until a counter has this value.
    fn wait_for(&self, name: &str, expected: u64) {
        let start = Instant::now();
        while self.counters()[name] != expected {
            assert!(start.elapsed() < DEADLINE, "{name} is {}, not {expected}", self.counters()[name]);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.asking = None;
        if let Some(thread) = self.thread.take() {
            // If the thread has panicked, the test fails for another reason.
            let _ = thread.join();
        }
    }
}

/// Checks that the connection is put out for this reason and then closed.
fn check_put_out(connection: &mut Connection, refusal: &str) {
    loop {
        match connection.hear() {
            Heard::Journal(..) => {}
            Heard::Other(words) if words == "ping" => {}
            other => break assert_eq!(other, Heard::Other(refusal.to_owned())),
        }
    }
    assert_eq!(connection.hear(), Heard::Closed);
}

#[test]
fn connections_that_never_join_are_put_out_whatever_they_send() {
    let room = Room::start(CONFIG);
    let mut silent = Connection::new(room.address);
    let mut zeros = Connection::new(room.address);
    let mut slow = Connection::new(room.address);
    let mut unknown = Connection::new(room.address);
    unknown.stream.write_all(&[2, 99, 0]).unwrap();
    assert_eq!(unknown.hear(), Heard::Other("unsupported 99".to_owned()));
    zeros.stream.write_all(&vec![0; 1 << 20]).unwrap();
    // The client sends a Join byte by byte, each after a pause shorter than any limit.
    slow.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    while slow.stream.read(&mut [0]).is_err() {
        slow.stream.write_all(&[7]).unwrap();
    }
    for connection in [&mut silent, &mut zeros, &mut unknown] {
        check_put_out(connection, "refused 40");
    }
    room.wait_for("put_out_silent", 4);
}

#[test]
fn member_that_gives_no_sign_of_life_is_put_out_and_its_name_is_free() {
    let room = Room::start(CONFIG);
    let mut ann = Connection::joined(room.address, "ann", 1);
    assert_eq!(ann.hear(), Heard::Other("ping".to_owned()));
    check_put_out(&mut ann, "refused 41");
    drop(Connection::joined(room.address, "ann", 2));
}

#[test]
fn member_that_answers_pings_stays() {
    let room = Room::start(CONFIG);
    let mut ann = Connection::joined(room.address, "ann", 1);
    for _ in 0..5 {
        assert_eq!(ann.hear(), Heard::Other("ping".to_owned()));
        ann.send(&Message::Pong);
    }
    ann.say(1, "here");
    assert_eq!(ann.hear_journal(), "ann: here");
}

#[test]
fn member_that_takes_nothing_is_closed_and_delays_nobody() {
    // Silence is allowed for so long that the member is put out for nothing else.
    let room = Room::start(Config { gone_after: DEADLINE, ping_after: DEADLINE, ..CONFIG });
    let mut ann = Connection::joined(room.address, "ann", 1);
    let stalled = Connection::joined(room.address, "stalled", 2);
    stalled.take_little();
    assert_eq!(ann.hear_journal(), "+stalled");
    let text = "x".repeat(1_000);
    let start = Instant::now();
    let mut left = false;
    let mut number = 0;
    while !left {
        (0..10).for_each(|more| ann.say(number + more + 1, &text));
        number += 10;
        let mut heard = 0;
        while heard < 10 {
            match ann.hear() {
                Heard::Journal(_, words) if words == "-stalled" => left = true,
                Heard::Journal(_, words) if words.starts_with("ann: ") => heard += 1,
                Heard::Other(words) if words == "ping" => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(start.elapsed() < DEADLINE, "the stalled member is still there");
    }
    room.wait_for("put_out_stalled", 1);
    room.wait_for("members", 1);
}

#[test]
fn member_that_takes_slowly_is_lagged_but_not_put_out() {
    // This is far longer than a pause between two reads, however slow the machine is.
    let limit = Duration::from_millis(1_500);
    let room = Room::start(Config { gone_after: limit, stalled_after: limit, ..CONFIG });
    let mut ann = Connection::joined(room.address, "ann", 1);
    let mut slow = Connection::joined(room.address, "slow", 2);
    let text = "x".repeat(1_000);
    let (mut number, start) = (0_u32, Instant::now());
    // This lasts twice as long as a stalled or silent member would live.
    while start.elapsed() < 2 * limit {
        number += 1;
        ann.say(number, &text);
        while !matches!(ann.hear(), Heard::Journal(_, words) if words.starts_with("ann: ")) {}
        if number.is_multiple_of(20) {
            // The slow member reads a quarter of what is said, and gives a sign of life.
            slow.stream.read_exact(&mut [0; 5_000]).unwrap();
            slow.send(&Message::Pong);
        }
    }
    let counters = room.counters();
    assert_eq!((counters["members"], counters["put_out_silent"], counters["put_out_stalled"]), (2, 0, 0));
    assert!(counters["messages_lagged"] > 0);
}

#[test]
fn member_that_was_blocked_once_and_takes_all_again_stays() {
    let limit = Duration::from_millis(1_500);
    let room = Room::start(Config { gone_after: DEADLINE, ping_after: DEADLINE, stalled_after: limit, ..CONFIG });
    let mut ann = Connection::joined(room.address, "ann", 1);
    let mut once = Connection::joined(room.address, "once", 2);
    assert_eq!(ann.hear_journal(), "+once");
    let text = "x".repeat(1_000);
    let mut number = 0_u32;
    // This goes on until nothing more fits into the member's socket and the ring has overtaken it.
    while number < 2_000 {
        number += 1;
        ann.say(number, &text);
        assert!(ann.hear_journal().starts_with("ann: "));
    }
    ann.say(number + 1, "last");
    let mut lagged = false;
    loop {
        match once.hear() {
            Heard::Journal(_, words) if words == "ann: last" => break,
            Heard::Journal(..) => {}
            other => lagged |= matches!(&other, Heard::Other(words) if words.starts_with("lagged ")),
        }
    }
    assert!(lagged);
    // This lasts longer than a stalled member would live.
    let start = Instant::now();
    while start.elapsed() < 2 * limit {
        assert_eq!(room.counters()["members"], 2);
    }
}

#[test]
fn member_above_its_rate_for_long_is_heard_to_the_end() {
    const MESSAGES: u32 = 60;
    // To take all frames that were read takes longer than a client may be silent.
    let rate = Some(chat_core::bucket::Rate { burst: 1, per_second: 20 });
    let room = Room::start(Config { rate, ping_after: DEADLINE, gone_after: Duration::from_millis(900), ..CONFIG });
    let mut ann = Connection::joined(room.address, "ann", 1);
    let mut bytes = Vec::new();
    for number in 1..=MESSAGES {
        let mut frame = chat_core::frame::Frame::EMPTY;
        let say = Message::Say { number, kind: chat_core::room::Kind::Plain, text: "x" };
        bytes.extend_from_slice(frame.encode(&say).unwrap());
    }
    ann.stream.write_all(&bytes).unwrap();
    for _ in 0..MESSAGES {
        assert_eq!(ann.hear_journal(), "ann: x");
    }
}

#[test]
fn reason_is_read_whole_by_a_client_that_goes_on_sending() {
    let room = Room::start(CONFIG);
    for _ in 0..20 {
        let mut connection = Connection::new(room.address);
        // A malformed frame, and behind it far more bytes than are read at once.
        connection.stream.write_all(&[&[9, 1, 0][..], &[7; 32_000]].concat()).unwrap();
        assert_eq!(connection.hear(), Heard::Other("refused 3".to_owned()));
        // The stream ends without a reset: on other systems than Linux a reset discards the reason.
        assert_eq!(connection.stream.read(&mut [0; 1]).unwrap(), 0);
    }
}

#[test]
fn thousands_killed_in_mid_frame_leave_neither_names_nor_memory_nor_work() {
    const ROUND: usize = 500;
    let room = RoomServer::start("127.0.0.1:0", &["--threads", "1"]);
    let mut memory = Vec::new();
    for _ in 0..6 {
        let connections: Vec<_> = (0..ROUND)
            .map(|index| {
                let mut connection = Connection::joined(room.tcp, &format!("member{index}"), 1);
                // The beginning of a long Say.
                connection.stream.write_all(&[200, 2, 1, 1, 100]).unwrap();
                connection
            })
            .collect();
        drop(connections);
        room.wait_for("members", |count| count == 0);
        memory.push(room.process.memory_kib());
    }
    // The first rounds may fill buffers that are kept for ever.
    assert!(memory[5] <= memory[1] + 256, "{memory:?} KiB");
    // The measurement ends when the idle connection is put out, five seconds later.
    let mut idle = Connection::new(room.tcp);
    let before = room.process.cpu_ticks();
    assert_eq!(idle.hear(), Heard::Other("refused 40".to_owned()));
    // 100 ticks are a second.
    assert!(room.process.cpu_ticks() - before < 50);
}

#[test]
fn token_of_another_run_or_member_takes_nothing_over() {
    let first = RoomServer::start("127.0.0.1:0", &[]);
    let mut ann = Connection::new(first.tcp);
    ann.send_join("ann", [1; 16], None);
    let (welcome, _) = ann.hear_welcome().unwrap();
    let seen =
        Some(chat_core::room::Seen { epoch: welcome.epoch, sequence: chat_core::room::Sequence(0), messages: 0 });
    // The token of one member with the name of another.
    let _bob = Connection::joined(first.tcp, "bob", 2);
    let mut thief = Connection::new(first.tcp);
    thief.send_join("bob", [1; 16], seen);
    assert_eq!(thief.hear_welcome().unwrap_err(), "refused 16");
    // The token of a member from before a restart: the join is a plain one.
    let second = RoomServer::start("127.0.0.1:0", &[]);
    let mut again = Connection::new(second.tcp);
    again.send_join("ann", [1; 16], seen);
    let (welcome, history) = again.hear_welcome().unwrap();
    assert_eq!((welcome.taken, history.len(), welcome.next, welcome.head), (0, 0, welcome.head, welcome.next));
    // A token replayed while its member is there: a client with the token is the member (docs/room-protocol.md section 9).
    let mut replayed = Connection::new(first.tcp);
    replayed.send_join("ann", [1; 16], None);
    assert!(replayed.hear_welcome().is_ok());
    loop {
        match ann.hear() {
            Heard::Journal(..) => {}
            other => break assert_eq!(other, Heard::Other("refused 43".to_owned())),
        }
    }
}

#[test]
fn one_address_cannot_take_all_connections() {
    const TEST: &str = "one_address_cannot_take_all_connections";
    tests::namespace::in_namespace(TEST, || {
        allow_files(AddressLimits::DEFAULT.connections_max.into());
        tests::namespace::run("ip", "address add 10.9.3.1/32 dev lo");
        tests::namespace::run("ip", "address add 10.9.3.2/32 dev lo");
        let room = RoomServer::start("0.0.0.0:0", &["--threads", "1"]);
        let server: SocketAddr = format!("10.9.3.1:{}", room.tcp.port()).parse().unwrap();
        // Connections to an own address come from the same address.
        let held: Vec<_> = (0..AddressLimits::DEFAULT.connections_max).map(|_| Connection::new(server)).collect();
        for _ in 0..20 {
            let mut late = Connection::new(server);
            late.send_join("late", [1; 16], None);
            assert_eq!(late.hear(), Heard::Other("refused 21".to_owned()));
            // The stream ends without a reset: on other systems than Linux a reset discards the reason.
            assert_eq!(late.stream.read(&mut [0; 1]).unwrap(), 0);
        }
        let mut other = Connection::new(format!("10.9.3.2:{}", room.tcp.port()).parse().unwrap());
        other.send(&Message::Observe { version: VERSION, seen: None });
        assert!(other.hear_welcome().is_ok());
        assert_eq!(room.counters()["connections_refused"], 20);
        drop(held);
    });
}
