//! Running programs of ours, as their users run them.

use crate::DEADLINE;
use crate::workspace::program;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Read, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A lock for starting programs: a program inherits the files that are open at that moment.
pub fn spawning() -> MutexGuard<'static, ()> {
    static SPAWNING: Mutex<()> = Mutex::new(());
    SPAWNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This process may have so many files open besides the few of a test. Many systems begin with 1,024, and allow more to whoever asks.
pub fn allow_files(count: u64) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("every process has this limit");
    let needed = count + 100;
    assert!(hard >= needed, "{needed} files are needed, and at most {hard} may be open here (ulimit -Hn)");
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(needed), hard).expect("the limit may be raised up to the hard one");
}

/// A pipe that takes nothing more until its reader reads.
pub fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("there are free files");
    let capacity = fcntl(&writer, FcntlArg::F_GETPIPE_SZ).expect("Linux tells the size of a pipe");
    let bytes = vec![b'x'; usize::try_from(capacity).expect("it is a size")];
    writer.write_all(&bytes).expect("they fit in exactly");
    (reader, writer)
}

/// One run of `chat-host`. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    /// The process.
    child: Child,
    /// Its standard input, until closed.
    input: Option<ChildStdin>,
    /// Lines of its standard output.
    pub output: Lines,
    /// Lines of its standard error.
    pub errors: Lines,
}

/// Lines that a process writes, in the order in which it writes them.
#[derive(Debug)]
pub struct Lines(Receiver<String>);

impl Lines {
    /// Reads in a thread of its own, so that the process never waits for its reader.
    fn new(reader: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            // The thread ends with the process, or when the test has dropped the receiver.
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self(receiver)
    }

    /// The next line; `None` at the end.
    pub fn next(&self) -> Option<String> {
        match self.0.recv_timeout(DEADLINE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line within {DEADLINE:?}"),
        }
    }

    /// The next line that contains `part`; those before it are dropped.
    pub fn find(&self, part: &str) -> String {
        let mut passed = Vec::new();
        while let Some(line) = self.next() {
            if line.contains(part) {
                return line;
            }
            passed.push(line);
        }
        panic!("no line with {part:?} in {passed:#?}");
    }

    /// All lines to the end.
    pub fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

impl Process {
    /// Starts `chat-host` with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_command(Command::new(program()).args(arguments))
    }

    /// Starts a command that becomes `chat-host`.
    pub fn start_command(command: &mut Command) -> Self {
        let mut process = Self::spawn(command, Stdio::piped());
        let output = process.child.stdout.take().expect("it is piped");
        process.output = Lines::new(output);
        process
    }

    /// Starts `chat-host` with a standard output that nobody reads any more.
    pub fn start_unread(arguments: &[&str]) -> Self {
        let mut process = Self::spawn(Command::new(program()).args(arguments), Stdio::piped());
        drop(process.child.stdout.take());
        process
    }

    /// Starts `chat-host` with a standard output of its own.
    pub fn start_with_output(arguments: &[&str], output: impl Into<Stdio>) -> Self {
        Self::spawn(Command::new(program()).args(arguments), output.into())
    }

    /// Starts the process; if its standard output is piped, it is still to be read.
    fn spawn(command: &mut Command, output: Stdio) -> Self {
        let spawning = spawning();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(Stdio::piped())
            .spawn()
            .expect("chat-host was just built");
        drop(spawning);
        let input = child.stdin.take();
        let errors = Lines::new(child.stderr.take().expect("it is piped"));
        Self { child, input, output: Lines::new(std::io::empty()), errors }
    }

    /// Writes to its standard input.
    pub fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("standard input is open");
        input.write_all(bytes).and_then(|()| input.flush()).expect("the process reads its standard input");
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal. After SIGSTOP it does nothing more once this returns.
    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).expect("process ids have 31 bits"));
        kill(id, signal).expect("the process is ours and not waited for");
        if signal == Signal::SIGSTOP {
            // Until one of its threads takes the signal, the others go on.
            let status = waitid(Id::Pid(id), WaitPidFlag::WSTOPPED).expect("the process runs");
            assert!(matches!(status, WaitStatus::Stopped(..)), "{status:?}");
        }
    }

    /// Its resident anonymous memory (`RssAnon`), in KiB.
    pub fn memory_kib(&self) -> u64 {
        let status = self.proc_file("status");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux tells the memory");
        line.trim().trim_end_matches(" kB").parse().expect("it is a number")
    }

    /// The processor time that it has used, in hundredths of a second.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = self.proc_file("stat");
        // The fields are counted behind the name, which may hold anything: user and system time are the fields 14 and 15 of all.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        fields.map(|field| field.parse::<u64>().expect("it is a number")).sum()
    }

    /// The text of a file of the process in /proc.
    fn proc_file(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).expect("the process runs")
    }

    /// Waits for its end.
    pub fn finish(&mut self) -> Finished {
        // Both streams close when the process ends, and reading them has a deadline.
        let (output, errors) = (self.output.rest(), self.errors.rest());
        let code = self.child.wait().expect("the process is ours").code();
        Finished { code, output, errors }
    }
}

/// How a process has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; `None` after a signal.
    pub code: Option<i32>,
    /// The lines of standard output that were not taken before.
    pub output: Vec<String>,
    /// The lines of standard error that were not taken before.
    pub errors: Vec<String>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running `chat-host serve` with a relay alone.
#[derive(Debug)]
pub struct Server {
    /// The process.
    pub process: Process,
    /// Where its relay listens.
    pub udp: SocketAddr,
}

/// A running `chat-host serve` with a room alone.
#[derive(Debug)]
pub struct RoomServer {
    /// The process.
    pub process: Process,
    /// Where its room listens.
    pub tcp: SocketAddr,
    /// Where its page listens; `None` if that is switched off.
    pub web: Option<SocketAddr>,
}

/// A server's counters, by name.
pub type Counts = HashMap<String, u64>;

impl Server {
    /// Starts it on a free port of this address, with further arguments, and waits until it serves.
    pub fn start(udp: &str, arguments: &[&str]) -> Self {
        Self::serving(Process::start(&[&["serve", "--udp", udp], arguments].concat()))
    }

    /// Starts a command that becomes a server with a relay alone, and waits until it serves.
    pub fn start_command(command: &mut Command) -> Self {
        Self::serving(Process::start_command(command))
    }

    /// The process, once it serves.
    fn serving(process: Process) -> Self {
        Self { udp: bound_address(&process, "udp "), process }
    }

    /// Its counters at this moment.
    pub fn counters(&self) -> Counts {
        self.process.signal(Signal::SIGUSR1);
        read_counters(&self.process, "relay:")
    }

    /// Waits until a counter is as expected.
    pub fn wait_for(&self, name: &str, expected: impl Fn(u64) -> bool) {
        wait_for(|| self.counters(), name, expected);
    }

    /// Ends it by a signal, and returns its exit code and its last counters.
    pub fn stop(mut self, signal: Signal) -> (Option<i32>, Counts) {
        self.process.signal(signal);
        let counters = read_counters(&self.process, "relay:");
        (self.process.finish().code, counters)
    }
}

impl RoomServer {
    /// Starts it on a free port of this address, with further arguments, and waits until it serves.
    pub fn start(tcp: &str, arguments: &[&str]) -> Self {
        // Two workers by default, so that most tests have members on both of them.
        let threads: &[&str] = if arguments.contains(&"--threads") { &[] } else { &["--threads", "2"] };
        Self::serving(Process::start(&[&["serve", "--tcp", tcp], threads, arguments].concat()))
    }

    /// Starts it like [`RoomServer::start`], with at most this many open files.
    pub fn start_limited(files_max: u32, tcp: &str, arguments: &[&str]) -> Self {
        let script = format!("ulimit -n {files_max} && exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(program()).args(["serve", "--tcp", tcp, "--web", "off"]).args(arguments);
        Self::serving(Process::start_command(&mut command))
    }

    /// The process, once it serves.
    fn serving(process: Process) -> Self {
        let tcp = bound_address(&process, "tcp ");
        Self { tcp, web: None, process }
    }

    /// Starts it with its page, both on free ports of the loopback, with further arguments, and waits until it serves.
    pub fn start_with_page(arguments: &[&str]) -> Self {
        let mut server = Self::start("127.0.0.1:0", &[&["--web", "127.0.0.1:0"], arguments].concat());
        let line = server.process.output.next().expect("the page's address follows");
        server.web = line.strip_prefix("web ").and_then(|address| address.parse().ok());
        assert!(server.web.is_some(), "{line:?} is no address of a page");
        server
    }

    /// Where its page is.
    pub fn page(&self) -> SocketAddr {
        self.web.expect("it was started with a page")
    }

    /// What its page has counted so far.
    pub fn page_counters(&self) -> Counts {
        self.process.signal(Signal::SIGUSR1);
        read_counters(&self.process, "web:")
    }

    /// Waits until a counter of the page is as it should be.
    pub fn wait_for_page(&self, name: &str, expected: impl Fn(u64) -> bool) {
        wait_for(|| self.page_counters(), name, expected);
    }

    /// Its counters at this moment.
    pub fn counters(&self) -> Counts {
        self.process.signal(Signal::SIGUSR1);
        read_counters(&self.process, "room:")
    }

    /// Waits until a counter is as expected.
    pub fn wait_for(&self, name: &str, expected: impl Fn(u64) -> bool) {
        wait_for(|| self.counters(), name, expected);
    }

    /// Ends it by a signal, and returns its exit code and its last counters.
    pub fn stop(mut self, signal: Signal) -> (Option<i32>, Counts) {
        self.process.signal(signal);
        let counters = read_counters(&self.process, "room:");
        (self.process.finish().code, counters)
    }
}

/// Reads the counters again and again until one is as expected.
fn wait_for(counters: impl Fn() -> Counts, name: &str, expected: impl Fn(u64) -> bool) {
    let start = Instant::now();
    while !expected(counters()[name]) {
        assert!(start.elapsed() < DEADLINE, "{name} is not as expected within {DEADLINE:?}");
    }
}

/// Waits until a server with one protocol serves, and returns its address.
fn bound_address(process: &Process, protocol: &str) -> SocketAddr {
    assert_eq!(process.output.next().as_deref(), Some("Server Initialized..."));
    let line = process.output.next().expect("the bound address follows");
    let address = line.strip_prefix(protocol).and_then(|address| address.parse().ok());
    address.unwrap_or_else(|| panic!("{line:?} is no bound address"))
}

/// Reads `relay: name=value ...`.
fn read_counters(process: &Process, server: &str) -> Counts {
    let line = process.errors.find(server);
    let pairs = line.trim_start_matches(server).split_whitespace().map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or_else(|| panic!("{pair:?} in {line:?}"));
        (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{pair:?} in {line:?}")))
    });
    pairs.collect()
}
