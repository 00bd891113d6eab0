//! Runs core's examples with the program, and with each other.
#![cfg(not(loom))]

use std::process::Command;
use tests::process::{Process, RoomServer, Server};
use tests::workspace::example;

/// Starts an example.
fn start(name: &str, arguments: &[&str]) -> Process {
    Process::start_command(Command::new(example(name)).args(arguments))
}

/// Runs an example to its end, and returns the lines that it has shown.
fn run(name: &str, arguments: &[&str]) -> Vec<String> {
    let finished = start(name, arguments).finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished.output
}

#[test]
fn relay_client_hears_itself_through_the_relay() {
    let server = Server::start("127.0.0.1:0", &[]);
    let shown = run("relay_client", &[&server.udp.to_string(), "good morning"]);
    assert!(shown.len() == 1 && shown[0].starts_with("<From 127.0.0.1:"), "{shown:?}");
    assert!(shown[0].ends_with(">: good morning"), "{shown:?}");
}

#[test]
fn room_client_is_given_the_history_and_hears_itself() {
    let server = RoomServer::start("127.0.0.1:0", &[]);
    let address = server.tcp.to_string();
    assert_eq!(run("room_client", &[&address, "ann", "good morning"]), ["ann: good morning"]);
    assert_eq!(run("room_client", &[&address, "bob", "moin"]), ["ann: good morning", "bob: moin"]);
    server.wait_for("members", |members| members == 0);
}

#[test]
fn room_client_tells_why_it_is_refused() {
    let server = RoomServer::start("127.0.0.1:0", &["--max-members", "1"]);
    let mut ann = Process::start(&["client", "--tcp", &server.tcp.to_string(), "--name", "ann"]);
    server.wait_for("members", |members| members == 1);
    let finished = start("room_client", &[&server.tcp.to_string(), "ann", "hello"]).finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.errors.iter().any(|line| line.contains("taken")), "{finished:?}");
    ann.end_input();
}

#[test]
fn room_server_in_one_loop_serves_the_program_and_the_example() {
    let server = start("room_server", &["127.0.0.1:0"]);
    let address = server.output.find("tcp ").trim_start_matches("tcp ").to_owned();
    assert_eq!(run("room_client", &[&address, "ann", "good morning"]), ["ann: good morning"]);
    let mut bob = Process::start(&["client", "--tcp", &address, "--name", "bob"]);
    bob.write(b"moin\n");
    bob.end_input();
    let finished = bob.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let heard = ["ann: good morning", "bob: moin"];
    assert!(heard.iter().all(|text| finished.output.iter().any(|line| line.ends_with(text))), "{finished:?}");
}
