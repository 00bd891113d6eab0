//! `chat-host serve`: the servers, from start to signal.

use crate::command::Serve;
use crate::failure::{Failure, cause};
use crate::relay::roster::GrowingRoster;
use crate::relay::server::{Driver, SLOT_COUNT};
use crate::relay::socket::Socket;
use crate::signals::{Request, Requests};
use chat_core::relay::{Counters, Slot};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The relay's usual port.
pub const RELAY_PORT: u16 = 9_090;

/// Runs the servers until a signal ends them.
///
/// # Errors
/// An address cannot be bound, or a socket fails.
pub fn run(options: &Serve) -> Result<(), Failure> {
    smol::block_on(async {
        let mut requests = Requests::new()?;
        let socket = bind_relay(options.udp)?;
        let mut slots = vec![Slot::EMPTY; SLOT_COUNT];
        let mut relay = Driver::new(socket, GrowingRoster::new(options.max_clients), &mut slots);
        announce(&relay).map_err(|error| Failure::lost(format!("cannot tell the bound address: {error}")))?;
        loop {
            let failed = async { Err(relay.run().await) };
            match smol::future::or(failed, async { Ok(requests.next().await) }).await {
                Ok(Request::ShowCounters) => show(relay.counters()),
                Ok(Request::End) => break,
                Err(outcome) => {
                    show(relay.counters());
                    return outcome.map_err(|error| Failure::lost(format!("the relay's socket failed: {error}")));
                }
            }
        }
        show(relay.counters());
        Ok(())
    })
}

/// Binds the relay's socket: where the operator says, else on every address, IPv6 and IPv4, or IPv4 alone where the
/// system has no IPv6.
fn bind_relay(address: Option<SocketAddr>) -> Result<Socket, Failure> {
    let preferred = address.unwrap_or_else(|| (Ipv6Addr::UNSPECIFIED, RELAY_PORT).into());
    let failure = |address: SocketAddr, error: io::Error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "another program has this port: end it, or choose another with --udp ADDR:PORT",
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address: choose one that it has",
            io::ErrorKind::PermissionDenied => "ports below 1024 want a privilege: choose a higher one",
            _ => "choose another address with --udp ADDR:PORT",
        };
        Failure::lost(format!("cannot listen on udp {address}: {}; {advice}", cause(&error)))
    };
    match Socket::bind(preferred) {
        Err(error) if address.is_none() && error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => {
            let fallback = (Ipv4Addr::UNSPECIFIED, RELAY_PORT).into();
            Socket::bind(fallback).map_err(|error| failure(fallback, error))
        }
        outcome => outcome.map_err(|error| failure(preferred, error)),
    }
}

/// Says on standard output that the servers run, and where. If that is closed nobody waits for it, and they run all the
/// same.
fn announce(relay: &Driver<'_>) -> io::Result<()> {
    let text = format!("Server Initialized...\nudp {}\n", relay.local_address()?);
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    Ok(())
}

/// Writes the counters to standard error, in one line and at once.
fn show(counters: &Counters) {
    let mut line = "relay:".to_owned();
    for (name, value) in counters.iter() {
        // Writing to a String does not fail.
        let _ = write!(line, " {name}={value}");
    }
    line.push('\n');
    let _ = io::stderr().write_all(line.as_bytes());
}
