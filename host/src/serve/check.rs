//! `chat-host check`: whether the servers answer (docs/command-line.md).
//!
//! It asks the servers from outside, as clients do, with blocking sockets in threads of its own and without smol: the watchdog of
//! `serve` uses it too, and a server that hangs must not hang the check.

use super::fault::Fault;
use crate::command::Check;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::log;
use crate::{relay, room, web};
use nix::errno::Errno;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the servers may take if the command line does not say.
const TIME: Duration = Duration::from_secs(5);

/// Pause before a server that refuses is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// How long a checking thread is waited for beyond the deadline, because its own verdict says more than "nothing came".
const GRACE: Duration = Duration::from_millis(200);

/// A server to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Whether it is a relay, a room or a page.
    protocol: Protocol,
    /// Where the server is.
    place: Place,
    /// Whether it is waited for while it refuses or is not there.
    patience: Patience,
    /// Whether it may be switched off, so that nobody listening is no fault.
    may_be_off: bool,
}

/// Whether a server that refuses, or is not there, is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// No: the answer is known at once.
    None,
    /// Yes, until the deadline: it may be starting.
    Deadline,
}

/// The protocol of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The relay's, over UDP.
    Relay,
    /// The room's, over TCP.
    Room,
    /// The page's, HTTP.
    Web,
}

/// Where a server is.
#[derive(Debug, Clone)]
enum Place {
    /// At the addresses to which this host name leads.
    Endpoint(Endpoint),
    /// At any of these addresses.
    Addresses(Vec<SocketAddr>),
}

/// The result of checking one server.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// The server.
    protocol: Protocol,
    /// Its address, or its name if no address was found.
    place: String,
    /// How long its answer took.
    outcome: Result<Duration, Fault>,
}

/// The slot into which a checking thread puts its verdict.
type Answer = Arc<Mutex<Option<Verdict>>>;

/// Checks the servers that the command line names, or else those that this machine runs by default, and prints the verdicts.
///
/// # Errors
/// One of them does not answer, or the verdicts cannot be written.
pub fn run(options: &Check) -> Result<(), Failure> {
    let patience = if options.seconds.is_some() { Patience::Deadline } else { Patience::None };
    let named = |protocol, endpoint: &Option<Endpoint>| {
        let place = endpoint.clone().map(Place::Endpoint);
        place.map(|place| Target { protocol, place, patience, may_be_off: false })
    };
    let named =
        [named(Protocol::Relay, &options.udp), named(Protocol::Room, &options.tcp), named(Protocol::Web, &options.web)];
    let mut targets: Vec<_> = named.into_iter().flatten().collect();
    if targets.is_empty() {
        let usual = |protocol: Protocol| Target::bound(protocol, (Ipv6Addr::UNSPECIFIED, protocol.port()).into());
        targets = [Protocol::Relay, Protocol::Room].map(|protocol| Target { patience, ..usual(protocol) }).into();
        targets.push(Target { may_be_off: true, ..usual(Protocol::Web) });
    }
    let (mut answers, mut faults) = (String::new(), Vec::new());
    for verdict in ask_all(targets.iter().cloned(), options.seconds.unwrap_or(TIME)) {
        if targets.iter().any(|target| target.may_be_off && target.protocol == verdict.protocol) && verdict.is_off() {
            continue;
        }
        if verdict.outcome.is_ok() {
            answers += &format!("{verdict}\n");
        } else {
            faults.push(verdict.to_string());
        }
    }
    faults.extend(log::print_now(&answers).err().map(|failure| failure.to_string()));
    if faults.is_empty() { Ok(()) } else { Err(Failure::lost(faults.join("; "))) }
}

/// Checks all targets at the same time, and waits at most for `time`.
pub(crate) fn ask_all(targets: impl Iterator<Item = Target>, time: Duration) -> Vec<Verdict> {
    let deadline = Instant::now() + time;
    let asked: Vec<_> = targets.map(|target| (target.clone().start(deadline), target)).collect();
    asked
        .into_iter()
        .map(|(answer, target)| match answer {
            Ok(answer) => wait(&answer, deadline + GRACE).unwrap_or_else(|| target.silent()),
            Err(error) => target.verdict(Err(Fault::Unreachable(error))),
        })
        .collect()
}

/// Waits until the checking thread has put its verdict into `answer`, or until the deadline.
fn wait(answer: &Answer, deadline: Instant) -> Option<Verdict> {
    loop {
        let verdict = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let left = deadline.saturating_duration_since(Instant::now());
        if verdict.is_some() || left.is_zero() {
            return verdict;
        }
        thread::park_timeout(left);
    }
}

impl Target {
    /// The server that this machine runs and that is bound to this address. A server on all addresses is asked at the loopback address;
    /// if it serves IPv6 and IPv4, at either loopback address.
    pub(crate) fn bound(protocol: Protocol, address: SocketAddr) -> Self {
        let hosts = match address {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => vec![Ipv4Addr::LOCALHOST.into()],
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
                vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]
            }
            _ => vec![address.ip()],
        };
        let addresses = hosts.into_iter().map(|host| SocketAddr::new(host, address.port())).collect();
        Self { protocol, place: Place::Addresses(addresses), patience: Patience::None, may_be_off: false }
    }

    /// Checks the server in a thread of its own.
    fn start(self, deadline: Instant) -> io::Result<Answer> {
        let answer = Answer::default();
        let (asker, shared) = (thread::current(), Arc::clone(&answer));
        let ask = move || {
            let verdict = self.ask(deadline);
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
            asker.unpark();
        };
        thread::Builder::new().name("check".to_owned()).spawn(ask).map(|_| answer)
    }

    /// Checks the server, and checks it again while it refuses or is not there, if it is waited for.
    fn ask(&self, deadline: Instant) -> Verdict {
        loop {
            let verdict = self.ask_once(deadline);
            let is_over = Instant::now() + RETRY_PAUSE >= deadline;
            if self.patience == Patience::None || is_over || verdict.is_final() {
                return verdict;
            }
            thread::sleep(RETRY_PAUSE);
        }
    }

    /// Checks one address after the other, each for its share of the time, until one answers.
    fn ask_once(&self, deadline: Instant) -> Verdict {
        let found = match &self.place {
            Place::Endpoint(endpoint) => endpoint.look_up(self.protocol.port()),
            Place::Addresses(addresses) => Ok(addresses.clone()),
        };
        let addresses = match found {
            Ok(addresses) => addresses,
            Err(failure) => return self.verdict(Err(Fault::NotFound(failure))),
        };
        let mut verdict = self.verdict(Err(Fault::Silent));
        for (index, &address) in addresses.iter().enumerate() {
            let begin = Instant::now();
            let others = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            let due = begin + deadline.saturating_duration_since(begin) / others;
            let outcome = match self.protocol {
                Protocol::Relay => relay::prober::ask(address, due),
                Protocol::Room => room::prober::ask(address, due),
                Protocol::Web => web::prober::ask(address, due),
            };
            let next = Verdict { protocol: self.protocol, place: address.to_string(), outcome };
            // A server that is there and silent is told rather than that nobody listens at the next address.
            if index == 0 || verdict.is_off() || !next.is_off() {
                verdict = next;
            }
            if verdict.outcome.is_ok() {
                break;
            }
        }
        verdict
    }

    /// The verdict where the checking thread has given none in time, as on a machine that is overloaded.
    fn silent(&self) -> Verdict {
        let place = match &self.place {
            Place::Endpoint(Endpoint { host, port }) => {
                let port = port.unwrap_or(self.protocol.port());
                let address = host.parse().map(|ip: IpAddr| SocketAddr::new(ip, port).to_string());
                address.unwrap_or_else(|_| format!("{host}:{port}"))
            }
            Place::Addresses(_) => self.to_string(),
        };
        Verdict { protocol: self.protocol, place, outcome: Err(Fault::Silent) }
    }

    /// A verdict without an address yet.
    fn verdict(&self, outcome: Result<Duration, Fault>) -> Verdict {
        Verdict { protocol: self.protocol, place: self.to_string(), outcome }
    }
}

impl Protocol {
    /// The server's usual port.
    const fn port(self) -> u16 {
        match self {
            Self::Relay => chat_core::relay::PORT,
            Self::Room => chat_core::room::PORT,
            Self::Web => web::PORT,
        }
    }
}

impl Verdict {
    /// Whether asking again would change nothing: the server has answered or was silent, or something else has answered in its place.
    fn is_final(&self) -> bool {
        match &self.outcome {
            Ok(_) | Err(Fault::NotFound(_) | Fault::Silent | Fault::Rubbish) => true,
            Err(Fault::Unreachable(_) | Fault::Closed | Fault::Refused(_)) => false,
        }
    }

    /// Whether nobody listens there.
    fn is_off(&self) -> bool {
        matches!(&self.outcome, Err(Fault::Unreachable(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// Whether the server counts as alive for the watchdog: it has answered, even if only to refuse, or it cannot be asked because this
    /// machine is short of files or memory. A server that is merely full must not be restarted, which would put all its members out.
    pub(crate) fn is_alive(&self) -> bool {
        match &self.outcome {
            Ok(_) | Err(Fault::Refused(_)) => true,
            Err(Fault::Unreachable(error)) => {
                let shortage = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM, Errno::EAGAIN];
                shortage.into_iter().any(|errno| error.raw_os_error() == Some(errno as i32))
            }
            Err(_) => false,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relay => "udp",
            Self::Room => "tcp",
            Self::Web => "web",
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Endpoint(endpoint) => f.write_str(&endpoint.host),
            Place::Addresses(addresses) => addresses.first().map_or(Ok(()), |address| write!(f, "{address}")),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, place, outcome } = self;
        match outcome {
            Ok(after) => {
                // This avoids floating point, whose formatting would add 12 KB to the program for this number alone.
                let tenths = after.as_micros() / 100;
                write!(f, "{protocol} {place} answered in {}.{} ms", tenths / 10, tenths % 10)
            }
            Err(Fault::Refused(reason)) => write!(f, "{protocol} {place} refuses: {reason}"),
            Err(fault) => write!(f, "{protocol} {place} does not answer: {fault}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_of_which_nothing_is_known_in_time_is_told_with_its_port() {
        for (place, told) in
            [("127.0.0.1:7", "127.0.0.1:7"), ("::1", "[::1]:9191"), ("[::1]:7", "[::1]:7"), ("pi", "pi:9191")]
        {
            let place = Place::Endpoint(place.parse().unwrap());
            let target = Target { protocol: Protocol::Room, place, patience: Patience::None, may_be_off: false };
            assert_eq!(target.silent().to_string(), format!("tcp {told} does not answer: nothing came in time"));
        }
    }
}
