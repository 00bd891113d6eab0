//! A server without a battery clock: newcomers are told what a file says of the clock (docs/command-line.md, `--clock-state`).
#![cfg(not(loom))]

use chat_core::room::Message;
use chat_core::room::message::VERSION;
use std::path::PathBuf;
use tests::process::{Process, RoomServer};
use tests::tcp::Connection;

/// A file in an empty folder of the test's own.
struct State {
    folder: PathBuf,
    path: PathBuf,
}

impl State {
    fn new(test: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        Self { path: folder.join("clock"), folder }
    }

    /// Replaces the file by renaming a new one over it, as careful programs do.
    fn replace(&self, content: &[u8]) {
        let new = self.folder.join("clock.new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, &self.path).unwrap();
    }

    fn serve(&self) -> RoomServer {
        RoomServer::start("127.0.0.1:0", &["--clock-state", self.path.to_str().unwrap()])
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Whether a newcomer is told that the clock is trusted.
fn trusted(server: &RoomServer) -> bool {
    let mut observer = Connection::new(server.tcp);
    observer.send(&Message::Observe { version: VERSION, seen: None });
    observer.hear_welcome().unwrap().0.time_trusted
}

#[test]
fn server_without_the_option_trusts_its_clock() {
    assert!(trusted(&RoomServer::start("127.0.0.1:0", &[])));
}

#[test]
fn newcomers_are_told_what_the_file_says_at_that_moment() {
    let state = State::new("replaced");
    state.replace(b"trusted\n");
    let server = state.serve();
    assert!(trusted(&server));
    for (content, expected, line) in [
        (&b" untrusted "[..], false, "the clock is not trusted from now on"),
        (b"trusted", true, "the clock is trusted from now on"),
        (b"perhaps", false, "clock says neither trusted nor untrusted"),
        (b"trusted", true, "the clock is trusted from now on"),
        (b"", false, "clock is missing or empty"),
        (&[b' '; 65], false, "clock says neither trusted nor untrusted"),
        (b"untrusted", false, "the clock is not trusted from now on"),
    ] {
        state.replace(content);
        // Each change is told once, and nothing else is told in between.
        let told = server.process.errors.next().unwrap();
        assert!(told.contains(line), "{told}");
        assert_eq!(trusted(&server), expected, "{told}");
    }
}

#[test]
fn file_that_comes_goes_and_is_written_in_place_is_followed() {
    let state = State::new("in-place");
    let server = state.serve();
    assert!(server.process.errors.next().unwrap().ends_with("clock is missing or empty"));
    assert!(!trusted(&server));
    for _ in 0..3 {
        std::fs::write(&state.path, "trusted").unwrap();
        server.process.errors.find("the clock is trusted from now on");
        assert!(trusted(&server));
        // Other files of the folder do not count.
        std::fs::write(state.folder.join("other"), "untrusted").unwrap();
        std::fs::remove_file(&state.path).unwrap();
        assert!(server.process.errors.next().unwrap().ends_with("clock is missing or empty"));
        assert!(!trusted(&server));
    }
    let elsewhere = state.folder.join("other");
    std::fs::write(&elsewhere, "trusted").unwrap();
    std::os::unix::fs::symlink(&elsewhere, &state.path).unwrap();
    server.process.errors.find("the clock is trusted from now on");
    std::fs::remove_file(&state.path).unwrap();
    std::fs::create_dir(&state.path).unwrap();
    server.process.errors.find("clock cannot be read: is a directory");
    assert!(!trusted(&server));
}

#[test]
fn member_keeps_what_it_was_told_and_the_next_client_shows_it() {
    let state = State::new("client");
    state.replace(b"untrusted");
    let server = state.serve();
    let tcp = server.tcp.to_string();
    let start = |name: &str| Process::start(&["client", "--tcp", &tcp, "--name", name]);
    let ann = start("ann");
    assert!(ann.errors.next().unwrap().contains("may be wrong, and so may the times shown"));
    ann.errors.find("1 member");
    state.replace(b"trusted");
    server.process.errors.find("the clock is trusted from now on");
    let mut bob = start("bob");
    assert!(bob.errors.next().unwrap().contains("2 members"));
    bob.write(b"hello\n");
    assert!(ann.output.next().unwrap().ends_with("bob: hello"));
    assert_eq!(ann.errors.next().as_deref(), Some("-> bob"));
}

#[test]
fn folder_that_is_not_there_ends_the_server_with_code_1() {
    let state = State::new("no-folder");
    for (path, part) in [("none/clock", "no such file or directory"), ("clock/clock", "not a directory")] {
        state.replace(b"trusted");
        let path = state.folder.join(path);
        let arguments = ["serve", "--tcp", "127.0.0.1:0", "--clock-state", path.to_str().unwrap()];
        let finished = Process::start(&arguments).finish();
        assert_eq!((finished.code, finished.output.len(), finished.errors.len()), (Some(1), 0, 1), "{finished:?}");
        assert!(finished.errors[0].contains(part), "{finished:?}");
    }
    let finished = Process::start(&["serve", "--tcp", "127.0.0.1:0", "--clock-state", "/"]).finish();
    assert_eq!(finished.code, Some(2), "{finished:?}");
}
