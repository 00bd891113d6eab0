//! Others who have the client's name, before it or meanwhile.

use crate::world::{Cut, World, enter, room, say};
use chat_core::refusal::RefusalReason;
use chat_core::room::client::Output;

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
