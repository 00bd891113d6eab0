//! Wherever and however often a connection is cut, nothing is lost or doubled.

use crate::world::{Cut, World, enter, forget, room, say};
use tests::seed::Random;

/// Runs a short session, with this cut.
fn session(cut: Option<Cut>) -> World {
    let mut room = room(1, 1 << 14);
    let bob = enter(&mut room, "bob");
    (1..=3).for_each(|number| say(&mut room, bob, number, &format!("b{number}")));
    let mut world = World::new(room, cut);
    world.settle();
    world.say("a1");
    world.say("a2");
    world.settle();
    say(&mut world.room, bob, 4, "b4");
    enter(&mut world.room, "carl");
    world.settle();
    world.say("a3");
    say(&mut world.room, bob, 5, "b5");
    world.settle();
    world.client.leave();
    world.settle();
    world.bury();
    world
}

#[test]
fn session_is_the_same_wherever_it_is_cut() {
    let uncut = session(None);
    let history = ["welcome", "history bob: b1", "history bob: b2", "history bob: b3", "history end"];
    let live = ["ann: a1 (own)", "ann: a2 (own)", "bob: b4", "+carl", "bob: b5", "ann: a3 (own)"];
    assert_eq!(uncut.transcript, [&history[..], &live[..]].concat());
    assert_eq!(uncut.said(), ["bob: b1", "bob: b2", "bob: b3", "ann: a1", "ann: a2", "bob: b4", "bob: b5", "ann: a3"]);
    assert!(uncut.sent.0 + uncut.sent.1 > 200, "{:?}", uncut.sent);
    for (up, count) in [(true, uncut.sent.0), (false, uncut.sent.1)] {
        for (after, late, answered) in (0..=count)
            .flat_map(|after| [(after, false, false), (after, true, false), (after, false, true), (after, true, true)])
        {
            let cut = Cut { up, after, late, answered };
            let world = session(Some(cut));
            assert_eq!(world.transcript, uncut.transcript, "{cut:?}");
            assert_eq!(world.said(), uncut.said(), "{cut:?}");
            assert_eq!((world.room.member_count(), world.client.under_way()), (2, 0), "{cut:?}");
            assert!(world.resumptions.iter().all(|back| back.missed == 0 && !back.restarted), "{cut:?}");
        }
    }
}

#[test]
fn nothing_is_lost_or_doubled_whatever_is_cut_and_however_often() {
    let mut random = Random::new();
    for run in 0..300 {
        let mut room = room(1, 1 << 16);
        let bob = enter(&mut room, "bob");
        let (mut own, mut others) = (0, 5);
        (1..=others).for_each(|number| say(&mut room, bob, number, &format!("{number}")));
        let mut world = World::new(room, None);
        world.settle();
        for _ in 0..40 {
            match random.below(9) {
                0..3 if world.client.may_say() => {
                    own += 1;
                    world.say(&format!("{own}"));
                }
                3..5 => {
                    others += 1;
                    say(&mut world.room, bob, others, &format!("{others}"));
                }
                5 => drop(world.send_up()),
                6 => drop(world.send_down()),
                7 => {
                    world.settle();
                    world.cut = None;
                }
                _ => {
                    let up = random.below(2) == 0;
                    let sent = if up { world.sent.0 } else { world.sent.1 };
                    let (late, answered) = (random.below(2) == 0, random.below(2) == 0);
                    world.cut = Some(Cut { up, after: sent + random.below(120), late, answered });
                }
            }
            if random.below(16) == 0 {
                // So many other members come and go that the server forgets the number of this client.
                forget(&mut world.room);
            }
        }
        world.settle();
        let seen = |line: &String| line.contains(": ").then(|| line.replace("history ", "").replace(" (own)", ""));
        let transcript: Vec<_> = world.transcript.iter().filter_map(seen).collect();
        assert_eq!(transcript, world.said(), "run {run}");
        let said: Vec<_> = transcript.into_iter().filter(|line| line.starts_with("ann")).collect();
        let expected: Vec<_> = (1..=own).map(|number| format!("ann: {number}")).collect();
        assert_eq!(said, expected, "run {run}");
        assert_eq!(world.client.under_way(), 0, "run {run}");
    }
}
