//! `chat-host serve` as operators see it: its output, and that it serves even if its output cannot be written.
#![cfg(not(loom))]

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, write};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Instant;
use tests::DEADLINE;
use tests::namespace::{in_namespace, run};
use tests::process::{Process, RoomServer, spawning};
use tests::terminal::Terminal;
use tests::workspace::program;

#[test]
fn server_at_a_terminal_says_what_the_others_type_and_how_to_stop() {
    let mut terminal = Terminal::start(&["serve", "--tcp", "127.0.0.1:0", "--udp", "127.0.0.1:0"]);
    terminal.find("Server Initialized...\r\nudp 127.0.0.1:");
    let bound = terminal.find("tcp 127.0.0.1:") + &terminal.find("\r\n");
    let port = bound.trim_end().rsplit(':').next().unwrap();
    terminal.find(&format!("chat-host client --tcp 127.0.0.1:{port} --name NAME"));
    terminal.find("Ctrl-C ends the server.");
}

/// A program whose output goes where the test says. Killed when dropped.
struct Running(Child);

impl Running {
    /// Starts `chat-host` with these arguments.
    fn start(arguments: &[&str], output: Stdio, errors: Stdio) -> Self {
        let spawning = spawning();
        let child = Command::new(program()).args(arguments).stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        drop(spawning);
        Self(child.expect("chat-host was just built"))
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for its exit code; `None` if it does not end by itself.
    fn code(&mut self) -> Option<i32> {
        let (id, (sender, receiver)) = (Pid::from_raw(self.0.id().try_into().unwrap()), channel());
        let killer = std::thread::spawn(move || {
            if receiver.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout) {
                kill(id, Signal::SIGKILL).unwrap();
            }
        });
        let code = self.0.wait().unwrap().code();
        // This fails if the deadline has passed.
        let _ = sender.send(());
        killer.join().unwrap();
        code
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The program may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A pipe that programs started by other tests do not inherit.
fn pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    (reader.into(), writer.into())
}

/// A full pipe: a write to it waits.
fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = pipe();
    let set = |flags| fcntl(&writer, FcntlArg::F_SETFL(flags)).unwrap();
    set(OFlag::O_NONBLOCK);
    // Whole pages are written first, then the rest of the last page.
    for bytes in [&[b'.'; 4_096][..], b"."] {
        while write(&writer, bytes).is_ok() {}
    }
    set(OFlag::empty());
    (reader, writer)
}

/// A second descriptor of the same file.
fn duplicate(file: impl AsFd) -> Stdio {
    file.as_fd().try_clone_to_owned().unwrap().into()
}

/// Runs `chat-host check` with these arguments.
fn check(arguments: &[&str]) -> ExitStatus {
    let mut command = Command::new(program());
    command.arg("check").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap()
}

/// Checks that servers whose output and errors go to these files serve, and end when they are asked to.
fn check_serves(case: &str, output: Stdio, errors: Stdio) {
    let mut server = Running::start(&["serve"], output, errors);
    let start = Instant::now();
    while !check(&[]).success() {
        assert!(start.elapsed() < DEADLINE, "{case}: it does not answer");
    }
    for _ in 0..20 {
        for _ in 0..50 {
            server.signal(Signal::SIGUSR1);
        }
        assert!(check(&[]).success(), "{case}: it does not answer any more");
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(server.code(), Some(0), "{case}");
}

#[test]
fn output_that_cannot_be_written_stops_no_server() {
    in_namespace("output_that_cannot_be_written_stops_no_server", || {
        let (_reader, full) = full_pipe();
        let disk = File::options().write(true).open("/dev/full").unwrap();
        let (closed_reader, closed) = pipe();
        drop(closed_reader);
        for (case, file) in [("a pipe", full.as_fd()), ("a full disk", disk.as_fd()), ("a closed pipe", closed.as_fd())]
        {
            check_serves(&format!("output to {case}"), duplicate(file), Stdio::null());
            check_serves(&format!("errors to {case}"), Stdio::null(), duplicate(file));
            check_serves(&format!("both to {case}"), duplicate(file), duplicate(file));
        }
    });
}

#[test]
fn lines_that_nobody_reads_are_counted_and_the_count_is_told_when_somebody_does() {
    let (reader, writer) = pipe();
    let mut server = Running::start(
        &["serve", "--udp", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--web", "off"],
        Stdio::piped(),
        writer.into(),
    );
    let mut output = BufReader::new(server.0.stdout.take().unwrap());
    let mut bound = || {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        line.trim().rsplit(' ').next().unwrap().to_owned()
    };
    bound();
    let udp = bound();
    for _ in 0..400 {
        server.signal(Signal::SIGUSR1);
        // The server has handled the signal, or will handle it before the next one: signals come through a queue.
        assert!(check(&["--udp", &udp]).success());
    }
    let reading = std::thread::spawn(move || std::io::read_to_string(File::from(reader)).unwrap());
    server.signal(Signal::SIGTERM);
    let told = reading.join().unwrap();
    assert_eq!(server.code(), Some(0));
    let lines: Vec<_> = told.lines().collect();
    let lost =
        lines.iter().position(|line| line.contains("lines could not be written here")).expect("the count is told");
    assert!(lines[lost].starts_with("chat-host: warning: ") && !lines[lost].contains(" 0 "), "{}", lines[lost]);
    let expected = ["relay: clients=", "room: members=", "chat-host: warning: "];
    assert!(lines.iter().all(|line| expected.iter().any(|start| line.starts_with(start))), "{told}");
}

#[test]
fn server_whose_terminal_is_stopped_serves() {
    let mut terminal = Terminal::start(&["serve", "--udp", "127.0.0.1:0", "--tcp", "127.0.0.1:0"]);
    terminal.find("udp ");
    let udp = terminal.find("\r\n");
    terminal.type_keys("\x13");
    for _ in 0..20 {
        terminal.signal(Signal::SIGUSR1);
        assert!(check(&["--udp", udp.trim()]).success());
    }
    // Lines that were written meanwhile appear when the terminal goes on.
    terminal.type_keys("\x11");
    terminal.find("relay: clients=");
    terminal.signal(Signal::SIGTERM);
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn what_a_program_was_started_to_say_is_written_before_it_ends() {
    let (reader, writer) = full_pipe();
    let mut help = Running::start(&["--help"], writer.into(), Stdio::null());
    let mut told = String::new();
    File::from(reader).read_to_string(&mut told).unwrap();
    assert_eq!(help.code(), Some(0));
    assert!(told.trim_start_matches('.').starts_with("chat-host ") && told.contains("serve"), "{told}");
}

#[test]
fn server_that_cannot_start_ends_although_nobody_reads_why() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (_reader, writer) = full_pipe();
    let mut server =
        Running::start(&["serve", "--tcp", &taken.local_addr().unwrap().to_string()], Stdio::null(), writer.into());
    assert_eq!(server.code(), Some(1));
}

#[test]
fn levels_are_told_apart() {
    let mut path = std::env::temp_dir();
    path.push(format!("chat-host-serve-test-{}", std::process::id()));
    let server = RoomServer::start("127.0.0.1:0", &["--clock-state", path.to_str().unwrap()]);
    assert!(server.process.errors.find("the clock is not trusted").starts_with("chat-host: warning: "));
    std::fs::write(&path, "trusted").unwrap();
    assert!(server.process.errors.find("the clock is trusted").starts_with("chat-host: info: "));
    std::fs::remove_file(&path).unwrap();
}

/// `chat-host serve` on free ports, with these further arguments, from a shell that has run `setting` before.
fn serve_after(setting: &str, arguments: &[&str]) -> Process {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{setting}; exec \"$0\" serve \"$@\"")).arg(program());
    let addresses: &[&str] =
        if arguments.contains(&"--tcp") { &[] } else { &["--udp", "127.0.0.1:0", "--tcp", "127.0.0.1:0"] };
    Process::start_command(command.args(addresses).args(arguments))
}

/// Checks that a server either serves and ends well, or ends at once with exit code 1 and one line. Returns that line.
fn check_serves_or_says_why(case: &str, mut server: Process) -> Option<String> {
    if server.output.next().is_some() {
        server.signal(Signal::SIGTERM);
        assert_eq!(server.finish().code, Some(0), "{case}");
        return None;
    }
    let finished = server.finish();
    assert_eq!((finished.code, finished.errors.len()), (Some(1), 1), "{case}: {finished:?}");
    assert!(
        finished.errors[0].starts_with("chat-host: ") && !finished.errors[0].contains("panicked"),
        "{case}: {finished:?}"
    );
    finished.errors.into_iter().next()
}

#[test]
fn server_with_too_few_files_says_so_in_one_line() {
    // With fewer than 4 files the program cannot be loaded.
    let told: Vec<_> = (4..28)
        .map(|files| {
            check_serves_or_says_why(&format!("{files} files"), serve_after(&format!("ulimit -n {files}"), &[]))
        })
        .collect();
    assert!(told[1].as_ref().is_some_and(|line| line.contains("ulimit -n")), "{told:?}");
    assert!(told.iter().flatten().all(|line| line.contains("ulimit -n")) && told.last() == Some(&None), "{told:?}");
    // No more is asked for than is needed: relay, room and page run with 20, and a test may hand two of its own on.
    assert_eq!(told[22 - 4..].iter().flatten().next(), None, "{told:?}");
}

#[test]
fn room_whose_journal_is_larger_than_the_memory_says_so_in_one_line() {
    for (memory_kib, journal, threads) in [(200_000, "1073741824", "1"), (400_000, "134217728", "3")] {
        let case = format!("{journal} bytes in {memory_kib} KiB");
        let limited = serve_after(&format!("ulimit -v {memory_kib}"), &["--journal", journal, "--threads", threads]);
        let line = check_serves_or_says_why(&case, limited).unwrap_or_else(|| panic!("{case}: it serves"));
        assert!(line.contains("--journal") && line.contains(journal), "{line}");
    }
}

#[test]
fn room_with_more_threads_than_there_can_be_says_so_in_one_line() {
    let limited = serve_after("ulimit -v 400000", &["--threads", "1000", "--journal", "4096"]);
    let line = check_serves_or_says_why("1000 threads", limited).expect("it does not serve");
    assert!(line.contains("--threads") || line.contains("ulimit"), "{line}");
}

#[test]
fn hangup_ends_a_server_as_sigterm_does() {
    for protocol in ["--udp", "--tcp"] {
        // Where the tests themselves run under nohup, the signal is ignored, and would be by the server too.
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP").arg(program()).args(["serve", protocol, "127.0.0.1:0"]);
        let mut server = Process::start_command(&mut command);
        server.output.find("127.0.0.1");
        server.signal(Signal::SIGHUP);
        let finished = server.finish();
        // A line of counters for the server, and one for the room's page.
        let lines = if protocol == "--tcp" { 2 } else { 1 };
        assert_eq!((finished.code, finished.errors.len()), (Some(0), lines), "{finished:?}");
    }
}

#[test]
fn hangup_that_is_ignored_when_the_server_starts_stays_ignored() {
    let mut server = serve_after("trap '' HUP", &[]);
    server.output.find("tcp");
    server.signal(Signal::SIGHUP);
    server.signal(Signal::SIGUSR1);
    server.errors.find("room: members=0");
    server.signal(Signal::SIGTERM);
    // The counters of a proper end follow, so the server did not end before.
    server.errors.find("room: members=0");
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn server_listens_on_an_address_of_one_link_with_its_interface() {
    in_namespace("server_listens_on_an_address_of_one_link_with_its_interface", || {
        run("ip", "address add fe80::1/64 dev lo nodad");
        let mut server = Process::start(&["serve", "--udp", "[fe80::1%lo]:9090", "--tcp", "[fe80::1%1]:9191"]);
        assert_eq!(server.output.find("udp"), "udp [fe80::1%1]:9090");
        assert_eq!(server.output.find("tcp"), "tcp [fe80::1%1]:9191");
        assert!(check(&["--udp", "fe80::1%lo", "--tcp", "fe80::1%lo"]).success());
        server.signal(Signal::SIGTERM);
        assert_eq!(server.finish().code, Some(0));
        let finished = Process::start(&["serve", "--udp", "[fe80::1]:9090"]).finish();
        assert_eq!(finished.code, Some(2));
        assert!(finished.errors.concat().contains("add the interface"), "{finished:?}");
    });
}

#[test]
fn panic_is_one_line_and_exit_code_1() {
    const VARIABLE: &str = "CHAT_HOST_TEST_PANIC";
    if std::env::var_os(VARIABLE).is_some() {
        chat_host::log::report_panics();
        panic!("on purpose");
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "panic_is_one_line_and_exit_code_1", "--nocapture"]).env(VARIABLE, "1");
    let finished = Process::start_command(&mut command).finish();
    assert_eq!((finished.code, finished.errors.len()), (Some(1), 1), "{finished:?}");
    let line = &finished.errors[0];
    assert!(
        line.starts_with("chat-host: a fault that should not be") && line.contains("on purpose (tests/serve.rs:"),
        "{line}"
    );
}
