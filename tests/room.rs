//! The room from end to end: the real server on loopback, and clients that speak the protocol.
#![cfg(not(loom))]

use chat_core::room::message::VERSION;
use chat_core::room::server::Config;
use chat_core::room::{Kind, Message, Seen, Sequence};
use nix::sys::signal::Signal;
use std::collections::VecDeque;
use std::io::Write as _;
use std::net::Shutdown;
use std::sync::Barrier;
use std::time::Instant;
use tests::process::RoomServer;
use tests::seed::Random;
use tests::tcp::{Connection, Heard};

/// A room without a rate limit.
fn room() -> RoomServer {
    RoomServer::start("127.0.0.1:0", &["--rate", "off"])
}

/// Joins with a name; returns the connection, or the reason of the refusal.
fn try_join(room: &RoomServer, name: &str, token: u8) -> Result<Connection, String> {
    let mut connection = Connection::new(room.tcp);
    connection.send_join(name, [token; 16], None);
    connection.hear_welcome().map(|_| connection)
}

/// Joins with a name again and again until it is free.
fn join_when_free(room: &RoomServer, name: &str) -> Connection {
    loop {
        match try_join(room, name, 9) {
            Ok(connection) => return connection,
            Err(refusal) => assert_eq!(refusal, "refused 16"),
        }
    }
}

// --- names ---

#[test]
fn names_are_refused_with_their_reasons_and_the_connection_closes() {
    let room = room();
    let _ann = Connection::joined(room.tcp, "ann", 1);
    for (name, refusal) in [
        ("ann", "refused 16"),
        ("ANN", "refused 16"),
        ("", "refused 10"),
        ("abcdefghijklmnopqrstuvwxyz0123456", "refused 11"),
        ("a\u{1b}b", "refused 12"),
        ("a\u{301}", "refused 13"),
        ("_a", "refused 14"),
        ("аnn\u{0}", "refused 12"),
        ("аnn", "refused 15"),
    ] {
        let mut connection = Connection::new(room.tcp);
        connection.send_join(name, [2; 16], None);
        assert_eq!(connection.hear(), Heard::Other(refusal.to_owned()), "{name:?}");
        assert_eq!(connection.hear(), Heard::Closed, "{name:?}");
    }
    assert!(try_join(&room, "abcdefghijklmnopqrstuvwxyz012345", 2).is_ok());
}

#[test]
fn name_is_free_at_once_after_a_leave_and_after_a_cut_connection() {
    let room = room();
    let mut watcher = Connection::joined(room.tcp, "watcher", 1);
    for round in 0..50 {
        let mut ann = Connection::joined(room.tcp, "ann", 2);
        assert_eq!(watcher.hear_journal(), "+ann");
        match round % 3 {
            0 => ann.send(&Message::Leave),
            1 => ann.stream.shutdown(Shutdown::Write).unwrap(),
            _ => drop(ann),
        }
        assert_eq!(watcher.hear_journal(), "-ann");
        // Once the leave is announced, the name is free at the first attempt.
        drop(try_join(&room, "ann", 3).unwrap());
        assert_eq!(watcher.hear_journal(), "+ann");
        assert_eq!(watcher.hear_journal(), "-ann");
    }
}

#[test]
fn two_that_ask_for_one_name_at_the_same_instant_have_exactly_one_winner() {
    const TRIES: usize = 1_000;
    let room = room();
    let barrier = Barrier::new(2);
    let wins = std::thread::scope(|scope| {
        let ask = |token: u8| {
            let (address, barrier) = (room.tcp, &barrier);
            move || {
                (0..TRIES)
                    .map(|index| {
                        let mut connection = Connection::new(address);
                        barrier.wait();
                        connection.send_join(&format!("name{index}"), [token; 16], None);
                        let won = connection.hear_welcome().is_ok();
                        // Both clients have their answer before one of them leaves.
                        barrier.wait();
                        won
                    })
                    .collect::<Vec<_>>()
            }
        };
        let (first, second) = (scope.spawn(ask(1)), scope.spawn(ask(2)));
        (first.join().unwrap(), second.join().unwrap())
    });
    for (index, (first, second)) in wins.0.into_iter().zip(wins.1).enumerate() {
        assert!(first != second, "try {index}: {first} {second}");
    }
}

// --- messages ---

#[test]
fn fifty_clients_that_come_and_go_see_one_order_and_newcomers_the_last_ten() {
    const STEPS: usize = 1_500;
    let room = RoomServer::start("127.0.0.1:0", &["--rate", "off", "--threads", "2"]);
    let mut random = Random::new();
    // The witness gets every frame from the first on.
    let mut witness = Connection::joined(room.tcp, "witness", 1);
    let mut order: Vec<(u64, String)> = Vec::new();
    let mut hear_step = |order: &mut Vec<(u64, String)>| match witness.hear() {
        Heard::Journal(sequence, words) => order.push((sequence, words)),
        other => panic!("{other:?}"),
    };
    /// A member, the number of its last message, and the index in `order` of the next frame that it has to hear.
    struct Member {
        connection: Connection,
        name: String,
        said: u32,
        first: usize,
    }
    let mut members: Vec<Member> = Vec::new();
    let check = |member: &mut Member, order: &[(u64, String)]| {
        for (sequence, words) in &order[member.first..] {
            assert_eq!(member.connection.hear(), Heard::Journal(*sequence, words.clone()), "{}", member.name);
        }
        member.first = order.len();
    };
    for step in 0..STEPS {
        let choice = random.below(10);
        if members.len() < 2 || (choice == 0 && members.len() < 50) {
            let name = format!("m{step}");
            let mut connection = Connection::new(room.tcp);
            // Each member has its own token, by which the room knows it when it comes back.
            let token = u128::try_from(step + 1).unwrap().to_le_bytes();
            connection.send_join(&name, token, None);
            let (welcome, history) = connection.hear_welcome().unwrap();
            hear_step(&mut order);
            let messages: VecDeque<_> =
                order.iter().filter(|(_, words)| words.contains(": ")).map(|(_, words)| words).collect();
            let last: Vec<_> =
                messages.iter().skip(messages.len().saturating_sub(10)).map(|words| (*words).clone()).collect();
            assert_eq!(history, last, "step {step}");
            assert_eq!(usize::try_from(welcome.members).unwrap(), members.len() + 2);
            let first = order.len();
            members.push(Member { connection, name, said: 0, first });
        } else if choice == 1 {
            let mut member = members.swap_remove(random.below(members.len()));
            check(&mut member, &order);
            drop(member);
            hear_step(&mut order);
        } else {
            let index = random.below(members.len());
            let member = &mut members[index];
            member.said += 1;
            member.connection.say(member.said, &format!("step {step}"));
            hear_step(&mut order);
            assert_eq!(order.last().unwrap().1, format!("{}: step {step}", member.name));
        }
    }
    for member in &mut members {
        check(member, &order);
    }
    let sequences: Vec<_> = order.iter().map(|(sequence, _)| *sequence).collect();
    // The witness's own join has sequence number 0 and is not sent to it.
    assert_eq!(sequences, (1..=order.len() as u64).collect::<Vec<_>>());
}

#[test]
fn messages_carry_name_time_kind_and_own_number() {
    let room = room();
    let mut ann = Connection::joined(room.tcp, "ann", 1);
    ann.say(1, "hello");
    ann.send(&Message::Say { number: 2, kind: Kind::Action, text: "waves" });
    assert_eq!(ann.hear_journal(), "ann: hello");
    assert_eq!(ann.hear_journal(), "* ann waves");
    let mut newcomer = Connection::new(room.tcp);
    newcomer.send_join("bob", [2; 16], None);
    assert_eq!(newcomer.hear_welcome().unwrap().1, ["ann: hello", "* ann waves"]);
}

#[test]
fn text_that_is_refused_is_answered_with_its_number_and_the_member_stays() {
    let room = room();
    let mut ann = Connection::joined(room.tcp, "ann", 1);
    ann.say(1, "");
    ann.say(2, &"x".repeat(1_025));
    ann.say(3, &"x".repeat(1_024));
    assert_eq!(ann.hear(), Heard::Other("unsaid 1 30".to_owned()));
    assert_eq!(ann.hear(), Heard::Other("unsaid 2 31".to_owned()));
    assert_eq!(ann.hear_journal(), format!("ann: {}", "x".repeat(1_024)));
}

#[test]
fn thousand_messages_in_one_write_come_back_in_order() {
    let room = room();
    let mut ann = Connection::joined(room.tcp, "ann", 1);
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    assert_eq!(ann.hear_journal(), "+bob");
    let mut bytes = Vec::new();
    for number in 1..=1_000 {
        let mut frame = chat_core::frame::Frame::EMPTY;
        let text = format!("message {number}");
        bytes.extend_from_slice(frame.encode(&Message::Say { number, kind: Kind::Plain, text: &text }).unwrap());
    }
    ann.stream.write_all(&bytes).unwrap();
    for member in [&mut ann, &mut bob] {
        for number in 1..=1_000 {
            assert_eq!(member.hear_journal(), format!("ann: message {number}"));
        }
    }
}

#[test]
fn member_above_its_rate_is_read_more_slowly_and_loses_nothing() {
    let room = RoomServer::start("127.0.0.1:0", &["--rate", "100"]);
    let mut ann = Connection::joined(room.tcp, "ann", 1);
    for number in 1..=60 {
        ann.say(number, &format!("{number}"));
    }
    for number in 1..=60 {
        assert_eq!(ann.hear_journal(), format!("ann: {number}"));
    }
    assert_eq!(room.counters()["messages"], 60);
}

#[test]
fn who_lists_the_members_and_an_observer_sees_all_without_being_seen() {
    let room = room();
    let mut ann = Connection::joined(room.tcp, "ann", 1);
    let mut observer = Connection::new(room.tcp);
    observer.send(&Message::Observe { version: VERSION, seen: None });
    assert_eq!(observer.hear_welcome().unwrap().0.members, 1);
    ann.say(1, "hi");
    assert_eq!(ann.hear_journal(), "ann: hi");
    assert_eq!(observer.hear_journal(), "ann: hi");
    for connection in [&mut ann, &mut observer] {
        connection.send(&Message::Who { page: 0 });
        assert_eq!(connection.hear(), Heard::Other("members ann".to_owned()));
    }
    observer.send(&Message::Say { number: 1, kind: Kind::Plain, text: "boo" });
    assert_eq!(observer.hear(), Heard::Other("refused 3".to_owned()));
    ann.send(&Message::Ping);
    assert_eq!(ann.hear(), Heard::Other("pong".to_owned()));
}

// --- taking over ---

#[test]
fn member_that_goes_on_elsewhere_misses_and_doubles_nothing_and_the_old_connection_is_told() {
    let room = room();
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    let mut old = Connection::joined(room.tcp, "ann", 1);
    assert_eq!(bob.hear_journal(), "+ann");
    old.say(1, "before");
    let Heard::Journal(sequence, _) = old.hear() else { panic!() };
    bob.say(1, "meanwhile");
    assert_eq!(old.hear_journal(), "bob: meanwhile");
    let mut new = Connection::new(room.tcp);
    let epoch = {
        let mut probe = Connection::new(room.tcp);
        probe.send(&Message::Observe { version: VERSION, seen: None });
        probe.hear_welcome().unwrap().0.epoch
    };
    let seen = Seen { epoch, sequence: Sequence(sequence), messages: 1 };
    new.send_join("ann", [1; 16], Some(seen));
    let (welcome, history) = new.hear_welcome().unwrap();
    assert_eq!((welcome.taken, history.len()), (1, 0));
    assert_eq!(new.hear_journal(), "bob: meanwhile");
    assert_eq!(old.hear(), Heard::Other("refused 43".to_owned()));
    assert_eq!(old.hear(), Heard::Closed);
    new.say(1, "doubled");
    new.say(2, "after");
    for member in [&mut new, &mut bob] {
        while member.hear_journal() != "ann: after" {}
    }
    assert_eq!((room.counters()["members"], room.counters()["messages_doubled"]), (2, 1));
}

// --- the other side's faults ---

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
