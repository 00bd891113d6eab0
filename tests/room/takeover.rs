//! A member that goes on from another connection.

use crate::room;
use chat_core::room::message::VERSION;
use chat_core::room::{Message, Seen, Sequence};
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
