//! Clients in scripts: events of JSON, programs that take part, displays that only listen, and output that nobody takes.
#![cfg(not(loom))]

use chat_core::refusal::RefusalReason;
use chat_core::room::{Kind, Message, Welcome};
use nix::sys::signal::Signal;
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use tests::DEADLINE;
use tests::process::{Process, RoomServer, Server, full_pipe, spawning};
use tests::room::{ScriptedRoom, WELCOME};
use tests::tcp::Connection;
use tests::udp::{Client, message};
use tests::workspace::program;

/// A room where everybody may speak as fast as he likes.
fn room() -> RoomServer {
    RoomServer::start("127.0.0.1:0", &["--rate", "off"])
}

/// Says something under the connection's name.
fn say(connection: &mut Connection, number: u32, text: &str) {
    connection.send(&Message::Say { number, kind: Kind::Plain, text });
}

/// A client of this room.
fn client(room: &RoomServer, arguments: &[&str]) -> Process {
    Process::start(&[&["client", "--tcp", &room.tcp.to_string()], arguments].concat())
}

/// Runs a program to its end with a standard output that is always full.
fn finish_on_full_disk(arguments: &[&str]) -> (Option<i32>, String) {
    let disk = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut process = Process::start_with_output(arguments, disk);
    process.end_input();
    let finished = process.finish();
    (finished.code, finished.errors.join("\n"))
}

#[test]
fn help_that_cannot_be_written_is_a_failure() {
    for arguments in [&["--help"][..], &["--version"], &["client", "--help"]] {
        let (code, errors) = finish_on_full_disk(arguments);
        assert_eq!(
            (code, errors.as_str()),
            (Some(1), "chat-host: cannot write standard output: no space left on device"),
            "{arguments:?}"
        );
    }
}

// --- JSON ---

/// Checks that every line is what the schema allows, and has no field that it does not name. Gives the kinds of events.
fn check_events(lines: &[String]) -> Vec<String> {
    tests::schema::check_events("docs/client-events.schema.json", lines)
}

#[test]
fn events_of_a_room_are_what_the_schema_says() {
    let room = room();
    let mut ann = client(&room, &["--name", "ann", "--json"]);
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    say(&mut bob, 1, "\x1b[2J\u{202e}❤");
    ann.write(format!("hi\n{}\n", "x".repeat(1_025)).as_bytes());
    while bob.hear_journal() != "ann: hi" {}
    drop(bob);
    let mut lines = vec![ann.output.find("unsent")];
    lines.push(ann.output.find("left"));
    room.stop(Signal::SIGTERM);
    lines.push(ann.output.find("broken"));
    ann.write(b"lost\n");
    ann.end_input();
    let finished = ann.finish();
    assert_eq!(finished.code, Some(1));
    lines.extend(finished.output);
    assert_eq!(check_events(&lines), ["unsent", "left", "broken", "unconfirmed"]);
}

#[test]
fn every_event_of_a_room_before_is_in_the_schema_too() {
    let room = room();
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    say(&mut bob, 1, "before");
    assert_eq!(bob.hear_journal(), "bob: before");
    let mut ann = client(&room, &["--name", "ann", "--json"]);
    ann.write(b"hi\n");
    ann.end_input();
    let finished = ann.finish();
    assert_eq!((finished.code, finished.errors.as_slice()), (Some(0), &[][..]));
    assert_eq!(check_events(&finished.output), ["welcome", "message", "history_end", "message"]);
    // A name that is taken.
    let refused = client(&room, &["--name", "bob", "--json"]).finish();
    assert_eq!((refused.code, check_events(&refused.output)), (Some(1), vec!["refused".to_owned()]));
}

#[test]
fn events_of_a_relay_are_what_the_schema_says() {
    let relay = Server::start("127.0.0.1:0", &[]);
    let mut ann = Process::start(&["client", "--udp", &relay.udp.to_string(), "--json"]);
    ann.write(b"hi\n");
    ann.end_input();
    let finished = ann.finish();
    assert_eq!((finished.code, check_events(&finished.output)), (Some(0), vec!["incoming".to_owned()]));
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut ann = Process::start(&["client", "--udp", &deaf.local_addr().unwrap().to_string(), "--json"]);
    ann.write(b"hi\n");
    ann.end_input();
    let finished = ann.finish();
    let mut kinds = check_events(&finished.output);
    kinds.sort();
    assert_eq!((finished.code, kinds), (Some(1), vec!["presence".to_owned(), "unconfirmed".to_owned()]));
}

// --- programs and displays ---

#[test]
fn program_hears_others_and_what_it_prints_is_said() {
    let room = room();
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    say(&mut bob, 1, "of the history");
    assert_eq!(bob.hear_journal(), "bob: of the history");
    let program = "while read -r line; do echo \"/heard $line\"; done";
    let mut bot = client(&room, &["--name", "bot", "--exec", program]);
    assert_eq!(bob.hear_journal(), "+bot");
    say(&mut bob, 2, "a\x1bb");
    assert_eq!(bob.hear_journal(), "bob: a\x1bb");
    // Lines are never commands, and the program hears neither the history nor itself.
    assert_eq!(bob.hear_journal(), "bot: /heard bob: a\u{fffd}b");
    say(&mut bob, 3, "again");
    assert_eq!(bob.hear_journal(), "bob: again");
    assert_eq!(bob.hear_journal(), "bot: /heard bob: again");
    // A line that has not come back would count as not confirmed.
    bot.output.find("/heard bob: again");
    bot.signal(Signal::SIGTERM);
    assert_eq!(bot.finish().code, Some(0));
    assert_eq!(bob.hear_journal(), "-bot");
}

#[test]
fn program_that_says_much_is_slowed_and_its_failure_is_told() {
    let room = room();
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    let start = std::time::Instant::now();
    let mut bot = client(&room, &["--name", "bot", "--exec", "seq 7; exit 3"]);
    assert_eq!(bob.hear_journal(), "+bot");
    for number in 1..=7 {
        assert_eq!(bob.hear_journal(), format!("bot: {number}"));
    }
    // Five at once, then one a second.
    assert!(start.elapsed().as_secs_f64() > 1.9, "{:?}", start.elapsed());
    let finished = bot.finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.errors.last().unwrap().contains("--exec has failed: exit status: 3"), "{finished:?}");
}

#[test]
fn standard_input_beside_a_program_is_told_not_to_be_read() {
    let room = room();
    let told = "chat-host: warning: standard input is not read: with --exec, only what the program prints is said";
    let mut bot = client(&room, &["--name", "bot", "--exec", "cat >/dev/null"]);
    bot.write(b"hi\nho\n");
    assert_eq!(bot.errors.find("standard input"), told);
    bot.signal(Signal::SIGTERM);
    assert_eq!(bot.finish().code, Some(0));
    // Where nothing stands there, or none is asked for, nothing is told.
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    for (number, (options, input)) in (1..).zip([(&[][..], &b""[..]), (&["--headless"], b"hi\n")]) {
        let program = "echo done; head -n 1 >/dev/null";
        let mut bot = client(&room, &[&["--name", "bot", "--exec", program], options].concat());
        bot.write(input);
        bot.end_input();
        for heard in ["+bot", "bot: done"] {
            assert_eq!(bob.hear_journal(), heard);
        }
        say(&mut bob, number, "go");
        assert_eq!(bob.hear_journal(), "bob: go");
        let finished = bot.finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(!finished.errors.concat().contains("standard input"), "{finished:?}");
        assert_eq!(bob.hear_journal(), "-bot");
    }
}

#[test]
fn interrupt_that_ends_the_program_too_is_no_failure_of_the_program() {
    let room = room();
    // Ctrl-C at a terminal, and a service manager, end both; the program may be gone first.
    // Here the signal comes once the client knows that the program has failed.
    let program = "(while kill -0 $$; do :; done; kill -INT $PPID) >/dev/null 2>&1 & exit 130";
    let finished = client(&room, &["--name", "bot", "--exec", program]).finish();
    assert_eq!(
        (finished.code, finished.errors.iter().any(|line| line.contains("--exec"))),
        (Some(0), false),
        "{finished:?}"
    );
}

#[test]
fn display_waits_for_its_server_and_observes() {
    let place = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut display = Process::start(&["client", "--tcp", &place, "--headless"]);
    display.errors.find("going on trying");
    let room = RoomServer::start(&place, &[]);
    display.errors.find("before you came");
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    say(&mut bob, 1, "hi");
    // Nobody was told of the display.
    assert_eq!(bob.hear_journal(), "bob: hi");
    assert!(display.output.next().unwrap().ends_with("] bob: hi"));
    display.signal(Signal::SIGTERM);
    assert_eq!(display.finish().code, Some(0));
}

#[test]
fn program_that_ends_before_there_is_a_server_ends_the_client() {
    // Bound and not listening: nobody else has the port, and connections are refused.
    let closed = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Stream,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    nix::sys::socket::bind(closed.as_raw_fd(), &nix::sys::socket::SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    let port = nix::sys::socket::getsockname::<nix::sys::socket::SockaddrIn>(closed.as_raw_fd()).unwrap().port();
    for (command, code) in [("exit 3", Some(1)), ("true", Some(0))] {
        let arguments =
            ["client", "--tcp", &format!("127.0.0.1:{port}"), "--name", "bot", "--headless", "--exec", command];
        let finished = Process::start(&arguments).finish();
        assert_eq!(finished.code, code, "{command}: {finished:?}");
    }
}

#[test]
fn display_of_a_relay_waits_too() {
    let place = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut display = Process::start(&["client", "--udp", &place, "--headless"]);
    assert!(display.errors.find("going on trying").starts_with("chat-host: warning: "));
    let relay = Server::start(&place, &[]);
    assert_eq!(display.errors.find("answers"), format!("-- the relay at {place} answers --"));
    Client::greeted("127.0.0.1:0", relay.udp).send(&[message(1, "hi")]);
    assert!(display.output.next().unwrap().ends_with(">: hi"));
    display.signal(Signal::SIGTERM);
    assert_eq!(display.finish().code, Some(0));
}

// --- what is not confirmed or not written ---

#[test]
fn output_that_nobody_reads_is_told_and_is_no_success() {
    let (room, relay) = (room(), Server::start("127.0.0.1:0", &[]));
    let (tcp, udp) = (room.tcp.to_string(), relay.udp.to_string());
    let (to_room, to_relay) = (["client", "--tcp", &tcp], ["client", "--udp", &udp]);
    let peer = ["peer", "--listen", "127.0.0.1:0", "--no-discovery"];
    let mut runs = Vec::new();
    // A program ends by itself while its input is open, and at the end of its input.
    for input_ends in [false, true] {
        let name = |name: &'static str| ["--name", if input_ends { name } else { "other" }];
        for arguments in [
            to_relay.to_vec(),
            [&to_relay[..], &["--json"]].concat(),
            [&to_room[..], &name("ann")].concat(),
            [&to_room[..], &["--json", "--name", if input_ends { "bob" } else { "cy" }]].concat(),
            [&peer[..], &name("dan")].concat(),
        ] {
            let (reader, writer) = full_pipe();
            let mut process = Process::start_with_output(&arguments, writer);
            // Its own line comes back to it, and is to be shown.
            process.write(b"hi\n");
            if input_ends {
                process.end_input();
            }
            runs.push((arguments, process, reader));
        }
    }
    for (arguments, mut process, reader) in runs {
        let finished = process.finish();
        assert_eq!(finished.code, Some(1), "{arguments:?}: {finished:?}");
        let told = finished.errors.last().map(String::as_str).unwrap_or_default();
        let is_told = told.contains("standard output is not read: ") && told.contains("not written");
        assert!(is_told, "{arguments:?}: {finished:?}");
        drop(reader);
    }
}

#[test]
fn text_that_is_too_long_for_a_room_that_had_not_said_so_is_told_and_shown_again() {
    let room = ScriptedRoom::new();
    let mut ann = room.client(&[]);
    ann.write(b"longer than four\nhi\n");
    ann.end_input();
    let mut guest = room.accept();
    // Both lines are numbered before the room has told its limit.
    while {
        ann.signal(Signal::SIGUSR1);
        let counters = ann.errors.find("client: ");
        assert!(counters.starts_with("client: "), "{counters}");
        !counters.contains("lines=2 ")
    } {}
    guest.send(&Message::Welcome(Welcome { text_bytes_max: 4, ..WELCOME }));
    guest.send(&Message::HistoryEnd);
    guest.hear_join();
    assert_eq!((guest.hear_say().0, guest.hear_say().0), (1, 2));
    guest.send(&Message::Unsaid { number: 1, reason: RefusalReason::TextOverlong });
    guest.said(2, 2, "ann", "hi");
    let finished = ann.finish();
    assert_eq!((finished.code, finished.output.len()), (Some(1), 1), "{finished:?}");
    assert!(finished.errors.iter().any(|line| line.contains("message 1 was not taken: the text is longer")));
    assert!(finished.errors.contains(&"-- not taken: longer than four --".to_owned()), "{finished:?}");
    assert!(finished.errors.iter().any(|line| line.contains("1 of 2 lines was not sent")), "{finished:?}");
}

#[test]
fn sentences_behind_an_output_that_nobody_reads_are_told_all_the_same() {
    let room = room();
    let (reader, writer) = full_pipe();
    let mut ann = Process::start_with_output(&["client", "--tcp", &room.tcp.to_string(), "--name", "ann"], writer);
    ann.write(format!("hi\n{}\n", "x".repeat(1_025)).as_bytes());
    ann.end_input();
    let finished = ann.finish();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished
            .errors
            .iter()
            .any(|line| line.starts_with("chat-host: warning: line 2 was not sent: it has 1025 bytes")),
        "{finished:?}"
    );
    drop(reader);
}

#[test]
fn both_streams_that_nobody_reads_end_the_client_too() {
    let relay = Server::start("127.0.0.1:0", &[]);
    let (_reader, writer) = full_pipe();
    let errors = writer.try_clone().unwrap();
    let mut command = Command::new(program());
    command.args(["client", "--udp", &relay.udp.to_string()]).stdout(writer).stderr(errors).stdin(Stdio::piped());
    let mut child = {
        let _spawning = spawning();
        command.spawn().unwrap()
    };
    child.stdin.take().unwrap().write_all(b"hi\n").unwrap();
    let (sender, ended) = channel();
    std::thread::spawn(move || sender.send(child.wait().unwrap().code()));
    assert_eq!(ended.recv_timeout(DEADLINE), Ok(Some(1)));
}

#[test]
fn flood_keeps_nobody_from_speaking() {
    let relay = Server::start("127.0.0.1:0", &[]);
    let mut ann = Process::start(&["client", "--udp", &relay.udp.to_string()]);
    let flooder = Client::greeted("127.0.0.1:0", relay.udp);
    let listener = Client::greeted("127.0.0.1:0", relay.udp);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flood = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let mut number = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                number += 1;
                flooder.send(&[message(number, "flood")]);
            }
        }
    });
    ann.output.find("flood");
    ann.write(b"in the flood\n");
    // The relay may drop it: then it is told, and said again.
    while !listener.receive().iter().any(|incoming| incoming.text == "in the flood") {}
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    flood.join().unwrap();
}
