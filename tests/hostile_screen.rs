//! Whatever names and texts come, nothing reaches a terminal but what may: in every mode, byte by byte.
#![cfg(not(loom))]

use chat_core::limits::{NAME_BYTES_MAX, TEXT_BYTES_MAX};
use chat_core::room::{Kind, Message, Names, Sequence, Welcome};
use chat_host::terminal::display::is_unsafe;
use std::io::Read as _;
use tests::process::{Process, Server};
use tests::room::{ScriptedRoom, WELCOME};
use tests::seed::Random;
use tests::terminal::Terminal;
use tests::udp::{Client, message};

/// Messages that each mode is shown.
const MESSAGES: u64 = 300;

/// Ends what is shown: one word, which is in one row.
const END: &str = "the-very-end";

/// Pieces that act on terminals, or look as if they were ours.
const PIECES: [&str; 16] = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\u{9b}31m",
    "\x1b[?1049h",
    "\x1bP+q\x1b\\",
    "\r\n",
    "\u{202e}",
    "\u{200d}",
    "\x1b[6n",
    "\x0e",
    "\u{feff}",
    "\u{2028}",
    "\x7f\x08",
    "\u{e0041}",
    "\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "\x1b[200~",
];

/// A text of at most so many bytes: ordinary characters, any others, and pieces.
fn text(random: &mut Random, bytes_max: usize) -> String {
    let mut text = String::new();
    let wanted = 1 + random.below(bytes_max.min(120));
    while text.len() < wanted {
        match random.below(4) {
            0 => text.push(char::from(b' ' + u8::try_from(random.below(95)).unwrap())),
            1 => text.push_str(PIECES[random.below(PIECES.len())]),
            2 => text.extend(char::from_u32(u32::try_from(random.below(0x300)).unwrap())),
            _ => text.extend(char::from_u32(u32::try_from(random.below(0x11_0000)).unwrap())),
        }
    }
    while text.len() > bytes_max {
        text.pop();
    }
    if text.is_empty() { "x".to_owned() } else { text }
}

/// A room that says random things under random names to whoever comes first, and then the end. Gives its address.
fn hostile_room(mut random: Random) -> String {
    let room = ScriptedRoom::new();
    let address = room.address.clone();
    std::thread::spawn(move || {
        let mut guest = room.accept();
        guest.send(&Message::Welcome(Welcome { time_trusted: false, ..WELCOME }));
        guest.send(&Message::HistoryEnd);
        let mut names = Vec::new();
        for _ in 0..10 {
            let name = text(&mut random, NAME_BYTES_MAX);
            names.push(u8::try_from(name.len()).unwrap());
            names.extend_from_slice(name.as_bytes());
        }
        guest.send(&Message::Members { page: 0, more: false, names: Names::new(&names).unwrap() });
        let end = WELCOME.head.0 + MESSAGES;
        for sequence in WELCOME.head.0..end {
            let (name, said) = (text(&mut random, NAME_BYTES_MAX), text(&mut random, TEXT_BYTES_MAX));
            let sent_ms = i64::from_le_bytes(random.word().to_le_bytes());
            let kind = if random.below(2) == 0 { Kind::Plain } else { Kind::Action };
            let (name, text) = (name.as_str(), said.as_str());
            guest.send(&match random.below(5) {
                0 => Message::Joined { sequence: Sequence(sequence), name },
                1 => Message::Left { sequence: Sequence(sequence), name },
                _ => Message::Said { sequence: Sequence(sequence), sent_ms, number: 1, kind, name, text },
            });
        }
        let (sequence, kind) = (Sequence(end), Kind::Plain);
        guest.send(&Message::Said { sequence, sent_ms: 0, number: 1, kind, name: "end", text: END });
        // Until the client has gone.
        let _ = guest.stream.read_to_end(&mut Vec::new());
    });
    address
}

/// Says random things through this relay, and then the end.
fn attack(relay: &Server, mut random: Random) {
    let attacker = Client::greeted("127.0.0.1:0", relay.udp);
    for number in 0..50 {
        attacker.send(&[message(number, &text(&mut random, TEXT_BYTES_MAX))]);
        attacker.receive_count(1);
    }
    attacker.send(&[message(50, END)]);
}

/// Checks that a text has nothing in it but what the display rule lets through, line ends, and these control sequences: each its
/// parameters' characters and its final one.
fn check(written: &str, sequences: &[(&str, char)]) {
    let mut rest = written;
    while let Some(character) = rest.chars().next() {
        if let Some(sequence) = rest.strip_prefix("\x1b[") {
            let end = sequence.find(|it: char| it.is_ascii_alphabetic()).unwrap_or_else(|| panic!("{rest:?}"));
            let (parameters, last) = (&sequence[..end], sequence[end..].chars().next().unwrap());
            let known = sequences.iter().any(|&(characters, of)| {
                last == of
                    && match characters.strip_prefix('=') {
                        Some(exact) => exact == parameters,
                        None => parameters.chars().all(|it| characters.contains(it)),
                    }
            });
            assert!(known, "ESC [ {parameters} {last} in {written:?}");
            rest = &sequence[end + 1..];
            continue;
        }
        let allowed = match character {
            '\n' | '\u{200c}' | '\u{200d}' => true,
            // Terminals want one before each line feed.
            '\r' => rest.starts_with("\r\n") || !sequences.is_empty(),
            '\x07' => !sequences.is_empty(),
            _ => !is_unsafe(character),
        };
        assert!(allowed, "{character:?} in {written:?}");
        rest = &rest[character.len_utf8()..];
    }
}

/// What the clients write to a person's terminal.
const OF_TERMINAL: [(&str, char); 14] = [
    ("0123456789;", 'm'),
    ("0123456789", 'A'),
    ("0123456789", 'C'),
    ("0123456789", 'G'),
    ("0123456789;", 'H'),
    ("=", 'J'),
    ("=2", 'K'),
    ("=?25", 'h'),
    ("=?25", 'l'),
    ("=?2026", 'h'),
    ("=?2026", 'l'),
    ("=?2004", 'h'),
    ("=?2004", 'l'),
    ("=2", 'J'),
];

#[test]
fn person_in_a_hostile_room_sees_what_may_be_seen() {
    let address = hostile_room(Random::new());
    let mut terminal = Terminal::start_sized(60, 15, &["client", "--tcp", &address, "--name", "ann", "--bell", "all"]);
    let mut random = Random::new();
    // Before that, the terminal itself would echo the keys.
    check(&terminal.find("\x1b[?2004h"), &OF_TERMINAL);
    terminal.type_keys("half a line");
    // Without ends of lines: this room confirms nothing that is said, and a line that is not confirmed makes the exit code 1.
    terminal.paste(&text(&mut random, 400).replace(['\x1b', '\r', '\n'], ""));
    terminal.resize(33, 9);
    check(&terminal.find(END), &OF_TERMINAL);
    terminal.resize(90, 20);
    terminal.type_keys("\x03");
    assert_eq!(terminal.wait(), Some(0));
    check(&terminal.find("\x1b[?2004l"), &OF_TERMINAL);
}

#[test]
fn person_in_linear_mode_sees_no_control_sequence_at_all() {
    let address = hostile_room(Random::new());
    let mut terminal = Terminal::start(&["client", "--tcp", &address, "--name", "ann", "--plain"]);
    check(&terminal.find(END), &[]);
}

#[test]
fn scripts_in_a_hostile_room_get_what_may_be_seen() {
    for (options, sequences) in [
        (&[][..], &[][..]),
        (&["--color", "always"], &[("0123456789;", 'm')]),
        (&["--json"], &[]),
        (&["--headless"], &[]),
    ] {
        let address = hostile_room(Random::new());
        let arguments = [&["client", "--tcp", &address], options].concat();
        let mut process = Process::start(
            &[&arguments[..], if options == ["--headless"] { &[] } else { &["--name", "ann"] }].concat(),
        );
        loop {
            let line = process.output.next().expect("the end comes");
            check(&line, sequences);
            if line.contains(END) {
                break;
            }
        }
        process.signal(nix::sys::signal::Signal::SIGTERM);
        for line in process.finish().errors {
            check(&line, sequences);
        }
    }
}

#[test]
fn person_at_a_hostile_relay_sees_what_may_be_seen() {
    let relay = Server::start("127.0.0.1:0", &[]);
    let mut terminal = Terminal::start_sized(60, 15, &["client", "--udp", &relay.udp.to_string()]);
    terminal.find("commands");
    attack(&relay, Random::new());
    check(&terminal.find(END), &OF_TERMINAL);
}
