//! Compares docs/room-protocol.md with the code: dumps, framing, tags, limits, transcripts, requirement numbers.
#![cfg(not(loom))]

use chat_core::frame::{Decoder, Frame};
use chat_core::limits;
use chat_core::refusal::RefusalReason;
use chat_core::room::client::{Client, Config as ClientConfig};
use chat_core::room::message::TAG_COUNT;
use chat_core::room::server::{Admission, Config, FixedRoster, History, Join, Journal, Mark, MemberId, Room, WallTime};
use chat_core::room::{Kind, Message, Names, Seen, Sequence, Token, Welcome};
use chat_core::text::Text;
use chat_core::time::Instant;
use chat_core::username::Username;
use chat_host::room::server::buffer::GrowingBuffer;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tests::document::{bytes, dumps, requirements, rows, section, written_name};
use tests::room::WELCOME;
use tests::workspace::read;

/// The token of the dumps.
const TOKEN: Token = [0x9d, 0x2f, 0x6b, 0x01, 0xe4, 0xc8, 0x7a, 0x55, 0x08, 0xf3, 0xb1, 0xd0, 0x6e, 0x9a, 0x4c, 0x27];

/// The epoch of the dumps.
const EPOCH: u64 = 2_250_212_641_586_079_240;

/// When the WELCOME of the dumps was written.
const WELCOME_MS: i64 = 1_750_000_005_000;

/// The text of docs/room-protocol.md.
fn document() -> String {
    read("docs/room-protocol.md")
}

/// A message in two forms: as the document dumps it, and as it travels.
fn encode(message: &Message<'_>) -> (Vec<u8>, Vec<u8>) {
    let mut frame = Frame::EMPTY;
    let stuffed = frame.encode(message).unwrap().to_vec();
    (unstuff(&stuffed), stuffed)
}

/// The bytes of the one message of this frame.
fn unstuff(mut stuffed: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new();
    let message = decoder.next_frame(&mut stuffed).unwrap().unwrap().to_vec();
    assert_eq!(decoder.next_frame(&mut stuffed), None);
    message
}

/// One message of each kind, and a few more, by the names of their dumps.
fn messages() -> Vec<(&'static str, Message<'static>)> {
    let seen = Seen { epoch: EPOCH, sequence: Sequence(6), messages: 4 };
    let welcome = Welcome {
        epoch: EPOCH,
        next: Sequence(5),
        messages: 2,
        head: Sequence(5),
        history: 2,
        members: 3,
        time_ms: WELCOME_MS,
        ..WELCOME
    };
    let said = |sequence, sent_ms, number, kind, name, text| {
        let sequence = Sequence(sequence);
        Message::Said { sequence, sent_ms, number, kind, name, text }
    };
    vec![
        ("join", Message::Join { version: 1, token: TOKEN, seen: None, name: "ann" }),
        ("join-again", Message::Join { version: 1, token: TOKEN, seen: Some(seen), name: "ann" }),
        ("observe", Message::Observe { version: 1, seen: None }),
        ("say", Message::Say { number: 1, kind: Kind::Plain, text: "hello" }),
        ("say-action", Message::Say { number: 300, kind: Kind::Action, text: "grüßt" }),
        ("who", Message::Who { page: 0 }),
        ("leave", Message::Leave),
        ("ping", Message::Ping),
        ("pong", Message::Pong),
        ("welcome", Message::Welcome(welcome)),
        ("history-end", Message::HistoryEnd),
        ("joined", Message::Joined { sequence: Sequence(300), name: "Jürgen" }),
        ("left", Message::Left { sequence: Sequence(301), name: "ann" }),
        ("said", said(5, WELCOME_MS + 1_250, 1, Kind::Plain, "ann", "hello")),
        ("said-before-1970", said(0, -1, 7, Kind::Action, "bo", "waves")),
        ("lagged", Message::Lagged { messages: 1_337 }),
        ("unsaid", Message::Unsaid { number: 2, reason: RefusalReason::TextOverlong }),
        (
            "members",
            Message::Members { page: 0, more: false, names: Names::new("\u{3}ann\u{7}Jürgen".as_bytes()).unwrap() },
        ),
        ("refused", Message::Refused { reason: RefusalReason::NameTaken }),
        ("unsupported", Message::Unsupported { tag: 64 }),
    ]
}

#[test]
fn every_dump_is_what_core_writes_and_reads() {
    let mut dumps = dumps(&document());
    for (name, message) in messages() {
        let (plain, stuffed) = encode(&message);
        let dump = dumps.remove(name).unwrap_or_else(|| panic!("no dump {name}"));
        assert_eq!(plain, dump, "{name}");
        assert_eq!(Message::decode(&dump), Ok(message), "{name}");
        if let Some(dump) = dumps.remove(&format!("{name}-frame")) {
            assert_eq!(stuffed, dump, "{name}-frame");
            assert_eq!(unstuff(&dump), plain, "{name}-frame");
        }
    }
    assert!(dumps.is_empty(), "not compared: {dumps:?}");
}

#[test]
fn corners_of_framing_are_what_core_writes_and_reads() {
    let document = document();
    let hex = |cell: &str| bytes(cell.trim_matches('`'));
    let mut corners: HashMap<Vec<u8>, Vec<Vec<u8>>> = HashMap::new();
    for row in rows(section(&document, "## 3. Framing")).filter(|row| row[0].starts_with('`')) {
        let (message, frame) = (hex(row[0]), hex(row[1]));
        assert_eq!(unstuff(&frame), message, "{row:?}");
        corners.entry(message).or_default().push(frame);
    }
    assert_eq!(corners.len(), 10);
    for (message, frames) in corners {
        let stuffed = stuff(&message);
        assert!(frames.contains(&stuffed), "{message:02x?}: core writes {stuffed:02x?}");
    }
}

/// These bytes as core's encoder stuffs them. Arrays are written without a length, and none has more than 32 elements.
fn stuff(message: &[u8]) -> Vec<u8> {
    let mut frame = Frame::EMPTY;
    macro_rules! encode {
        ($($length:literal)+) => {
            match message.split_first_chunk::<240>() {
                $(Some((long, rest)) if rest.len() == $length => {
                    let long: [[u8; 16]; 15] = std::array::from_fn(|part| *long[16 * part..].first_chunk().unwrap());
                    frame.encode(&(long, <[u8; $length]>::try_from(rest).unwrap()))
                })+
                $(None if message.len() == $length => frame.encode(&<[u8; $length]>::try_from(message).unwrap()),)+
                _ => panic!("{} bytes", message.len()),
            }
        };
    }
    encode!(1 2 3 4 13 14 15 16 17).unwrap().to_vec()
}

#[test]
fn tags_are_those_of_the_code_in_their_order() {
    let document = document();
    let documented: Vec<_> = rows(section(&document, "## 4. The messages"))
        .filter_map(|row| Some((row[0].parse::<u8>().ok()?, row[1].to_owned())))
        .collect();
    let mut coded: Vec<_> =
        messages().iter().map(|(_, message)| (encode(message).0[0], written_name(message))).collect();
    coded.dedup();
    assert_eq!(documented, coded);
    assert_eq!(u32::try_from(documented.len()), Ok(TAG_COUNT));
    assert!(document.contains(&format!("Tags {TAG_COUNT} to 63 are for later versions")));
}

#[test]
fn every_message_has_its_own_part_and_dumps_in_it() {
    let document = document();
    for (name, message) in messages() {
        let (tag, written) = (encode(&message).0[0], written_name(&message));
        let part = document
            .split("\n### ")
            .find(|part| part.lines().next().unwrap().contains(&format!("{written} ({tag})")))
            .unwrap_or_else(|| panic!("no part {written} ({tag})"));
        assert!(part.contains(&format!("```hex {name}\n")) || name == "join", "{name} is not in {written} ({tag})");
    }
}

#[test]
fn limits_and_timers_are_those_of_the_code() {
    let document = document();
    let documented: HashMap<_, _> = rows(section(&document, "## 8. Limits and timers"))
        .filter_map(|row| Some((row[0].trim_matches('`').to_owned(), row[1].split(' ').next()?.parse().ok()?)))
        .collect();
    let millis = |span: Duration| usize::try_from(span.as_millis()).unwrap();
    let (config, client) = (Config::DEFAULT, ClientConfig::DEFAULT);
    let rate = config.rate.unwrap();
    let address = chat_core::room::server::AddressLimits::DEFAULT;
    let expected: HashMap<_, usize> = [
        ("frame_bytes_max", limits::FRAME_BYTES_MAX),
        ("frame_stuffed_bytes_max", limits::FRAME_STUFFED_BYTES_MAX),
        ("text_bytes_max", limits::TEXT_BYTES_MAX),
        ("name_bytes_max", limits::NAME_BYTES_MAX),
        ("history_messages_max", limits::HISTORY_MESSAGES_MAX),
        ("page_slots", usize::try_from(limits::PAGE_SLOTS).unwrap()),
        ("departed_max", limits::DEPARTED_MAX),
        ("address_connections_max", usize::try_from(address.connections_max).unwrap()),
        ("address_joins_burst", usize::from(address.joins.burst)),
        ("address_joins_per_second", usize::from(address.joins.per_second)),
        ("announced_members_max", usize::try_from(config.announced_members_max).unwrap()),
        ("rate_burst", usize::from(rate.burst)),
        ("rate_per_second", usize::from(rate.per_second)),
        ("join_max", millis(config.join_max)),
        ("ping_after", millis(config.ping_after)),
        ("gone_after", millis(config.gone_after)),
        ("stalled_after", millis(config.stalled_after)),
        ("room_port", usize::from(chat_core::room::PORT)),
        ("welcome_max", millis(client.welcome_max)),
        ("retry_pause_min", millis(client.retry_pause_min)),
        ("retry_pause_max", millis(client.retry_pause_max)),
        ("steady_after", millis(client.steady_after)),
        ("address_pause_min", millis(client.address_pause_min)),
        ("answer_max", millis(client.answer_max)),
        ("malformed_max", usize::try_from(client.malformed_max).unwrap()),
        ("room_outbox_messages_max", limits::ROOM_OUTBOX_MESSAGES_MAX),
        ("room_outbox_bytes_max", limits::ROOM_OUTBOX_BYTES_MAX),
        ("websocket_frame_bytes_max", limits::WEBSOCKET_FRAME_BYTES_MAX),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    assert_eq!(documented, expected);
}

#[test]
fn limits_in_the_text_are_those_of_the_code() {
    let document = document();
    let framing = section(&document, "## 3. Framing");
    for (number, written) in
        [(limits::FRAME_BYTES_MAX, "length(out) > 1200:"), (limits::FRAME_STUFFED_BYTES_MAX, "length(buffer) == 1205:")]
    {
        assert!(written.contains(&number.to_string()) && framing.contains(written), "{written}");
    }
}

#[test]
fn requirement_numbers_are_unique_and_every_must_has_one() {
    let document = document();
    let numbers = requirements(&document);
    assert!(numbers.len() > 50, "only {}", numbers.len());
    let wrong: Vec<_> = numbers.iter().filter(|number| !number.starts_with("ROOM-")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // Every requirement that the text refers to exists.
    let referred: HashSet<_> = document
        .split(|character: char| !character.is_ascii_alphanumeric() && character != '-')
        .filter(|word| word.starts_with("ROOM-") && word.ends_with(|last: char| last.is_ascii_digit()))
        .collect();
    assert_eq!(referred, numbers);
}

/// The client's engine, whose first connection is open; with `was_in` it was let in, lost that connection, and opened another.
fn client_that_asks(was_in: bool) -> Client {
    let now = Instant::from_millis(0);
    let mut client = Client::new(ClientConfig::DEFAULT, now, 1, Username::new("ann").unwrap(), TOKEN);
    let drain = |client: &mut Client| while client.poll_output().is_some() {};
    for connection in 0..=u32::from(was_in) {
        client.handle_timeout(client.poll_timeout().unwrap());
        client.handle_connected(now);
        drain(&mut client);
        if was_in && connection == 0 {
            client.handle_bytes(now, &mut &*encode(&Message::Welcome(WELCOME)).1);
            drain(&mut client);
            client.handle_disconnected(now);
            drain(&mut client);
        }
    }
    client
}

#[test]
fn client_does_after_each_refusal_what_the_table_says() {
    let document = document();
    let section = section(&document, "## 5. The client");
    let table = section.split("**ROOM-CLIENT-11**").nth(1).unwrap().split("\n\nWhat WELCOME").next().unwrap();
    let rows: Vec<_> = rows(table).skip(2).collect();
    assert_eq!(rows.len(), 4);
    let listed =
        |row: &[&str], reason: u16| row[0].split(", ").any(|cell| cell.split(' ').next() == Some(&reason.to_string()));
    for &reason in RefusalReason::ALL {
        // Who is in no row is in the last one, which is that of any other reason.
        let row = rows.iter().find(|row| listed(row, reason.into())).unwrap_or(&rows[3])[1];
        for was_in in [false, true] {
            let mut client = client_that_asks(was_in);
            let now = Instant::from_millis(0);
            client.handle_bytes(now, &mut &*encode(&Message::Refused { reason }).1);
            let never = row.starts_with("never") || row.ends_with("if it was in before; else never") && !was_in;
            assert_eq!(client.is_ended(), never, "{reason}, in before: {was_in}, {row}");
            let pause_min = if row.contains("address_pause_min") { 60_000 } else { 1 };
            let due = client.poll_timeout();
            assert!(never || due.unwrap() - now >= Duration::from_millis(pause_min), "{reason}: {due:?}, {row}");
        }
    }
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

#[test]
fn stages_hold_the_requirements_of_a_full_client_and_have_their_transcripts() {
    let document = document();
    let smallest = section(&document, "## The smallest client");
    let named = |title: &str| rows(smallest).find(|row| row[0] == title).unwrap_or_else(|| panic!("no row {title:?}"));
    let mut told = Vec::new();
    for stage in ["talk", "reconnect", "resume", "lag"] {
        let row = named(stage);
        for transcript in row[3].split("; ") {
            assert!(document.contains(&format!("\n### {transcript}\n")), "{stage}: no transcript {transcript:?}");
        }
        for words in row[2].split(", ").filter(|_| stage != "talk") {
            let words: Vec<_> = words.split(' ').collect();
            let (name, first) = words[0].rsplit_once('-').unwrap();
            let first: u32 = first.parse().unwrap();
            let last = if words.get(1) == Some(&"to") { words[2].parse().unwrap() } else { first };
            told.extend((first..=last).map(|number| format!("{name}-{number}")));
        }
    }
    told.sort();
    told.dedup();
    let mut full: Vec<_> = named("a full client besides")[1].split(", ").map(str::to_owned).collect();
    full.sort();
    assert_eq!(told, full);
}

#[test]
fn sections_are_where_the_code_refers_to() {
    let document = document();
    let headings: Vec<_> = document.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let expected = [
        "1. What it is",
        "The smallest client",
        "2. Encoding",
        "3. Framing",
        "4. The messages",
        "5. The client",
        "6. The server",
        "7. Ordering promises",
        "8. Limits and timers",
        "9. Security",
        "10. Worked transcripts",
        "11. Over a WebSocket",
    ];
    assert_eq!(headings, expected);
}

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
