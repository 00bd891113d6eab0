//! Faults of clients, of the machine, and the server's end.

use crate::{join_when_free, room, try_join};
use chat_core::room::Message;
use chat_core::room::message::VERSION;
use chat_core::room::server::Config;
use nix::sys::signal::Signal;
use std::io::Write as _;
use std::net::Shutdown;
use std::time::Instant;
use tests::process::RoomServer;
use tests::seed::Random;
use tests::tcp::{Connection, Heard};

#[test]
fn senseless_frames_put_a_connection_out_with_the_reason() {
    let room = room();
    let frame = |bytes: &[u8]| -> Vec<u8> { [bytes, &[0]].concat() };
    for (name, bytes, refusal) in [
        ("a Say before the Join", frame(&[2, 2, 4, 2, 1, 1]), "refused 3"),
        ("stuffing past the end", frame(&[9, 1, 2]), "refused 3"),
        ("a Join cut short", frame(&[1, 2, 1]), "refused 3"),
        ("another version", frame(&[1, 3, 9, 9]), "refused 1"),
        ("a frame without end", vec![7; 2_000], "refused 4"),
    ] {
        let mut connection = Connection::new(room.tcp);
        connection.stream.write_all(&bytes).unwrap();
        assert_eq!(connection.hear(), Heard::Other(refusal.to_owned()), "{name}");
        assert_eq!(connection.hear(), Heard::Closed, "{name}");
    }
    let mut ann = Connection::joined(room.tcp, "ann", 1);
    ann.stream.write_all(&frame(&[2, 99])).unwrap();
    assert_eq!(ann.hear(), Heard::Other("unsupported 99".to_owned()));
    ann.say(1, "still here");
    assert_eq!(ann.hear_journal(), "ann: still here");
    ann.stream.write_all(&vec![0; 100_000]).unwrap();
    ann.say(2, "and now");
    assert_eq!(ann.hear_journal(), "ann: and now");
}

#[test]
fn room_is_full_at_the_operators_limit() {
    let room = RoomServer::start("127.0.0.1:0", &["--max-members", "1"]);
    let _ann = Connection::joined(room.tcp, "ann", 1);
    assert_eq!(try_join(&room, "bob", 2).unwrap_err(), "refused 20");
}

#[test]
fn connections_that_break_anywhere_leave_nothing_behind() {
    let room = room();
    let mut random = Random::new();
    for index in 0..300 {
        let mut connection = Connection::new(room.tcp);
        let mut frame = chat_core::frame::Frame::EMPTY;
        let name = format!("n{index}");
        let join = Message::Join { version: VERSION, token: [1; 16], seen: None, name: &name };
        let bytes = [frame.encode(&join).unwrap(), &[4, 2, 1, 1]].concat();
        connection.stream.write_all(&bytes[..random.below(bytes.len())]).unwrap();
        match random.below(3) {
            0 => drop(connection),
            1 => connection.stream.shutdown(Shutdown::Both).unwrap(),
            _ => {
                let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
                nix::sys::socket::setsockopt(&connection.stream, nix::sys::socket::sockopt::Linger, &linger).unwrap();
            }
        }
    }
    room.wait_for("members", |count| count == 0);
    drop(join_when_free(&room, "n7"));
}

#[test]
fn reader_that_stops_delays_nobody_and_is_told_what_it_lost() {
    const MESSAGES: u32 = 2_000;
    let room = RoomServer::start("127.0.0.1:0", &["--rate", "off", "--journal", "65536"]);
    let mut ann = Connection::joined(room.tcp, "ann", 1);
    let mut stopped = Connection::joined(room.tcp, "stopped", 2);
    stopped.take_little();
    assert_eq!(ann.hear_journal(), "+stopped");
    let text = "x".repeat(500);
    for number in 1..=MESSAGES {
        ann.say(number, &text);
        assert!(ann.hear_journal().starts_with("ann: "));
    }
    let (mut heard, mut lost) = (0, 0);
    while heard + lost < u64::from(MESSAGES) {
        match stopped.hear() {
            Heard::Journal(_, words) => heard += u64::from(words.starts_with("ann: ")),
            Heard::Other(words) => lost += words.strip_prefix("lagged ").unwrap().parse::<u64>().unwrap(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((heard + lost, lost > 0), (u64::from(MESSAGES), true));
    assert_eq!(room.counters()["messages_lagged"], lost);
    ann.say(MESSAGES + 1, "and on");
    assert_eq!(stopped.hear_journal(), "ann: and on");
}

#[test]
fn reader_that_stops_does_not_delay_the_servers_end() {
    let room = RoomServer::start("127.0.0.1:0", &["--rate", "off"]);
    let mut ann = Connection::joined(room.tcp, "ann", 1);
    let stopped = Connection::joined(room.tcp, "stopped", 2);
    stopped.take_little();
    assert_eq!(ann.hear_journal(), "+stopped");
    let begin = Instant::now();
    let text = "x".repeat(1_000);
    for number in 1..=200 {
        ann.say(number, &text);
        assert!(ann.hear_journal().starts_with("ann: "));
    }
    assert_eq!(room.stop(Signal::SIGTERM).0, Some(0));
    // Else it would be waited for until it counts as stalled.
    assert!(begin.elapsed() < Config::DEFAULT.stalled_after);
    drop(stopped);
}

#[test]
fn newcomer_at_the_file_limit_is_told_and_the_room_goes_on() {
    let room = RoomServer::start_limited(40, "127.0.0.1:0", &["--threads", "1"]);
    let mut ann = Connection::joined(room.tcp, "ann", 1);
    let mut held = Vec::new();
    loop {
        let mut connection = Connection::new(room.tcp);
        connection.send(&Message::Observe { version: VERSION, seen: None });
        match connection.hear_welcome() {
            Ok(_) => held.push(connection),
            Err(refusal) => break assert_eq!(refusal, "refused 23"),
        }
        assert!(held.len() < 60);
    }
    ann.say(1, "still served");
    assert_eq!(ann.hear_journal(), "ann: still served");
    held.clear();
    // The places are free again as soon as the server has noticed the ends of the connections.
    loop {
        let mut connection = Connection::new(room.tcp);
        connection.send(&Message::Observe { version: VERSION, seen: None });
        match connection.hear_welcome() {
            Ok(_) => break,
            Err(refusal) => assert_eq!(refusal, "refused 23"),
        }
    }
    assert!(room.counters()["connections_shed"] > 0);
}

#[test]
fn signal_ends_the_server_and_everybody_is_told() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let room = room();
        let mut ann = Connection::joined(room.tcp, "ann", 1);
        let (code, counters) = room.stop(signal);
        assert_eq!((code, counters["joins"]), (Some(0), 1));
        assert_eq!(ann.hear(), Heard::Other("refused 44".to_owned()));
        assert_eq!(ann.hear(), Heard::Closed);
    }
}
