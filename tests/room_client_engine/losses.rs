//! What a client is told that it has lost, and what it says again.

use crate::world::{Cut, World, enter, forget, room, say};
use chat_core::frame::Frame;
use chat_core::room::Message;
use chat_core::room::client::Resumption;
use std::time::Duration;

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
