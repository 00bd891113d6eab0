//! The start of the servers: raises limits, binds sockets, starts threads, and says what to do if that fails.

use super::invitation::reachable_addresses;
use crate::command::{self, Serve, Web};
use crate::failure::{Failure, cause};
use crate::log::{self, Level};
use crate::relay;
use crate::relay::server::Socket;
use crate::room;
use crate::room::server::Listener;
use crate::web;
use chat_core::bucket::Rate;
use chat_core::datagram::Payload;
use chat_core::relay::server::Slot;
use chat_core::room::server::{AddressLimits, Config};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Binds the relay's socket and starts the relay.
pub(super) fn start_relay<'r>(
    options: &Serve,
    payloads: &'r mut [Payload],
    slots: &'r mut [Slot],
) -> Result<relay::server::Driver<'r>, Failure> {
    let socket = bind("udp", options.udp, chat_core::relay::PORT, Socket::bind)?;
    Ok(relay::server::Driver::new(socket, relay::server::GrowingRoster::new(options.max_clients), payloads, slots))
}

/// Binds the room's socket and starts its threads.
pub(super) fn start_room(options: &Serve) -> Result<room::server::Driver, Failure> {
    let listener = bind("tcp", options.tcp, chat_core::room::PORT, Listener::bind)?;
    let rate = match (options.rate(), Config::DEFAULT.rate) {
        (command::RateLimit::Limited(per_second), Some(rate)) => Some(Rate { per_second, ..rate }),
        _ => None,
    };
    let room_options = room::server::Options {
        config: Config { rate, ..Config::DEFAULT },
        members_max: options.max_members,
        thread_count: usize::from(options.thread_count().get()),
        journal_bytes: options.journal_bytes(),
        address_limits: AddressLimits::DEFAULT,
    };
    let epoch = RandomState::new().hash_one(std::process::id());
    room::server::Driver::new(listener, &room_options, epoch).map_err(|error| room_failure(&error, &room_options))
}

/// Why the room cannot be started, and what to do about it.
fn room_failure(error: &io::Error, options: &room::server::Options) -> Failure {
    let room::server::Options { thread_count, journal_bytes, .. } = options;
    Failure::lost(match (error.kind(), thread_count) {
        (io::ErrorKind::OutOfMemory, 0..=1) => format!(
            "there is not enough memory for a journal of {journal_bytes} bytes and a copy of it: choose a smaller one with --journal BYTES"
        ),
        (io::ErrorKind::OutOfMemory, _) => format!(
            "there is not enough memory for {thread_count} threads and a journal of {journal_bytes} bytes, of which each has a copy: choose \
             fewer with --threads N, or a smaller one with --journal BYTES"
        ),
        _ => format!(
            "cannot start the room's {thread_count} threads: {}; choose fewer with --threads N, or raise the limit (ulimit -u)",
            cause(error)
        ),
    })
}

/// Binds the page's sockets, unless it is switched off. On its usual port, which nobody has asked for, another program is no reason to
/// run nothing at all.
pub(super) fn start_web(options: &Serve, room: &room::server::Driver) -> Result<Option<web::Driver>, Failure> {
    let mut listeners = Vec::new();
    for web in &options.web {
        if let Web::At(address) = *web {
            listeners.push(bind("web", Some(address), web::PORT, Listener::bind)?);
        }
    }
    if options.web.is_empty() {
        // Whoever keeps the room to one address does not want its page on all; who takes any free port runs several servers.
        let port = |tcp: SocketAddr| if tcp.port() == 0 { 0 } else { web::PORT };
        let address = options.tcp.map(|tcp| with_port(tcp, port(tcp)));
        match bind("web", address, web::PORT, Listener::bind) {
            Ok(listener) => listeners.push(listener),
            Err(failure) => log::say(Level::Warning, format_args!("{failure}; until then there is no page")),
        }
    }
    if listeners.is_empty() {
        return Ok(None);
    }
    let dispatcher = Arc::clone(room.dispatcher());
    Ok(Some(web::Driver::new(listeners, dispatcher, options.web_origin.clone(), reachable_addresses)))
}

/// The same address with another port.
fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// Binds a socket to the operator's address; without one, to all addresses, IPv6 and IPv4, or IPv4 alone if the system has no IPv6.
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

/// Raises the number of files that may be open to the most that is allowed: each connection is one.
pub(super) fn raise_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // If that is refused, the server sheds connections sooner.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
