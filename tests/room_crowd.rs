//! The room's server with more connections than one round or pass serves, and with connections that read too slowly.
#![cfg(not(loom))]

use nix::sys::signal::Signal;
use std::io::Read as _;
use tests::process::RoomServer;
use tests::tcp::{Connection, Heard};

/// A room for tests of the workers, with further arguments.
fn room(arguments: &[&str]) -> RoomServer {
    RoomServer::start("127.0.0.1:0", arguments)
}

/// This many members. Above 64 members their joins are not announced any more.
fn members(room: &RoomServer, count: usize) -> Vec<Connection> {
    (0..count).map(|index| Connection::joined(room.tcp, &format!("m{index}"), 1)).collect()
}

/// Reads frames until this many messages have come. Joins are passed over; a LAGGED fails the test.
fn hear_messages(member: &mut Connection, count: usize) {
    let mut heard = 0;
    while heard < count {
        match member.hear() {
            Heard::Journal(_, words) => heard += usize::from(words.contains(": ")),
            other => panic!("{other:?} after {heard} messages"),
        }
    }
}

#[test]
fn message_to_more_members_than_one_pass_serves_reaches_all_of_them() {
    let room = room(&["--threads", "1"]);
    let mut members = members(&room, 600);
    members[0].say(1, "to all");
    members.iter_mut().for_each(|member| hear_messages(member, 1));
}

#[test]
fn members_that_all_speak_at_once_lose_nothing_though_the_journal_is_short() {
    const MEMBERS: usize = 130;
    for threads in ["1", "2"] {
        let room = room(&["--rate", "off", "--journal", "65536", "--threads", threads]);
        let mut members = members(&room, MEMBERS);
        // The server is stopped, so that it finds all messages at once: twice as many as the journal holds.
        room.process.signal(Signal::SIGSTOP);
        members.iter_mut().for_each(|member| member.say(1, &"x".repeat(1_000)));
        room.process.signal(Signal::SIGCONT);
        std::thread::scope(|scope| {
            for member in &mut members {
                scope.spawn(|| hear_messages(member, MEMBERS));
            }
        });
        assert_eq!(room.counters()["messages_lagged"], 0);
    }
}

#[test]
fn member_that_reads_late_gets_all_that_the_journal_holds() {
    const MESSAGES: u32 = 400;
    let room = room(&["--rate", "off"]);
    let mut late = Connection::joined(room.tcp, "late", 1);
    late.take_little();
    let mut ann = Connection::joined(room.tcp, "ann", 2);
    for number in 1..=MESSAGES {
        ann.say(number, &"x".repeat(1_000));
    }
    hear_messages(&mut ann, MESSAGES as usize);
    // No member says anything any more: only the socket of the slow one tells the server that there is room.
    hear_messages(&mut late, MESSAGES as usize);
}

#[test]
fn member_with_something_unread_is_told_that_the_server_ends() {
    let room = room(&[]);
    let mut ann = Connection::joined(room.tcp, "ann", 1);
    // This is far more than a member may say at once, so the server has not read all of it.
    for number in 1..=60 {
        ann.say(number, &"x".repeat(1_000));
    }
    hear_messages(&mut ann, 10);
    let (code, _) = room.stop(Signal::SIGTERM);
    assert_eq!(code, Some(0));
    let told = loop {
        match ann.hear() {
            Heard::Journal(..) => {}
            other => break other,
        }
    };
    assert_eq!(told, Heard::Other("refused 44".to_owned()));
    // The end of the stream comes behind the refusal. (Linux shows the refusal even if a reset follows, other systems do not.)
    assert_eq!(ann.stream.read(&mut [0; 1]).unwrap(), 0);
}
