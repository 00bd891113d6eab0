//! Names in the room.

use crate::{room, try_join};
use chat_core::room::Message;
use std::net::Shutdown;
use std::sync::Barrier;
use tests::tcp::{Connection, Heard};

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
