//! The worked transcripts (section 10): what the room does, and what a client does.

use super::{EPOCH, TOKEN, WELCOME_MS, client_that_asks, document, encode};
use chat_core::frame::{Decoder, Frame};
use chat_core::limits;
use chat_core::room::server::{Admission, Config, FixedRoster, History, Join, Journal, Mark, MemberId, Room, WallTime};
use chat_core::room::{Kind, Message, Seen, Sequence, Welcome};
use chat_core::text::Text;
use chat_core::time::Instant;
use chat_host::room::server::buffer::GrowingBuffer;
use tests::document::{rows, section, written_name};
use tests::room::WELCOME;

/// The room of the transcripts.
type TranscriptRoom = Room<FixedRoster<8>, Vec<u8>, Vec<Mark>, Vec<Frame>>;

/// The time of the transcripts, which does not matter.
const NOW: WallTime = WallTime { unix_ms: WELCOME_MS, trusted: true };

/// A member joins; its token is the first letter of the name, repeated.
fn join(room: &mut TranscriptRoom, name: &str, seen: Option<Seen>) -> (MemberId, Admission) {
    room.join(NOW, &Join { name, token: [name.as_bytes()[0]; 16], seen }, &mut GrowingBuffer::default()).unwrap()
}

/// A member says something, and the room takes it.
fn say(room: &mut TranscriptRoom, id: MemberId, number: u32, text: &str) -> u64 {
    room.say(NOW, id, number, Kind::Plain, text).unwrap().0
}

/// A WELCOME as section 10 writes it.
fn written_welcome(epoch: &str, admission: &Admission) -> String {
    let Welcome { next, messages, head, taken, history, members, .. } = admission.welcome;
    format!(
        "WELCOME (epoch {epoch}, next {}, messages {messages}, head {}, taken {taken}, history {history}, members {members})",
        next.0, head.0
    )
}

#[test]
fn transcripts_are_what_the_room_does() {
    let document = document();
    let transcripts = section(&document, "## 10. Worked transcripts");
    let room = |epoch| -> TranscriptRoom {
        let journal = Journal::new(vec![0; 16_384], vec![Mark::default(); 8]);
        let history = History::new(vec![Frame::EMPTY; limits::HISTORY_MESSAGES_MAX]);
        Room::new(Config::DEFAULT, epoch, FixedRoster::new(), journal, history)
    };
    let written = |epoch, admission: &Admission| {
        let welcome = written_welcome(epoch, admission);
        assert!(transcripts.contains(&welcome), "not in the document: {welcome}");
    };

    let (mut room, mut restarted) = (room(EPOCH), room(EPOCH + 1));
    let (bob, _) = join(&mut room, "bob", None);
    let (juergen, _) = join(&mut room, "Jürgen", None);
    assert_eq!((say(&mut room, bob, 1, "hi"), say(&mut room, juergen, 1, "moin")), (2, 3));
    let (ann, admission) = join(&mut room, "ann", None);
    written("E", &admission);
    assert_eq!((say(&mut room, ann, 1, "hello"), say(&mut room, bob, 2, "there you are")), (5, 6));

    assert_eq!((say(&mut room, ann, 2, "how are you"), say(&mut room, bob, 3, "fine")), (7, 8));
    let seen = Seen { epoch: EPOCH, sequence: Sequence(6), messages: 4 };
    let (ann, admission) = join(&mut room, "ann", Some(seen));
    written("E", &admission);
    assert_eq!((admission.lagged, say(&mut room, ann, 3, "today?")), (0, 9));

    assert_eq!((say(&mut room, ann, 4, "see you"), room.leave(ann)), (10, true));
    for other in 0..64 {
        let join = Join { name: &format!("m{other}"), token: [100 + other; 16], seen: None };
        let (id, _) = room.join(NOW, &join, &mut GrowingBuffer::default()).unwrap();
        say(&mut room, id, 1, "hi");
        room.leave(id);
    }
    let seen = Seen { epoch: EPOCH, sequence: Sequence(9), messages: 7 };
    let (ann, admission) = join(&mut room, "ann", Some(seen));
    written("E", &admission);
    assert_eq!((admission.lagged, say(&mut room, ann, 5, "tomorrow")), (0, 205));

    let seen = Seen { epoch: EPOCH, sequence: Sequence(9), messages: 7 };
    let (_, admission) = join(&mut restarted, "ann", Some(seen));
    written("F", &admission);
    let refused = |room: &mut TranscriptRoom, name| {
        let reason =
            room.join(NOW, &Join { name, token: TOKEN, seen: None }, &mut GrowingBuffer::default()).unwrap_err();
        let written = format!("REFUSED ({})", u16::from(reason));
        assert!(section(&document, "### Refusals").contains(&written), "not in the document: {written}");
    };
    refused(&mut restarted, "ANN");
    refused(&mut restarted, "ann ");
}

#[test]
fn client_asks_after_an_own_message_among_those_lost_as_the_transcript_says() {
    let document = document();
    let transcript =
        section(&document, "## 10. Worked transcripts").split("### An own message among those lost").nth(1);
    let rows: Vec<_> = rows(transcript.unwrap().split("\n### ").next().unwrap()).skip(2).collect();
    let now = Instant::from_millis(0);
    let mut client = client_that_asks(false);
    client.poll_frame();
    client.handle_bytes(now, &mut &*encode(&Message::Welcome(WELCOME)).1);
    while client.poll_output().is_some() {}
    client.say(Kind::Plain, Text::new("hello?").unwrap()).unwrap();
    let said =
        Message::Said { sequence: Sequence(420), sent_ms: 0, number: 1, kind: Kind::Plain, name: "bob", text: "hi" };
    for row in &rows {
        let name = row[2].split(' ').next().unwrap();
        if row[0] == "ann" {
            let mut frame = client.poll_frame().expect(name);
            let message = Decoder::new().next_frame(&mut frame).unwrap().unwrap().to_vec();
            assert_eq!(written_name(&Message::decode(&message).unwrap()), name);
            continue;
        }
        let message = [Message::Lagged { messages: 212 }, Message::Pong, said]
            .into_iter()
            .find(|message| written_name(message) == name);
        client.handle_bytes(now, &mut &*encode(&message.expect(name)).1);
        while client.poll_output().is_some() {}
        // The PONG confirms it.
        assert_eq!(client.under_way(), usize::from(name == "LAGGED"), "{row:?}");
    }
    assert_eq!((rows.len(), client.poll_frame()), (5, None));
}
