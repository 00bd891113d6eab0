//! `chat-host serve`: the servers, from start to signal.

pub mod check;
pub(crate) mod clock_state;
pub(crate) mod dual_stack;
pub(crate) mod fault;
mod invitation;
mod supervisor;

use crate::command::{self, Serve};
use crate::failure::{Failure, cause};
use crate::log;
use crate::relay;
use crate::relay::server::Socket;
use crate::room;
use crate::room::server::Listener;
use crate::signals::{Request, Requests};
use chat_core::bucket::Rate;
use chat_core::datagram::Payload;
use chat_core::limits::DATAGRAM_BYTES_MAX;
use chat_core::relay::server::Slot;
use chat_core::room::server::{AddressLimits, Config};
use check::{Protocol, Target};
use clock_state::{ClockState, Trust};
use smol::future;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, IsTerminal as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use supervisor::Supervisor;

/// The servers that run.
struct Servers<'r> {
    /// The relay.
    relay: Option<relay::server::Driver<'r>>,
    /// The room.
    room: Option<room::server::Driver>,
    /// What says whether the clock is to be trusted.
    clock_state: Option<ClockState>,
}

/// Runs the servers until a signal ends them.
///
/// # Errors
/// An address cannot be bound, the clock's state not be watched, or a socket fails.
pub fn run(options: &Serve) -> Result<(), Failure> {
    smol::block_on(async {
        let mut requests = Requests::new()?;
        let mut payloads = vec![[0; DATAGRAM_BYTES_MAX]; relay::server::SLOT_COUNT];
        let mut slots = vec![Slot::EMPTY; relay::server::SLOT_COUNT];
        // Naming one runs that one alone.
        let (relay, room) = (options.udp.is_some(), options.tcp.is_some());
        let mut servers = Servers {
            relay: if relay || !room { Some(start_relay(options, &mut payloads, &mut slots)?) } else { None },
            room: if room || !relay { Some(start_room(options)?) } else { None },
            clock_state: None,
        };
        if let Some(path) = &options.clock_state {
            let trust = servers.room.as_ref().map_or_else(Trust::new, |room| room.trust().clone());
            servers.clock_state = Some(ClockState::open(path, trust)?);
        }
        let failure = |error| Failure::lost(format!("cannot tell the bound address: {error}"));
        servers.announce().map_err(failure)?;
        let supervisor = Supervisor::tell_ready(servers.targets().map_err(failure)?);
        let outcome = servers.run(&mut requests).await;
        if let Some(supervisor) = supervisor {
            supervisor.tell_stopping();
        }
        servers.show_counters();
        if let Some(room) = &mut servers.room {
            room.close();
        }
        outcome
    })
}

/// Binds the relay's socket and starts the relay.
fn start_relay<'r>(
    options: &Serve,
    payloads: &'r mut [Payload],
    slots: &'r mut [Slot],
) -> Result<relay::server::Driver<'r>, Failure> {
    let socket = bind("udp", options.udp, chat_core::relay::PORT, Socket::bind)?;
    Ok(relay::server::Driver::new(socket, relay::server::GrowingRoster::new(options.max_clients), payloads, slots))
}

/// Binds the room's socket and starts its threads.
fn start_room(options: &Serve) -> Result<room::server::Driver, Failure> {
    let listener = bind("tcp", options.tcp, chat_core::room::PORT, Listener::bind)?;
    let rate = match (options.rate, Config::DEFAULT.rate) {
        (command::Rate::Limited(per_second), Some(rate)) => Some(Rate { per_second, ..rate }),
        _ => None,
    };
    let room_options = room::server::Options {
        config: Config { rate, ..Config::DEFAULT },
        members_max: options.max_members,
        thread_count: usize::from(options.threads.get()),
        journal_bytes: options.journal,
        address_limits: AddressLimits::DEFAULT,
    };
    let epoch = RandomState::new().hash_one(std::process::id());
    room::server::Driver::new(listener, &room_options, epoch)
        .map_err(|error| Failure::lost(format!("cannot start the room's threads: {error}")))
}

/// Binds a socket: where the operator says, else on every address, IPv6 and IPv4, or IPv4 alone where the system has no IPv6.
fn bind<S>(
    protocol: &str,
    address: Option<SocketAddr>,
    port: u16,
    bind: impl Fn(SocketAddr) -> io::Result<S>,
) -> Result<S, Failure> {
    let preferred = address.unwrap_or_else(|| (Ipv6Addr::UNSPECIFIED, port).into());
    let failure = |address: SocketAddr, error: io::Error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "another program has this port: end it, or choose another with",
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address: choose one that it has with",
            io::ErrorKind::PermissionDenied => "ports below 1024 want a privilege: choose a higher one with",
            _ => "choose another address with",
        };
        Failure::lost(format!(
            "cannot listen on {protocol} {address}: {}; {advice} --{protocol} ADDR:PORT",
            cause(&error)
        ))
    };
    match bind(preferred) {
        Err(error) if address.is_none() && error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => {
            let fallback = (Ipv4Addr::UNSPECIFIED, port).into();
            bind(fallback).map_err(|error| failure(fallback, error))
        }
        outcome => outcome.map_err(|error| failure(preferred, error)),
    }
}

impl Servers<'_> {
    /// Says on standard output that the servers run, and where; at a terminal also what the others type.
    fn announce(&self) -> io::Result<()> {
        let relay = self.relay.as_ref().map(relay::server::Driver::local_address).transpose()?;
        let room = self.room.as_ref().map(room::server::Driver::local_address).transpose()?;
        let mut text = "Server Initialized...\n".to_owned();
        for (protocol, address) in [(Protocol::Relay, relay), (Protocol::Room, room)] {
            if let Some(address) = address {
                text += &format!("{protocol} {address}\n");
            }
        }
        if io::stdout().is_terminal() {
            text += &invitation::invitation(room, relay, &invitation::reachable_addresses());
        }
        log::print(text);
        Ok(())
    }

    /// Where the servers are asked whether they answer.
    fn targets(&self) -> io::Result<Vec<Target>> {
        let relay = self.relay.as_ref().map(|relay| Ok(Target::bound(Protocol::Relay, relay.local_address()?)));
        let room = self.room.as_ref().map(|room| Ok(Target::bound(Protocol::Room, room.local_address()?)));
        relay.into_iter().chain(room).collect()
    }

    /// Serves until a signal asks for the end.
    async fn run(&mut self, requests: &mut Requests) -> Result<(), Failure> {
        loop {
            let relay = run_or_wait(self.relay.as_mut(), |relay| Box::pin(relay.run()));
            let room = run_or_wait(self.room.as_mut(), |room| Box::pin(room.run()));
            let clock_state = run_or_wait(self.clock_state.as_mut(), |state| Box::pin(state.run()));
            let failed = async { Err(future::or(clock_state, future::or(relay, room)).await) };
            match future::or(failed, async { Ok(requests.next().await) }).await {
                Ok(Request::ShowCounters) => self.show_counters(),
                Ok(Request::End) => return Ok(()),
                Err(outcome) => {
                    return outcome.map_err(|error| Failure::lost(format!("a socket of the server failed: {error}")));
                }
            }
        }
    }

    /// Writes the counters to standard error, one line for each server.
    fn show_counters(&self) {
        if let Some(relay) = &self.relay {
            show("relay", relay.counters().iter());
        }
        if let Some(room) = &self.room {
            show("room", room.counters());
        }
    }
}

/// The work of a part of the server, if there is that part; else nothing, for ever.
async fn run_or_wait<'s, S>(
    part: Option<&'s mut S>,
    run: impl FnOnce(&'s mut S) -> std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + 's>>,
) -> io::Result<()> {
    match part {
        Some(part) => run(part).await,
        None => future::pending().await,
    }
}

/// Writes counters to standard error, in one line.
fn show(server: &str, counters: impl Iterator<Item = (&'static str, u64)>) {
    let mut line = format!("{server}:");
    for (name, value) in counters {
        // Writing to a String does not fail.
        let _ = write!(line, " {name}={value}");
    }
    line.push('\n');
    log::print_error(line);
}
