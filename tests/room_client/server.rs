//! Clients of a room whose server is the real one.

use nix::sys::signal::Signal;
use tests::process::{Process, RoomServer};

#[test]
fn echo_in_a_script_reaches_the_room_and_its_history() {
    let server = RoomServer::start("127.0.0.1:0", &[]);
    let tcp = server.tcp.to_string();
    for (name, text) in [("bot", "hi"), ("bot", "hi"), ("ann", "there")] {
        let mut client = Process::start(&["client", "--tcp", &tcp, "--name", name]);
        client.write(format!("{text}\n").as_bytes());
        client.end_input();
        let finished = client.finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.output.last().unwrap().ends_with(&format!("] {name}: {text}")), "{finished:?}");
    }
    let mut client = Process::start(&["client", "--tcp", &tcp, "--name", "eve"]);
    client.end_input();
    let finished = client.finish();
    let shown: Vec<_> = finished.output.iter().map(|line| line.split_once("] ").unwrap().1).collect();
    assert_eq!((finished.code, shown), (Some(0), vec!["bot: hi", "bot: hi", "ann: there"]));
    assert_eq!(finished.errors, ["-- 3 messages before you came; 1 member --"]);
}

#[test]
fn client_outlives_its_server() {
    let server = RoomServer::start("127.0.0.1:0", &[]);
    let tcp = server.tcp.to_string();
    let mut client = Process::start(&["client", "--tcp", &tcp, "--name", "ann"]);
    client.write(b"before\n");
    client.output.find("ann: before");
    server.stop(Signal::SIGTERM);
    client.errors.find("no connection");
    client.write(b"between\n");
    let _server = RoomServer::start(&tcp, &[]);
    client.output.find("ann: between");
    client.errors.find("the server was restarted");
    client.end_input();
    assert_eq!(client.finish().code, Some(0));
}
