//! What docs/mesh-protocol.md says against what the code does: dumps, tags, limits, requirement numbers.
#![cfg(not(loom))]

use chat_core::datagram::{Datagram, open};
use chat_core::limits;
use chat_core::mesh::{
    Addresses, Arrival, Body, Config, Digest, Item, Nonce, PROTOCOL, Packer, Pair, Peer, PeerId, Say, SmallStorage,
    Standing, TAG_COUNT, Timers, Token, WireRow,
};
use chat_core::refusal::RefusalReason;
use chat_core::text::Text;
use chat_core::time::Instant;
use chat_core::username::Username;
use std::collections::{HashMap, HashSet};
use tests::document::{dumps, named_requirements, requirements, rows, section, written_name};
use tests::workspace::{read, sources};

/// The ids of the dumps.
const ANN: PeerId = PeerId(0xa11c_e0a1_1ce0_a11c);
const BOB: PeerId = PeerId(0xb0b0_b0b0_b0b0_b0b0);
const CY: PeerId = PeerId(0xc1c1_c1c1_c1c1_c1c1);

/// The document.
fn document() -> String {
    read("docs/mesh-protocol.md")
}

/// These bytes as a number whose least significant byte is the first.
fn word(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes)
}

/// The nonce of the dumps.
fn nonce() -> Nonce {
    Nonce(word([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]))
}

/// The token that ann gives, or whom she speaks to gave her.
fn token() -> Token {
    Token(word([1, 2, 3, 4, 5, 6, 7, 8]))
}

/// The token that the other side gives.
fn other_token() -> Token {
    Token(word([0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88]))
}

/// The hash of the dumps.
fn hash() -> Digest {
    Digest(word([0xf0, 0xe1, 0xd2, 0xc3, 0xb4, 0xa5, 0x96, 0x87]))
}

/// bob's row under this name.
fn row(name: &str) -> WireRow {
    let mut addresses = Addresses::default();
    addresses.0.push("192.0.2.8:9292".parse().unwrap()).unwrap();
    let body = Body { rank: 1, capacity_log2: 8, name: Username::new(name).unwrap(), addresses };
    WireRow { id: BOB, incarnation: 1, standing: Standing::Member(body) }
}

/// A list of these entries.
fn packed<T: serde::Serialize>(entries: &[T]) -> Packer<256> {
    let mut packer = Packer::new(256);
    entries.iter().for_each(|entry| packer.push(entry).unwrap());
    packer
}

/// One item of each kind, and a few more, by the names of their dumps; what they borrow lives as long as `check` runs.
fn with_items(mut check: impl FnMut(&str, &Item<'_>)) {
    let text = |text| Text::new(text).unwrap();
    let (rows, riding) =
        (packed(&[row("bob")]), packed(&[WireRow { id: CY, incarnation: 3, standing: Standing::DeadBare }]));
    let pair = |origin, number| Pair { origin, number };
    let (bob, both) = (packed(&[pair(BOB, 300)]), packed(&[pair(ANN, 0), pair(BOB, 300)]));
    let mut addresses = Addresses::default();
    addresses.0.push("192.0.2.7:9292".parse().unwrap()).unwrap();
    let claim =
        Item::Claim { nonce: nonce(), incarnation: 1, token: token(), name: Username::new("ann").unwrap(), addresses };
    let object = |reason, holder| Item::Object { nonce: nonce(), reason, holder };
    let mut ping = [0xa5; 16];
    let ping = postcard::to_slice(&Item::Ping { nonce: nonce() }, &mut ping).unwrap();
    let said = Say {
        origin: ANN,
        number: 1,
        lamport: 301,
        sent_ms: 1_750_000_006_250,
        flags: Say::ACKNOWLEDGE,
        name: "ann",
        text: text("hello"),
    };
    let action = Say { number: 300, lamport: 7, sent_ms: -1, flags: Say::ACTION, text: text("grüßt"), ..said };
    let (after, token, until) = (PeerId::ZERO, token(), PeerId::LAST);
    check("from", &Item::From { id: ANN, incarnation: 1, token });
    check("seek", &Item::Seek { nonce: nonce(), members: 0 });
    check("found", &Item::Found { nonce: nonce(), token: other_token(), members: 2, capacity_log2: 8, table: hash() });
    check("rows-ask", &Item::RowsAsk { after, token });
    check("rows", &Item::Rows { after, until, rows: rows.as_packed() });
    check("rows-riding", &Item::Rows { after, until: after, rows: riding.as_packed() });
    check("claim", &claim);
    let (token, table) = (other_token(), hash());
    check("welcome", &Item::Welcome { nonce: nonce(), token, lamport: 300, head: 2, members: 2, table });
    check("object", &object(RefusalReason::NameTaken, Some(row("ann"))));
    check("object-denied", &object(RefusalReason::NameDenied, None));
    check("left", &Item::Left { incarnation: 1 });
    check("ping", &Item::Ping { nonce: nonce() });
    check("ack", &Item::Ack { nonce: nonce(), token });
    check("via", &Item::Via { target: CY, from: ANN, item: ping });
    check("heads", &Item::Heads { head: 2, vector: hash(), pairs: bob.as_packed() });
    check("say", &Item::Say(said));
    check("say-action", &Item::Say(action));
    check("took", &Item::Took { number: 300 });
    check("ask", &Item::Ask { origin: BOB, first: 5, bits: 5 });
    check("none", &Item::None { origin: BOB, lowest: 9 });
    check("vector-ask", &Item::VectorAsk { after });
    check("vector", &Item::Vector { after, until, pairs: both.as_packed() });
    check("recent-ask", &Item::RecentAsk);
    check("recent", &Item::Recent { no_giver: false, pairs: bob.as_packed() });
}

#[test]
fn every_dump_is_what_core_writes_and_reads() {
    let mut dumps = dumps(&document());
    let datagram = dumps.remove("seek-datagram").expect("the document has a whole datagram");
    dumps.remove("table-hashed").expect("the document has what a hash is over");
    with_items(|name, item| {
        let dump = dumps.remove(name).unwrap_or_else(|| panic!("no dump {name}"));
        let mut buffer = [0xa5; 256];
        assert_eq!(postcard::to_slice(item, &mut buffer).unwrap(), dump, "{name}");
        assert_eq!(Item::decode(&dump).as_ref(), Ok(item), "{name}");
    });
    assert!(dumps.is_empty(), "not compared: {dumps:?}");
    let mut written = Datagram::EMPTY;
    written.begin(PROTOCOL);
    written.push(&Item::From { id: ANN, incarnation: 1, token: Token::NONE }).unwrap();
    written.push(&Item::Seek { nonce: nonce(), members: 0 }).unwrap();
    let mut bytes = written.as_bytes().to_vec();
    bytes.resize(limits::MESH_SEEK_BYTES, 0);
    assert_eq!(bytes, datagram);
    assert_eq!(open(PROTOCOL, &datagram).unwrap().count(), 2);
}

/// A hash as MESH-ENC-5 says it, and as it travels.
fn hashed(bytes: &[u8]) -> (Digest, String) {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    let written: Vec<_> = hash.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    (Digest(hash), written.join(" "))
}

#[test]
fn hashes_are_those_that_the_document_shows_and_that_a_peer_has() {
    let document = document();
    for bytes in [&dumps(&document)["table-hashed"][..], &[]] {
        let (_, written) = hashed(bytes);
        assert!(document.contains(&format!("travels as `{written}`")), "{written}");
    }
    // A founder that has welcomed a newcomer.
    let now = Instant::from_millis(0);
    let mut storage = SmallStorage::EMPTY;
    let config = Config { discovery: false, ..Config::new(Username::new("bob").unwrap()) };
    let mut peer = Peer::new(storage.memory(), config, now, [7; 16]);
    peer.handle_timeout(now);
    let mut claim = Datagram::EMPTY;
    claim.begin(PROTOCOL);
    claim.push(&Item::From { id: ANN, incarnation: 1, token: Token::NONE }).unwrap();
    let name = Username::new("ann").unwrap();
    let addresses = Addresses::default();
    claim.push(&Item::Claim { nonce: nonce(), incarnation: 1, token: token(), name, addresses }).unwrap();
    let mut bytes = claim.as_bytes().to_vec();
    bytes.resize(limits::MESH_CLAIM_BYTES, 0);
    peer.handle_datagram(now, "192.0.2.7:9292".parse().unwrap(), Arrival::Unicast, &bytes);
    let mut rows = [(peer.id(), 1_u8), (ANN, 0)];
    rows.sort();
    let over: Vec<u8> =
        rows.iter().flat_map(|(id, state)| [&id.0.to_le_bytes()[..], &[1, 0, 0, 0, *state]].concat()).collect();
    assert_eq!(peer.table_digest(), hashed(&over).0);
}

#[test]
fn tags_of_the_table_are_those_of_the_code() {
    let document = document();
    let documented: HashMap<u32, String> = rows(section(&document, "## 6. The items"))
        .filter_map(|row| Some((row[0].parse().ok()?, row[1].to_owned())))
        .collect();
    let mut coded = HashMap::new();
    with_items(|_, item| {
        let mut buffer = [0; 256];
        let tag = u32::from(postcard::to_slice(item, &mut buffer).unwrap()[0]);
        coded.insert(tag, written_name(item));
    });
    assert_eq!(coded.len(), TAG_COUNT as usize);
    assert_eq!(documented, coded);
}

#[test]
fn requirement_numbers_are_unique_and_every_must_has_one() {
    let document = document();
    let numbers = requirements(&document);
    assert!(numbers.len() > 100);
    // Each number is the mesh's, and each that the text refers to exists.
    assert_eq!(named_requirements(&document, "MESH-"), numbers);
}

/// The rules that the simulator names when one is broken.
fn simulated_rules() -> HashSet<String> {
    let sources = sources(&["tests/mesh-sim/src"]);
    let words = sources.iter().flat_map(|(_, text)| text.split('"'));
    words.filter(|words| words.starts_with("MESH-")).map(str::to_owned).collect()
}

#[test]
fn simulator_checks_every_invariant_and_nothing_that_is_not_promised() {
    let (document, simulated) = (document(), simulated_rules());
    let strangers: Vec<_> = simulated.iter().filter(|rule| !requirements(&document).contains(rule.as_str())).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    let invariants = requirements(section(&document, "## 13. Invariants"));
    assert!(invariants.len() > 15, "{invariants:?}");
    let unchecked: Vec<_> = invariants.iter().filter(|rule| !simulated.contains(**rule)).collect();
    assert!(unchecked.is_empty(), "{unchecked:?}");
}

#[test]
fn limits_and_timers_are_those_of_the_code() {
    let document = document();
    let documented: HashMap<String, u128> = rows(section(&document, "## 11. Limits and timers"))
        .filter_map(|row| Some((row[0].trim_matches('`').to_owned(), row[1].split(' ').next()?.parse().ok()?)))
        .collect();
    let limits: [(&str, u64); 42] = [
        ("datagram_bytes_max", limits::DATAGRAM_BYTES_MAX as u64),
        ("text_bytes_max", limits::TEXT_BYTES_MAX as u64),
        ("name_bytes_max", limits::NAME_BYTES_MAX as u64),
        ("mesh_addresses_max", limits::MESH_ADDRESSES_MAX as u64),
        ("mesh_seek_bytes", limits::MESH_SEEK_BYTES as u64),
        ("mesh_seek_answers", limits::MESH_SEEK_ANSWERS as u64),
        ("mesh_claim_bytes", limits::MESH_CLAIM_BYTES as u64),
        ("mesh_seek_walks", limits::MESH_SEEK_WALKS as u64),
        ("mesh_new_rows", limits::MESH_NEW_ROWS as u64),
        ("mesh_lost_max", limits::MESH_LOST_MAX as u64),
        ("mesh_dead_claims", u64::from(limits::MESH_DEAD_CLAIMS)),
        ("mesh_unproven_claims", u64::from(limits::MESH_UNPROVEN_CLAIMS)),
        ("mesh_claim_vias", u64::from(limits::MESH_CLAIM_VIAS)),
        ("mesh_claim_retries", u64::from(limits::MESH_CLAIM_RETRIES)),
        ("mesh_joining_per_ip_max", limits::MESH_JOINING_PER_IP_MAX as u64),
        ("mesh_joining_unproven_max", limits::MESH_JOINING_UNPROVEN_MAX as u64),
        ("mesh_unproven_bytes_max", u64::from(limits::MESH_UNPROVEN_BYTES_MAX)),
        ("mesh_unproven_per_second_max", u64::from(limits::MESH_UNPROVEN_PER_SECOND_MAX)),
        ("mesh_page_tries", u64::from(limits::MESH_PAGE_TRIES)),
        ("history_messages_max", limits::HISTORY_MESSAGES_MAX as u64),
        ("mesh_probe_pings", u64::from(limits::MESH_PROBE_PINGS)),
        ("mesh_probe_vias", u64::from(limits::MESH_PROBE_VIAS)),
        ("mesh_suspect_vias", u64::from(limits::MESH_SUSPECT_VIAS)),
        ("mesh_suspect_periods", u64::from(limits::MESH_SUSPECT_PERIODS)),
        ("mesh_suspect_periods_indirect", u64::from(limits::MESH_SUSPECT_PERIODS_INDIRECT)),
        ("mesh_via_bytes_max", limits::MESH_VIA_BYTES_MAX as u64),
        ("mesh_suspects_max", limits::MESH_SUSPECTS_MAX as u64),
        ("mesh_riding_rows_max", limits::MESH_RIDING_ROWS_MAX as u64),
        ("mesh_left_rounds", u64::from(limits::MESH_LEFT_ROUNDS)),
        ("mesh_acknowledgers_max", limits::MESH_ACKNOWLEDGERS_MAX as u64),
        ("mesh_say_repetitions", u64::from(limits::MESH_SAY_REPETITIONS)),
        ("mesh_say_burst", u64::from(limits::MESH_SAY_BURST)),
        ("mesh_say_per_second", u64::from(limits::MESH_SAY_PER_SECOND)),
        ("mesh_flood_per_second_max", u64::from(limits::MESH_FLOOD_PER_SECOND_MAX)),
        ("mesh_heads_pairs_max", limits::MESH_HEADS_PAIRS_MAX as u64),
        ("mesh_ask_numbers_max", u64::from(limits::MESH_ASK_NUMBERS_MAX)),
        ("mesh_ask_tries", u64::from(limits::MESH_ASK_TRIES)),
        ("mesh_ask_sources", u64::from(limits::MESH_ASK_SOURCES)),
        ("mesh_different_heads", u64::from(limits::MESH_DIFFERENT_HEADS)),
        ("mesh_newer_max", limits::MESH_NEWER_MAX as u64),
        ("mesh_lamport_ahead_max", limits::MESH_LAMPORT_AHEAD_MAX),
        ("mesh_pace_datagrams_max", u64::from(limits::MESH_PACE_DATAGRAMS_MAX)),
    ];
    let limits = limits.map(|(name, value)| (name.to_owned(), u128::from(value)));
    let timers = Timers::DEFAULT;
    let timers = timers.iter().map(|(name, millis)| (name.to_owned(), millis));
    assert_eq!(documented, timers.chain(limits).collect());
}
