//! Messages, their order and speed, and who hears them.

use crate::room;
use chat_core::room::message::VERSION;
use chat_core::room::{Kind, Message};
use std::collections::VecDeque;
use std::io::Write as _;
use tests::process::RoomServer;
use tests::seed::Random;
use tests::tcp::{Connection, Heard};

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
