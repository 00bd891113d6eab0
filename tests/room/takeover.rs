//! A member that goes on from another connection.

use crate::room;
use chat_core::room::message::VERSION;
use chat_core::room::{Message, Seen, Sequence};
use tests::process::RoomServer;
use tests::tcp::{Connection, Heard};

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

#[test]
fn member_that_comes_back_gets_the_oldest_that_there_is_and_at_least_the_last_ten() {
    for (journal, count) in [("4096", 8), ("4096", 30), ("65536", 140)] {
        let room = RoomServer::start("127.0.0.1:0", &["--rate", "off", "--journal", journal]);
        let mut bob = Connection::joined(room.tcp, "bob", 1);
        let text = "x".repeat(500);
        for number in 1..=count {
            bob.say(number, &text);
            bob.hear_journal();
        }
        let mut watcher = Connection::joined(room.tcp, "watcher", 2);
        watcher.send(&Message::Leave);
        let mut newcomer = Connection::new(room.tcp);
        newcomer.send(&Message::Observe { version: VERSION, seen: None });
        let epoch = newcomer.hear_welcome().unwrap().0.epoch;
        let mut ann = Connection::new(room.tcp);
        ann.send_join("ann", [3; 16], Some(Seen { epoch, sequence: Sequence(0), messages: 0 }));
        let (welcome, _) = ann.hear_welcome().unwrap();
        // A message takes less than 530 bytes of the ring, and those that came last are kept besides.
        let kept = count.min(10).max(journal.parse::<u32>().unwrap() / 530 - 1);
        assert!(welcome.messages <= u64::from(count - kept), "{welcome:?}");
        if welcome.messages > 0 {
            assert_eq!(ann.hear(), Heard::Other(format!("lagged {}", welcome.messages)));
        }
        for sequence in welcome.messages + 1..=u64::from(count) {
            assert_eq!(ann.hear(), Heard::Journal(sequence, format!("bob: {text}")));
        }
        assert_eq!(ann.hear_journal(), "+watcher");
    }
}
