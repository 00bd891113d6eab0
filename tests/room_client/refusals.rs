//! A client that a room does not let in, or that was called in a wrong way.

use chat_core::refusal::RefusalReason;
use chat_core::room::Message;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::Shutdown;
use std::process::Command;
use tests::process::Process;
use tests::room::{ScriptedRoom, WELCOME};
use tests::workspace::program;

#[test]
fn refused_client_says_why_by_whom_and_what_to_do() {
    let room = ScriptedRoom::new();
    let finished = room.refuse(RefusalReason::NameTaken, &[]);
    let line = format!(
        "chat-host: the room at {} refuses: the name is taken (reason 16); choose another with --name",
        room.address
    );
    assert_eq!((finished.code, finished.errors), (Some(1), vec![line]));
    let finished = room.refuse(RefusalReason::Full, &["--json"]);
    let event: Value = serde_json::from_str(&finished.output[0]).unwrap();
    assert_eq!(event, json!({ "event": "refused", "reason": 20, "server": room.address }));
}

#[test]
fn server_that_is_busy_is_asked_again() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    let mut guest = room.accept();
    let (_, first, _) = guest.hear_join();
    guest.send(&Message::Refused { reason: RefusalReason::Busy });
    assert!(client.errors.next().unwrap().contains("no room for one more connection"));
    let (guest, second, seen) = room.welcome(WELCOME);
    assert_eq!((second, seen), (first, None));
    client.end_input();
    guest.check_leave();
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn server_that_is_not_there_or_says_nothing_ends_a_script_with_code_1() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    client.write(b"hello?\n");
    let _silent = room.accept();
    let finished = client.finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.errors.last().unwrap().contains("does not answer"), "{finished:?}");
    let address = room.address.clone();
    drop(room);
    let finished = Process::start(&["client", "--tcp", &address, "--name", "ann"]).finish();
    assert_eq!((finished.code, finished.errors.len()), (Some(1), 1));
    for part in [address.as_str(), "connection refused", "check the address"] {
        assert!(finished.errors[0].contains(part), "{finished:?}");
    }
}

#[test]
fn server_of_another_protocol_is_given_up() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    for _ in 0..3 {
        let mut guest = room.accept();
        guest.stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n\0").unwrap();
        guest.stream.shutdown(Shutdown::Write).unwrap();
        guest.hear_join();
    }
    let finished = client.finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.errors.last().unwrap().contains("cannot be understood"), "{finished:?}");
}

#[test]
fn name_comes_composed_from_the_option_or_the_environment() {
    let room = ScriptedRoom::new();
    for (arguments, user, expected) in [(&["--name", "Ju\u{308}rgen"][..], "eve", "J\u{fc}rgen"), (&[], "eve", "eve")] {
        let mut command = Command::new(program());
        command.args(["client", "--tcp", &room.address]).args(arguments).env("USER", user);
        let client = Process::start_command(&mut command);
        assert_eq!(room.accept().hear_join().0, expected);
        client.signal(Signal::SIGTERM);
    }
}

#[test]
fn wrong_usage_ends_with_code_2_and_one_line() {
    for (arguments, part) in [
        (&["client"][..], "--tcp HOST"),
        (&["client", "--tcp", "pi", "--udp", "pi"], "not both"),
        (&["client", "--udp", "pi", "--name", "ann"], "--name is for --tcp"),
        (&["client", "--tcp", "pi:0"], "no port"),
        (&["client", "--tcp", "pi", "--name", ""], "--name NAME"),
        (&["client", "--tcp", "pi", "--name", "a b"], "a character that names must not have"),
        (&["client", "--tcp", "pi", "--name", "-a"], "begins"),
        (&["client", "--tcp", "pi", "--name", "Bо\u{62}"], "mixes Latin"),
    ] {
        let finished = Process::start(arguments).finish();
        assert_eq!((finished.code, finished.output.len(), finished.errors.len()), (Some(2), 0, 1), "{arguments:?}");
        assert!(finished.errors[0].contains(part), "{arguments:?}: {finished:?}");
    }
}
