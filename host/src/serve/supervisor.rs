//! What a service manager such as systemd is told, if there is one (sd_notify(3), docs/command-line.md): that the servers run, that
//! they answer, and that they end.
//!
//! The watchdog has a thread of its own and asks from outside, as `chat-host check` does, so it notices every server that hangs. The
//! socket to the manager is opened once and kept. The crate sd-notify opens a socket for each message: a full server, which has no
//! file left for it, could not report and would be ended.

use super::check::{Target, ask_all};
use crate::failure::cause;
use crate::log::{self, Level};
use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How often the servers are checked within the period after which the manager takes them for hung.
const CHECKS_PER_PERIOD: u32 = 3;

/// How long a message to the manager may wait if the manager does not read.
const TELL_MAX: Duration = Duration::from_secs(1);

/// A service manager that knows that the servers run.
#[derive(Debug)]
pub(crate) struct Supervisor {
    /// The socket to the manager.
    socket: UnixDatagram,
    /// Whether the servers end, so that the watchdog stops.
    ending: Arc<AtomicBool>,
}

impl Supervisor {
    /// The manager that has started this program, if there is one.
    pub(crate) fn connect() -> Option<Self> {
        let supervisor = connect().and_then(|socket| {
            let Some(socket) = socket else { return Ok(None) };
            socket.set_write_timeout(Some(TELL_MAX))?;
            Ok(Some(Self { socket, ending: Arc::default() }))
        });
        supervisor.unwrap_or_else(|error| {
            warn(&error);
            None
        })
    }

    /// Tells that the servers wait for something before they can be ready. The manager takes the program for started, so that the
    /// start of the machine does not wait too. Nothing ends the waiting.
    pub(super) fn tell_waiting(&self, what: &str) {
        let message = if what.is_empty() { "STATUS=".to_owned() } else { format!("READY=1\nSTATUS={what}") };
        // A manager that cannot be told now is told when the servers are ready.
        let _ = self.socket.send(message.as_bytes());
    }

    /// How often the manager wants to be told that all is well, if it does.
    pub(super) fn watchdog_interval(&self) -> Option<Duration> {
        period().map(|period| period / CHECKS_PER_PERIOD)
    }

    /// Tells that this program is alive, before the watchdog does so.
    pub(super) fn tell_alive(&self) {
        if period().is_some() {
            // If this fails, the manager restarts the program, which is its task.
            let _ = self.socket.send(b"WATCHDOG=1");
        }
    }

    /// Tells that the servers are ready. If the manager wants a watchdog, it is told from then on again and again that the servers
    /// answer.
    pub(crate) fn tell_ready(&self, targets: Vec<Target>) {
        // The servers run without a manager too.
        self.start(targets).unwrap_or_else(|error| warn(&error));
    }

    /// Tells that the servers are ready, and starts the watchdog if there is to be one.
    fn start(&self, targets: Vec<Target>) -> io::Result<()> {
        self.socket.send(b"READY=1")?;
        if let Some(interval) = self.watchdog_interval() {
            let (socket, ending) = (self.socket.try_clone()?, Arc::clone(&self.ending));
            let watch = move || watch(&socket, &targets, interval, &ending);
            thread::Builder::new().name("watchdog".to_owned()).spawn(watch)?;
        }
        Ok(())
    }

    /// Tells that the servers end.
    pub(crate) fn tell_stopping(self) {
        self.ending.store(true, Ordering::Relaxed);
        // This fails when the manager is gone, which does not matter.
        let _ = self.socket.send(b"STOPPING=1");
    }
}

/// Says that the manager cannot be told.
fn warn(error: &io::Error) {
    let cause = cause(error);
    log::say(Level::Warning, format_args!("cannot tell the service manager, which has set NOTIFY_SOCKET: {cause}"));
}

/// A socket to the manager, if there is one. A name that begins with `@` is no file's but Linux's own (unix(7), abstract).
fn connect() -> io::Result<Option<UnixDatagram>> {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Ok(None) };
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&name),
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address?)?;
    Ok(Some(socket))
}

/// The time without a message after which the manager takes this process for hung; `None` if it wants no watchdog.
fn period() -> Option<Duration> {
    let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let is_meant = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|&micros| is_meant && micros > 0).map(Duration::from_micros)
}

/// Checks the servers once in each `pause`, and tells the manager if all are alive. Ends when the servers end.
fn watch(socket: &UnixDatagram, targets: &[Target], pause: Duration, ending: &AtomicBool) {
    loop {
        let begin = Instant::now();
        let verdicts = ask_all(targets.iter().cloned(), pause);
        if ending.load(Ordering::Relaxed) {
            return;
        }
        let dead: Vec<_> = verdicts.iter().filter(|verdict| !verdict.is_alive()).map(ToString::to_string).collect();
        if dead.is_empty() {
            // If this fails, the manager restarts the program, which is its task.
            let _ = socket.send(b"WATCHDOG=1");
        } else {
            log::say(Level::Warning, format_args!("the watchdog is not told that all is well: {}", dead.join("; ")));
        }
        thread::sleep(pause.saturating_sub(begin.elapsed()));
    }
}
