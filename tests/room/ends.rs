//! How a connection above the rate ends, and when its name is free.

use crate::try_join;
use chat_core::frame::Frame;
use chat_core::room::{Kind, Message};
use std::io::Write as _;
use std::net::Shutdown;
use std::time::{Duration, Instant};
use tests::process::RoomServer;
use tests::tcp::Connection;

/// Sends these messages in one write, numbered from `first` on.
fn say_at_once(connection: &mut Connection, first: u32, count: u32) {
    let mut bytes = Vec::new();
    for number in first..first + count {
        let mut frame = Frame::EMPTY;
        bytes.extend_from_slice(frame.encode(&Message::Say { number, kind: Kind::Plain, text: "x" }).unwrap());
    }
    connection.stream.write_all(&bytes).unwrap();
}

/// Ends a connection by a reset, as the system does for a client that is gone.
fn reset(connection: Connection) {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    nix::sys::socket::setsockopt(&connection.stream, nix::sys::socket::sockopt::Linger, &linger).unwrap();
    drop(connection);
}

#[test]
fn name_is_free_at_once_after_a_whole_burst() {
    /// Before so much is over since the first message of a burst, the bucket has no token.
    const TOKEN_AFTER: Duration = Duration::from_millis(900);
    let room = RoomServer::start("127.0.0.1:0", &["--rate", "1"]);
    let mut watcher = Connection::joined(room.tcp, "watcher", 1);
    for end in 0..3_u8 {
        // One round suffices; on a machine that stands still for a second there are more.
        let is_early = |round| {
            // A token of its own, or the room would know the numbers.
            let mut ann = Connection::joined(room.tcp, "ann", 2 + 10 * end + round);
            assert_eq!(watcher.hear_journal(), "+ann");
            let start = Instant::now();
            say_at_once(&mut ann, 1, 10);
            (0..10).for_each(|_| assert_eq!(ann.hear_journal(), "ann: x"));
            (0..10).for_each(|_| assert_eq!(watcher.hear_journal(), "ann: x"));
            match end {
                0 => ann.send(&Message::Leave),
                1 => ann.stream.shutdown(Shutdown::Write).unwrap(),
                _ => reset(ann),
            }
            assert_eq!(watcher.hear_journal(), "-ann");
            start.elapsed() < TOKEN_AFTER
        };
        assert!((0..10).any(is_early), "end {end}");
    }
}

#[test]
fn reset_connection_frees_the_name_whatever_was_sent_above_the_rate() {
    // To take the 1,000 messages would take longer than the tests wait for anything.
    let room = RoomServer::start("127.0.0.1:0", &["--rate", "1"]);
    let mut watcher = Connection::joined(room.tcp, "watcher", 1);
    let mut ann = Connection::joined(room.tcp, "ann", 2);
    assert_eq!(watcher.hear_journal(), "+ann");
    say_at_once(&mut ann, 1, 1_000);
    assert_eq!(watcher.hear_journal(), "ann: x");
    reset(ann);
    assert!((0..30).any(|_| watcher.hear_journal() == "-ann"));
    drop(try_join(&room, "ann", 3).unwrap());
}

#[test]
fn messages_before_an_orderly_end_are_said_at_the_rate_and_then_the_name_is_free() {
    let room = RoomServer::start("127.0.0.1:0", &["--rate", "100"]);
    let mut watcher = Connection::joined(room.tcp, "watcher", 1);
    for (leave, token) in [(true, 2), (false, 3)] {
        let mut ann = Connection::joined(room.tcp, "ann", token);
        assert_eq!(watcher.hear_journal(), "+ann");
        say_at_once(&mut ann, 1, 40);
        if leave {
            ann.send(&Message::Leave);
        } else {
            ann.stream.shutdown(Shutdown::Write).unwrap();
        }
        (0..40).for_each(|_| assert_eq!(watcher.hear_journal(), "ann: x"));
        assert_eq!(watcher.hear_journal(), "-ann");
    }
}
