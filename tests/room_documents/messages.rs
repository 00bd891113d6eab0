//! Dumps, framing, tags (sections 3 and 4).

use super::{EPOCH, TOKEN, WELCOME_MS, document, encode, unstuff};
use chat_core::frame::Frame;
use chat_core::refusal::RefusalReason;
use chat_core::room::message::TAG_COUNT;
use chat_core::room::{Kind, Message, Names, Seen, Sequence, Welcome};
use std::collections::HashMap;
use tests::document::{bytes, dumps, rows, section, written_name};
use tests::room::WELCOME;

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
