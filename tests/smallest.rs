//! The smallest clients of the documents against the servers: what can be typed, literally, and the examples in Python.
#![cfg(not(loom))]

use chat_core::refusal::RefusalReason;
use chat_core::room::Message;
use std::process::Command;
use tests::document::session;
use tests::process::{Finished, Process, RoomServer, Server};
use tests::room::{ScriptedRoom, WELCOME};
use tests::workspace::{read, root};

/// Runs a line that the document prints, with this server in the place of the document's.
fn type_in(document: &str, name: &str, place: &str, host: &str, port: u16) -> String {
    let line = session(&read(document), name).to_owned();
    assert!(line.contains(place), "{line}");
    let mut shell =
        Process::start_command(Command::new("sh").arg("-c").arg(line.replace(place, &format!("{host} {port}"))));
    shell.end_input();
    let Finished { code, output, errors } = shell.finish();
    assert_eq!((code, errors), (Some(0), Vec::new()));
    output.join("\n")
}

/// Starts an example in Python.
fn start(name: &str, arguments: &[&str]) -> Process {
    let path = root().join("docs/examples/python").join(name);
    Process::start_command(Command::new("python3").arg("-u").arg(path).args(arguments))
}

#[test]
fn relay_of_the_document_can_be_typed() {
    let server = Server::start("127.0.0.1:0", &[]);
    let (document, address) = ("docs/relay-protocol.md", server.udp);
    let shown = type_in(document, "relay", "pi 9090", "127.0.0.1", address.port());
    let bytes: Vec<_> = shown.split_whitespace().collect();
    // Magic and version; an item; INCOMING, number, an IPv4 address and a port of two or three bytes; the text.
    assert_eq!(bytes[..4], ["43", "48", "52", "01"], "{shown}");
    assert_eq!(bytes[5..12], ["02", "01", "00", "7f", "00", "00", "01"], "{shown}");
    assert!(shown.replace('\n', "").ends_with("05 68 65 6c 6c 6f"), "{shown}");
}

#[test]
fn room_of_the_document_can_be_typed() {
    let server = RoomServer::start("127.0.0.1:0", &[]);
    let shown = type_in("docs/room-protocol.md", "room", "pi 9191", "127.0.0.1", server.tcp.port());
    let characters: String = shown.split_whitespace().collect();
    assert!(characters.contains("annhello") || characters.contains("ann005hello"), "{shown}");
    server.wait_for("messages", |messages| messages == 1);
}

#[test]
fn every_session_of_the_documents_is_typed_by_a_test() {
    for (document, typed) in [("relay-protocol.md", "relay"), ("room-protocol.md", "room")] {
        let text = read(&format!("docs/{document}"));
        let blocks: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("```sh")).map(str::trim).collect();
        assert_eq!(blocks, [typed], "{document}");
        assert_eq!(text.matches("printf ").count(), 1, "{document}: a session outside its block");
    }
}

#[test]
fn smallest_relay_client_talks_with_the_program() {
    let server = Server::start("127.0.0.1:0", &[]);
    let address = server.udp.to_string();
    let mut listener = Process::start(&["client", "--udp", &address]);
    server.wait_for("clients", |clients| clients == 1);
    let mut client = start("relay_client.py", &[&address]);
    client.write("grüße\nbye\n".as_bytes());
    client.end_input();
    let finished = client.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.output.len(), 2, "{finished:?}");
    assert!(listener.output.next().is_some_and(|line| line.ends_with(">: grüße")));
    listener.end_input();
}

#[test]
fn smallest_room_client_talks_with_the_program() {
    let server = RoomServer::start("127.0.0.1:0", &[]);
    let address = server.tcp.to_string();
    let mut client = start("room_client.py", &[&address, "ann"]);
    client.write("grüße\n".as_bytes());
    assert!(client.output.next().is_some_and(|line| line.ends_with("] ann: grüße")));
    let mut bob = Process::start(&["client", "--tcp", &address, "--name", "bob"]);
    bob.write(b"moin\n");
    bob.end_input();
    assert!(bob.finish().output.iter().any(|line| line.ends_with("ann: grüße")));
    assert!(client.output.next().is_some_and(|line| line.ends_with("] bob: moin")));
    let refused = start("room_client.py", &[&address, "ann"]).finish();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    client.end_input();
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn smallest_relay_client_ends_where_the_relay_is_full() {
    let server = Server::start("127.0.0.1:0", &["--max-clients", "1"]);
    let address = server.udp.to_string();
    let mut listener = Process::start(&["client", "--udp", &address]);
    server.wait_for("clients", |clients| clients == 1);
    let finished = start("relay_client.py", &[&address]).finish();
    assert_eq!((finished.code, finished.errors), (Some(1), vec!["! the relay is full".to_owned()]));
    listener.end_input();
}

#[test]
fn smallest_room_client_is_told_what_is_not_taken_and_comes_back_where_its_name_is_still_taken() {
    let room = ScriptedRoom::new();
    let mut client = start("room_client.py", &[&room.address, "ann"]);
    let (mut guest, ..) = room.welcome(WELCOME);
    client.write(b"too long for this room\nagain\n");
    assert_eq!(guest.hear_say().0, 1);
    guest.send(&Message::Unsaid { number: 1, reason: RefusalReason::TextOverlong });
    assert_eq!(guest.hear_say().0, 2);
    drop(guest);
    let mut guest = room.accept();
    guest.hear_join();
    guest.send(&Message::Refused { reason: RefusalReason::NameTaken });
    drop(guest);
    let (mut guest, ..) = room.welcome(WELCOME);
    client.write(b"back\n");
    assert_eq!(guest.hear_say().0, 1);
    guest.said(2, 1, "ann", "back");
    client.end_input();
    let finished = client.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for part in ["not taken the last line", "may have been said or not: again", "refused (16)"] {
        assert!(finished.errors.iter().any(|line| line.contains(part)), "{part}: {finished:?}");
    }
}

#[test]
fn examples_without_arguments_say_how_they_are_used() {
    let examples = std::fs::read_dir(root().join("docs/examples/python")).unwrap();
    let names: Vec<_> = examples.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for name in names.iter().filter(|name| name.ends_with(".py")) {
        let finished = start(name, &[]).finish();
        assert_eq!((finished.code, finished.output.len()), (Some(2), 0), "{name}: {finished:?}");
        assert!(finished.errors[0].starts_with(&format!("usage: {name} ")), "{name}: {finished:?}");
    }
}

#[test]
fn smallest_clients_are_small_and_use_the_standard_library_alone() {
    for name in ["relay_client.py", "room_client.py"] {
        let text = read(&format!("docs/examples/python/{name}"));
        assert!(text.lines().count() <= 60, "{name}");
    }
}
