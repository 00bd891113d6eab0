//! A client of a room whose connection breaks or ends.

use crate::unstamped;
use chat_core::refusal::RefusalReason;
use chat_core::room::{Kind, Message, Seen, Sequence, Welcome};
use nix::libc::linger;
use nix::sys::signal::Signal;
use nix::sys::socket::{self, Backlog, setsockopt, sockopt};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tests::process::Process;
use tests::room::{ScriptedRoom, WELCOME};

#[test]
fn client_comes_back_with_its_token_and_says_again_only_what_was_not_taken() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    client.write(b"one\ntwo\n");
    let (mut guest, token, seen) = room.welcome(WELCOME);
    assert_eq!(seen, None);
    assert_eq!((guest.hear_say().0, guest.hear_say().0), (1, 2));
    guest.said(2, 1, "bob", "hi");
    client.output.find("bob: hi");
    drop(guest);
    let welcome = Welcome { next: Sequence(3), head: Sequence(4), messages: 1, taken: 1, ..WELCOME };
    let (mut guest, again, seen) = room.welcome(welcome);
    assert_eq!(again, token);
    assert_eq!(seen, Some(Seen { epoch: 77, sequence: Sequence(2), messages: 1 }));
    guest.said(3, 1, "ann", "one");
    assert_eq!(guest.hear_say(), (2, Kind::Plain, "two".to_owned()));
    guest.said(4, 2, "ann", "two");
    client.end_input();
    guest.check_leave();
    let finished = client.finish();
    let shown: Vec<_> = finished.output.iter().map(|line| unstamped(line)).collect();
    assert_eq!((finished.code, shown), (Some(0), vec!["ann: one", "ann: two"]));
    assert!(finished.errors[1].contains(&format!("no connection to the room at {}", room.address)), "{finished:?}");
    assert!(finished.errors[2].starts_with("-- back after ") && finished.errors[2].ends_with(", nothing missed --"));
}

#[test]
fn refusal_that_waits_unread_while_a_write_fails_is_told() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    client.write(b"one\n");
    let (mut guest, ..) = room.welcome(WELCOME);
    guest.hear_say();
    // Without this the refusal may wait for an acknowledgement (RFC 896), and the reset would throw it away.
    guest.stream.set_nodelay(true).unwrap();
    // While the client sleeps, the refusal and the end of the connection come, and its user says something.
    client.signal(Signal::SIGSTOP);
    guest.send(&Message::Refused { reason: RefusalReason::Replaced });
    setsockopt(&guest.stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 }).unwrap();
    drop(guest);
    client.write(b"two\n");
    client.signal(Signal::SIGCONT);
    let finished = client.finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.errors.last().unwrap().contains("(reason 43)"), "{finished:?}");
}

#[test]
fn server_that_was_restarted_is_told_and_gets_what_it_did_not_confirm() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    client.write(b"one\n");
    let (mut guest, ..) = room.welcome(WELCOME);
    guest.hear_say();
    drop(guest);
    let (mut guest, ..) = room.welcome(Welcome { epoch: 78, ..WELCOME });
    assert_eq!(guest.hear_say(), (1, Kind::Plain, "one".to_owned()));
    guest.said(2, 1, "ann", "one");
    client.end_input();
    guest.check_leave();
    let finished = client.finish();
    assert_eq!(finished.code, Some(0));
    assert!(finished.errors[2].ends_with("the server was restarted: its history is gone --"), "{finished:?}");
}

#[test]
fn end_of_input_and_signals_leave_the_room() {
    let room = ScriptedRoom::new();
    for signal in [None, Some(Signal::SIGINT), Some(Signal::SIGTERM)] {
        let mut client = room.client(&[]);
        let (guest, ..) = room.welcome(WELCOME);
        client.errors.find("2 members");
        match signal {
            Some(signal) => client.signal(signal),
            None => client.end_input(),
        }
        guest.check_leave();
        assert_eq!(client.finish().code, Some(0), "{signal:?}");
    }
}

#[test]
fn reader_that_goes_away_makes_the_client_leave_quietly() {
    let room = ScriptedRoom::new();
    let mut client = Process::start_unread(&["client", "--tcp", &room.address, "--name", "ann"]);
    let (mut guest, ..) = room.welcome(WELCOME);
    client.errors.find("2 members");
    guest.said(2, 1, "bob", "to nobody");
    guest.check_leave();
    let finished = client.finish();
    assert_eq!((finished.code, finished.errors), (Some(0), vec![]));
}

#[test]
fn signal_ends_a_client_that_is_not_in_yet() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    let mut guest = room.accept();
    guest.hear_join();
    client.signal(Signal::SIGTERM);
    assert!(guest.hear(|message| message.is_none()));
    drop(guest);
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn name_that_was_taken_meanwhile_is_told_with_the_lines_that_were_not_said() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    let (guest, ..) = room.welcome(WELCOME);
    client.errors.find("2 members");
    drop(guest);
    client.errors.find("no connection");
    let mut guest = room.accept();
    client.write(b"important\n");
    guest.hear_join();
    guest.send(&Message::Refused { reason: RefusalReason::Busy });
    let mut guest = room.accept();
    guest.hear_join();
    guest.send(&Message::Refused { reason: RefusalReason::NameTaken });
    let finished = client.finish();
    assert_eq!(finished.code, Some(1));
    assert_eq!(
        finished.errors,
        [
            "-- not confirmed: important --".to_owned(),
            format!(
                "chat-host: somebody else has taken the name ann in the room at {0} while this client was away; \
                 1 line was not sent, or not confirmed by the room at {0}",
                room.address
            )
        ]
    );
}

#[test]
fn server_that_does_not_answer_is_waited_for_ten_seconds() {
    // The system accepts one connection for a listener of this kind, and drops the first packet of every other.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    socket::listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let _accepted = TcpStream::connect(address).unwrap();
    let begin = Instant::now();
    let finished = Process::start(&["client", "--tcp", &address.to_string(), "--name", "ann"]).finish();
    assert_eq!((finished.code, finished.errors.len()), (Some(1), 1), "{finished:?}");
    assert!(finished.errors[0].contains(&format!("{address}: no answer for 10 s; check")), "{finished:?}");
    assert!(begin.elapsed() >= Duration::from_secs(10));
}
