//! Compares docs/ with the code: dumps, limits, refusal reasons, counters, requirement numbers, links.
#![cfg(not(loom))]

use chat_core::datagram::{Datagram, open};
use chat_core::limits;
use chat_core::refusal::RefusalReason;
use chat_core::relay::client::Config;
use chat_core::relay::{Echo, Message, PROTOCOL};
use chat_core::text::Text;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tests::document::{dumps, requirements, rows, section};
use tests::workspace::{read, root};

#[test]
fn every_dump_of_the_relay_is_what_core_writes_and_reads() {
    let text = |text| Text::new(text).unwrap();
    let echo = Echo::new(&[0xde, 0xad, 0x01]).unwrap();
    let (v4, v6) = ("192.0.2.7:40000".parse().unwrap(), "[2001:db8::1]:9090".parse().unwrap());
    let messages = [
        ("greeting", vec![Message::Greeting { features: 0 }]),
        ("message", vec![Message::Message { number: 300, text: text("hello") }]),
        ("incoming-ipv4", vec![Message::Incoming { number: 300, sender: v4, text: text("hello") }]),
        ("incoming-ipv6", vec![Message::Incoming { number: 1, sender: v6, text: text("übr") }]),
        ("refused", vec![Message::Refused { reason: RefusalReason::Full }]),
        ("probe", vec![Message::Probe { echo }]),
        ("probed", vec![Message::Probed { echo }]),
        (
            "greeting-and-message",
            vec![Message::Greeting { features: 0 }, Message::Message { number: 7, text: text("hi") }],
        ),
    ];
    let mut dumps = dumps(&read("docs/relay-protocol.md"));
    for (name, messages) in messages {
        let dump = dumps.remove(name).unwrap_or_else(|| panic!("no dump {name}"));
        let mut datagram = Datagram::EMPTY;
        datagram.begin(PROTOCOL);
        messages.iter().for_each(|message| datagram.push(message).unwrap());
        assert_eq!(datagram.as_bytes(), dump, "{name}");
        let decoded: Vec<_> =
            open(PROTOCOL, &dump).unwrap().map(|item| Message::decode(item.unwrap()).unwrap()).collect();
        assert_eq!(decoded, messages, "{name}");
    }
    assert!(dumps.is_empty(), "not compared: {dumps:?}");
}

#[test]
fn limits_and_timers_of_the_relay_are_those_of_the_code() {
    let document = read("docs/relay-protocol.md");
    let section = document.split("## 7. Limits and timers").nth(1).unwrap().split("\n## ").next().unwrap();
    let documented: HashMap<_, _> = rows(section)
        .filter_map(|row| {
            let number = row[1].split(' ').next()?.parse().ok()?;
            Some((row[0].trim_matches('`').to_owned(), number))
        })
        .collect();
    let millis = |span: Duration| usize::try_from(span.as_millis()).unwrap();
    let timers = Config::DEFAULT;
    let expected = [
        ("datagram_bytes_max", limits::DATAGRAM_BYTES_MAX),
        ("text_bytes_max", limits::TEXT_BYTES_MAX),
        ("relay_echo_bytes_max", limits::RELAY_ECHO_BYTES_MAX),
        ("relay_window_max", limits::RELAY_WINDOW_MAX),
        ("relay_answers_max", limits::RELAY_ANSWERS_MAX),
        ("greeting_pause_min", millis(timers.greeting_pause_min)),
        ("greeting_pause_max", millis(timers.greeting_pause_max)),
        ("progress_max", millis(timers.progress_max)),
        ("slot_count", chat_host::relay::server::SLOT_COUNT),
        ("relay_port", usize::from(chat_core::relay::PORT)),
    ];
    assert_eq!(documented, expected.map(|(name, value)| (name.to_owned(), value)).into());
}

#[test]
fn refusal_reasons_are_those_of_the_code() {
    let document = read("docs/refusals.md");
    let documented: Vec<_> = rows(&document)
        .filter(|row| row[0].parse::<u16>().is_ok())
        .map(|row| (row[1].to_owned(), format!("{} (reason {})", row[2], row[0])))
        .collect();
    let coded: Vec<_> = RefusalReason::ALL.iter().map(|reason| (format!("{reason:?}"), reason.to_string())).collect();
    assert_eq!(documented, coded);
}

#[test]
fn counters_are_all_explained_in_their_order() {
    let document = read("docs/command-line.md");
    let documented = |title: &str| -> Vec<_> {
        let section = document.split(title).nth(1).unwrap().split("\n#").next().unwrap();
        rows(section).filter(|row| row[0].starts_with('`')).map(|row| row[0].trim_matches('`').to_owned()).collect()
    };
    let relay: Vec<_> = chat_core::relay::server::Counters::ZERO.iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(documented("### Counters of the relay"), relay);
    let counters = chat_host::room::server::Counters::default();
    let room: Vec<_> = std::iter::once("members").chain(counters.iter().map(|(name, _)| name)).collect();
    assert_eq!(documented("### Counters of the room"), room);
    let page = chat_host::web::Counters::default();
    assert_eq!(documented("### Counters of the page"), page.iter().map(|(name, _)| name).collect::<Vec<_>>());
}

#[test]
fn requirement_numbers_are_unique_and_every_must_has_one() {
    for name in ["relay-protocol.md", "refusals.md", "names.md"] {
        assert!(!requirements(&read(&format!("docs/{name}"))).is_empty(), "{name}");
    }
}

#[test]
fn every_requirement_stands_in_one_row_of_the_roles() {
    for name in ["relay-protocol.md", "room-protocol.md", "mesh-protocol.md"] {
        let document = read(&format!("docs/{name}"));
        let roles = section(&document, "### Who must heed what");
        let mut told = HashSet::new();
        for number in rows(roles).skip(2).flat_map(|row| row[1].split(", ").collect::<Vec<_>>()) {
            assert!(told.insert(number), "{name}: {number} twice");
        }
        assert_eq!(told, requirements(&document), "{name}");
    }
}

#[test]
fn code_map_has_every_folder_of_sources_and_nothing_that_is_not_there() {
    let document = read("docs/ARCHITECTURE.md");
    let places: HashSet<_> = rows(section(&document, "## Code map"))
        .skip(2)
        .flat_map(|row| row[0].split(", ").collect::<Vec<_>>())
        .collect();
    for place in &places {
        assert!(root().join(place).exists(), "there is no {place}");
    }
    let mut folders = vec!["core/src".to_owned(), "host/src".to_owned()];
    while let Some(folder) = folders.pop() {
        assert!(places.contains(folder.as_str()), "{folder} is not in the map");
        let entries = std::fs::read_dir(root().join(&folder)).unwrap().map(|entry| entry.unwrap());
        let inner = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        folders.extend(inner.map(|entry| format!("{folder}/{}", entry.file_name().to_str().unwrap())));
    }
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let documents = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let top = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name));
    for path in documents.chain(top).filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            let there = target.contains("://") || target.is_empty() || path.parent().unwrap().join(target).exists();
            assert!(there, "{}: {link}", path.display());
        }
    }
}
