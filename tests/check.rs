//! `chat-host check`: the health check, against servers that answer, that are absent, silent or stopped, and against other programs.
#![cfg(not(loom))]

use chat_core::datagram::open;
use chat_core::frame::Frame;
use chat_core::refusal::RefusalReason;
use chat_core::relay;
use chat_core::relay::PROTOCOL;
use chat_core::room::Message;
use nix::sys::signal::Signal;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread::JoinHandle;
use tests::DEADLINE;
use tests::namespace::in_namespace;
use tests::process::{Finished, Process, RoomServer, Server};
use tests::tcp::{Connection, Heard};
use tests::terminal::Terminal;
use tests::udp::{datagram, probe};

/// Runs the health check to its end.
fn check(arguments: &[&str]) -> Finished {
    Process::start(&[&["check"], arguments].concat()).finish()
}

/// Checks that the servers at these addresses have answered, in this order.
fn check_answered(finished: &Finished, places: &[&str]) {
    assert_eq!(
        (finished.code, finished.output.len(), finished.errors.len()),
        (Some(0), places.len(), 0),
        "{finished:?}"
    );
    for (line, place) in finished.output.iter().zip(places) {
        let time = line.strip_prefix(&format!("{place} answered in ")).and_then(|time| time.strip_suffix(" ms"));
        assert!(time.is_some_and(|time| time.parse::<f64>().is_ok()), "{line}");
    }
}

/// Checks that no server has answered, and that one line says so.
fn check_failed(finished: &Finished, line: &str) {
    assert_eq!((finished.code, finished.output.len(), finished.errors.len()), (Some(1), 0, 1), "{finished:?}");
    assert_eq!(finished.errors[0], format!("chat-host: {line}"));
}

/// A server that reads the first frame of one connection, and answers with these bytes.
fn answering_room(answer: Vec<u8>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // The whole frame is read, so that closing does not reset the connection.
        let mut byte = [1];
        while byte != [0] {
            stream.read_exact(&mut byte).unwrap();
        }
        stream.write_all(&answer).unwrap();
        while !answer.is_empty() && stream.read(&mut byte).is_ok_and(|length| length > 0) {}
    });
    (address, thread)
}

// --- servers that answer ---

#[test]
fn both_servers_answer_and_keep_nothing_of_it() {
    let (relay, room) = (Server::start("127.0.0.1:0", &[]), RoomServer::start("127.0.0.1:0", &[]));
    let mut ann = Connection::joined(room.tcp, "ann", 1);
    ann.say(1, "before");
    assert_eq!(ann.hear_journal(), "ann: before");
    let (udp, tcp) = (relay.udp.to_string(), room.tcp.to_string());
    check_answered(&check(&["--udp", &udp, "--tcp", &tcp]), &[&format!("udp {udp}"), &format!("tcp {tcp}")]);
    check_answered(&check(&["--tcp", &tcp]), &[&format!("tcp {tcp}")]);
    check_answered(&check(&["--udp", &udp, "--seconds", "3600"]), &[&format!("udp {udp}")]);
    // Observers are not announced.
    ann.say(2, "after");
    assert_eq!(ann.hear(), Heard::Journal(2, "ann: after".to_owned()));
    let counters = relay.counters();
    assert_eq!((counters["probes"], counters["clients"]), (2, 0), "{counters:?}");
    let counters = room.counters();
    assert_eq!((counters["connections"], counters["joins"], counters["members"]), (3, 3, 1), "{counters:?}");
}

#[test]
fn name_with_several_addresses_is_asked_at_each() {
    // If this name leads to an IPv6 address too, nobody listens there.
    let (relay, room) = (Server::start("127.0.0.1:0", &[]), RoomServer::start("127.0.0.1:0", &[]));
    let (udp, tcp) = (relay.udp.to_string(), room.tcp.to_string());
    let named = |address: SocketAddr| format!("localhost:{}", address.port());
    let finished = check(&["--udp", &named(relay.udp), "--tcp", &named(room.tcp)]);
    check_answered(&finished, &[&format!("udp {udp}"), &format!("tcp {tcp}")]);
}

#[test]
fn usual_ports_of_this_machine_are_asked_if_nothing_is_named() {
    in_namespace("usual_ports_of_this_machine_are_asked_if_nothing_is_named", || {
        let line = "udp 127.0.0.1:9090 does not answer: connection refused; \
                    tcp 127.0.0.1:9191 does not answer: connection refused";
        check_failed(&check(&[]), line);
        let server = Process::start(&["serve"]);
        server.output.find("tcp [::]:9191");
        server.output.find("web [::]:9393");
        check_answered(&check(&[]), &["udp [::1]:9090", "tcp [::1]:9191", "web [::1]:9393"]);
        drop(server);
        let server = Process::start(&["serve", "--udp", "0.0.0.0:9090", "--tcp", "127.0.0.1:9191", "--web", "off"]);
        server.output.find("tcp 127.0.0.1:9191");
        // The page is off, which is no fault.
        check_answered(&check(&[]), &["udp 127.0.0.1:9090", "tcp 127.0.0.1:9191"]);
        drop(server);
        // Whoever listens in its place and says nothing is one.
        let server = Process::start(&["serve", "--web", "off"]);
        let _silent = TcpListener::bind("[::1]:9393").unwrap();
        server.output.find("tcp [::]:9191");
        let finished = check(&["--seconds", "1"]);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert_eq!(finished.errors, ["chat-host: web [::1]:9393 does not answer: nothing came in time"]);
    });
}

#[test]
fn page_answers_and_counts_the_question_as_any_other() {
    let server = RoomServer::start_with_page(&[]);
    let web = server.page().to_string();
    check_answered(&check(&["--web", &web]), &[&format!("web {web}")]);
    assert_eq!(server.page_counters()["answers"], 1);
    // The room is no page.
    let tcp = server.tcp.to_string();
    let finished = check(&["--web", &tcp, "--seconds", "2"]);
    assert_eq!((finished.code, finished.output.len()), (Some(1), 0), "{finished:?}");
}

// --- servers that do not answer ---

#[test]
fn absent_server_is_told_at_once_and_the_other_is_told_too() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (no_udp, no_tcp) = (
        format!("udp {udp} does not answer: connection refused"),
        format!("tcp {tcp} does not answer: connection refused"),
    );
    check_failed(&check(&["--udp", &udp, "--tcp", &tcp]), &format!("{no_udp}; {no_tcp}"));
    // With a time given, the check waits this long for the servers.
    check_failed(&check(&["--udp", &udp, "--tcp", &tcp, "--seconds", "1"]), &format!("{no_udp}; {no_tcp}"));
    let room = RoomServer::start("127.0.0.1:0", &[]);
    let finished = check(&["--udp", &udp, "--tcp", &room.tcp.to_string()]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.output[0].starts_with(&format!("tcp {} answered in ", room.tcp)), "{finished:?}");
    assert_eq!(finished.errors, [format!("chat-host: {no_udp}")]);
}

#[test]
fn server_that_answers_stands_on_a_terminal_before_the_one_that_does_not() {
    let relay = Server::start("127.0.0.1:0", &[]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut terminal = Terminal::start(&["check", "--udp", &relay.udp.to_string(), "--tcp", &nobody.to_string()]);
    terminal.find("answered in");
    terminal.find("chat-host: tcp");
    assert_eq!(terminal.wait(), Some(1));
}

#[test]
fn server_that_comes_late_is_waited_for() {
    let place = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut waiting = Process::start(&["check", "--tcp", &place, "--seconds", "25"]);
    let _room = RoomServer::start(&place, &[]);
    assert_eq!(waiting.finish().code, Some(0));
}

#[test]
fn silent_server_is_given_up_and_the_probe_repeated_each_second() {
    let (relay, room) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (udp, tcp) = (relay.local_addr().unwrap().to_string(), room.local_addr().unwrap().to_string());
    let line =
        format!("udp {udp} does not answer: nothing came in time; tcp {tcp} does not answer: nothing came in time");
    check_failed(&check(&["--udp", &udp, "--tcp", &tcp, "--seconds", "2"]), &line);
    relay.set_nonblocking(true).unwrap();
    let mut probes = Vec::new();
    let mut buffer = [0; 64];
    while let Ok(length) = relay.recv(&mut buffer) {
        probes.push(buffer[..length].to_vec());
    }
    // A third PROBE may have been sent at the last moment.
    assert!(matches!(probes.len(), 2 | 3), "{probes:?}");
    assert_eq!(probes[0], probes[1]);
}

#[test]
fn room_that_is_no_room_or_refuses_is_told() {
    let refusal = Frame::EMPTY.clone().encode(&Message::Refused { reason: RefusalReason::Busy }).unwrap().to_vec();
    for (answer, part) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n\0".to_vec(), "does not answer: what came is not of its protocol"),
        (vec![1; 4_096], "does not answer: what came is not of its protocol"),
        (vec![], "does not answer: it closed the connection"),
        (refusal, "refuses: the server has no room for one more connection at this moment (reason 23)"),
    ] {
        let (tcp, thread) = answering_room(answer);
        check_failed(&check(&["--tcp", &tcp.to_string()]), &format!("tcp {tcp} {part}"));
        thread.join().unwrap();
    }
}

#[test]
fn answer_that_is_not_the_relays_does_not_count_and_does_no_harm() {
    let rubbish = [b"HTTP/1.1 400".to_vec(), vec![], datagram(&[probe(b"")]), b"CHR\x01\x02\x05\x00".to_vec()];
    for seconds in ["1", "30"] {
        let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
        relay.set_read_timeout(Some(DEADLINE)).unwrap();
        let udp = relay.local_addr().unwrap().to_string();
        let mut asking = Process::start(&["check", "--udp", &udp, "--seconds", seconds]);
        let mut buffer = [0; 64];
        let (length, from) = relay.recv_from(&mut buffer).unwrap();
        for rubbish in &rubbish {
            relay.send_to(rubbish, from).unwrap();
        }
        let item = open(PROTOCOL, &buffer[..length]).unwrap().next().unwrap().unwrap();
        let Ok(relay::Message::Probe { echo }) = relay::Message::decode(item) else { panic!("PROBE expected") };
        if seconds == "1" {
            check_failed(&asking.finish(), &format!("udp {udp} does not answer: what came is not of its protocol"));
        } else {
            relay.send_to(&datagram(&[relay::Message::Probed { echo }]), from).unwrap();
            check_answered(&asking.finish(), &[&format!("udp {udp}")]);
        }
    }
}

#[test]
fn stopped_server_does_not_answer_until_it_goes_on() {
    let (relay, room) = (Server::start("127.0.0.1:0", &[]), RoomServer::start("127.0.0.1:0", &[]));
    let (udp, tcp) = (relay.udp.to_string(), room.tcp.to_string());
    let signal = |signal| [&relay.process, &room.process].map(|process| process.signal(signal));
    signal(Signal::SIGSTOP);
    let line =
        format!("udp {udp} does not answer: nothing came in time; tcp {tcp} does not answer: nothing came in time");
    check_failed(&check(&["--udp", &udp, "--tcp", &tcp, "--seconds", "1"]), &line);
    signal(Signal::SIGCONT);
    check_answered(&check(&["--udp", &udp, "--tcp", &tcp]), &[&format!("udp {udp}"), &format!("tcp {tcp}")]);
}

#[test]
fn verdict_that_cannot_be_written_is_a_failure_and_hides_no_other() {
    let relay = Server::start("127.0.0.1:0", &[]);
    let udp = relay.udp.to_string();
    // The name is too long for DNS, so no name server is asked.
    let nowhere = "x".repeat(300);
    let (full, absent) = ("cannot write standard output: no space left on device", "does not answer: cannot find");
    for (arguments, parts) in [
        (vec!["check", "--udp", &udp], vec![full]),
        (vec!["check", "--udp", &udp, "--tcp", &nowhere], vec![absent, full]),
        (vec!["check", "--tcp", &nowhere], vec![absent]),
    ] {
        let disk = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let finished = Process::start_with_output(&arguments, disk).finish();
        assert_eq!((finished.code, finished.errors.len()), (Some(1), 1), "{finished:?}");
        assert!(parts.iter().all(|part| finished.errors[0].contains(part)), "{parts:?}: {finished:?}");
        assert_eq!(finished.errors[0].contains(full), parts.contains(&full), "{finished:?}");
    }
    // A reader that has gone has what it wanted.
    let finished = Process::start_unread(&["check", "--udp", &udp]).finish();
    assert_eq!((finished.code, finished.errors), (Some(0), vec![]));
}

// --- usage ---

#[test]
fn host_without_address_is_told_with_code_1_and_wrong_usage_with_code_2() {
    // The name is too long for DNS, so no name server is asked.
    let host = "x".repeat(300);
    let finished = check(&["--tcp", &host]);
    assert_eq!((finished.code, finished.errors.len()), (Some(1), 1), "{finished:?}");
    assert!(finished.errors[0].starts_with(&format!("chat-host: tcp {host} does not answer: cannot find {host}")));
    for arguments in [&["--seconds", "0"][..], &["--seconds", "3601"], &["--udp", "pi:0"], &["pi"]] {
        assert_eq!(check(arguments).code, Some(2), "{arguments:?}");
    }
}
