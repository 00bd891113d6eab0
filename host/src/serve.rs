//! `chat-host serve`: the servers, from start to signal.

mod address_changes;
pub mod check;
pub(crate) mod clock_state;
mod code;
pub(crate) mod dual_stack;
pub(crate) mod fault;
mod invitation;
mod late_address;
mod start;
mod supervisor;

use crate::command::Serve;
use crate::failure::{Failure, cause};
use crate::log;
use crate::relay;
use crate::resources;
use crate::room;
use crate::signals::{SignalRequest, SignalRequests};
use crate::web;
use chat_core::limits::DATAGRAM_BYTES_MAX;
use chat_core::relay::server::Slot;
use check::{Protocol, Target};
use clock_state::{ClockState, Trust};
use code::Code;
use late_address::wait_for_addresses;
use smol::future;
use start::{raise_file_limit, start_relay, start_room, start_web};
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use supervisor::Supervisor;

/// Files that relay, room and page have open before the first client comes, besides the workers' and the three standard ones, and one
/// to spare.
const SERVER_FILES: usize = 15;

/// Files of each thread of the room.
const WORKER_FILES: usize = 2;

/// The servers that run.
struct Servers<'r> {
    /// The relay.
    relay: Option<relay::server::Driver<'r>>,
    /// The room.
    room: Option<room::server::Driver>,
    /// The page.
    web: Option<web::Driver>,
    /// The page's address as a code, if it is to be shown.
    code: Option<Code>,
    /// The file that says whether the clock is to be trusted.
    clock_state: Option<ClockState>,
}

/// Runs the servers until a signal ends them.
///
/// # Errors
/// An address cannot be bound, the clock's file cannot be watched, or a socket fails.
pub fn run(options: &Serve) -> Result<(), Failure> {
    raise_file_limit();
    let thread_count = usize::from(options.thread_count().get());
    resources::check(SERVER_FILES + WORKER_FILES * thread_count, resources::THREADS)?;
    smol::block_on(async {
        let mut requests = SignalRequests::of_server()?;
        let supervisor = Supervisor::connect();
        if let Some(supervisor) = &supervisor
            && wait_for_addresses(options, supervisor, &mut requests).await.is_break()
        {
            return Ok(());
        }
        // Zeros that the system gives: `vec!` would write them, and so use 150 kB of memory that an idle server does not need.
        let mut payloads = bytemuck::zeroed_vec::<[u8; DATAGRAM_BYTES_MAX]>(relay::server::SLOT_COUNT);
        let mut slots = vec![Slot::EMPTY; relay::server::SLOT_COUNT];
        // If the command line names one server, only that one runs.
        let (relay, room) = (options.udp.is_some(), options.tcp.is_some());
        let mut servers = Servers {
            relay: if relay || !room { Some(start_relay(options, &mut payloads, &mut slots)?) } else { None },
            room: if room || !relay { Some(start_room(options)?) } else { None },
            web: None,
            code: None,
            clock_state: None,
        };
        if let Some(room) = &servers.room {
            servers.web = start_web(options, room)?;
        }
        if let Some(path) = &options.clock_state {
            let trust = servers.room.as_ref().map_or_else(Trust::new, |room| room.trust().clone());
            servers.clock_state = Some(ClockState::open(path, trust)?);
        }
        let failure = |error| Failure::lost(format!("cannot tell the bound address: {error}"));
        servers.announce(options.qr).map_err(failure)?;
        if let Some(supervisor) = &supervisor {
            supervisor.tell_ready(servers.targets().map_err(failure)?);
        }
        let outcome = servers.run(&mut requests).await;
        if let Some(supervisor) = supervisor {
            supervisor.tell_stopping();
        }
        servers.show_counters();
        if let Some(web) = &servers.web {
            web.close();
        }
        if let Some(room) = &mut servers.room {
            room.close();
        }
        outcome
    })
}

impl Servers<'_> {
    /// Writes to standard output that the servers run, and their addresses; at a terminal also the commands that users type, and with
    /// `wants_code` the page's address as a QR code.
    fn announce(&mut self, wants_code: bool) -> io::Result<()> {
        let relay = self.relay.as_ref().map(relay::server::Driver::local_address).transpose()?;
        let room = self.room.as_ref().map(room::server::Driver::local_address).transpose()?;
        let mut text = "Server Initialized...\n".to_owned();
        for (protocol, address) in [(Protocol::Relay, relay), (Protocol::Room, room)] {
            if let Some(address) = address {
                text += &format!("{protocol} {address}\n");
            }
        }
        let web = self.web.as_ref().map(web::Driver::local_addresses).transpose()?.unwrap_or_default();
        for address in &web {
            text += &format!("web {address}\n");
        }
        let reachable = invitation::reachable_addresses();
        // Whoever has only the output at a terminal, such as the Pi's console, has no keys to press.
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            text += &invitation::invitation(room, relay, &web, &reachable);
        }
        log::print(text);
        if wants_code {
            self.code.insert(Code::new(web)).show();
        }
        Ok(())
    }

    /// The servers as targets of the health check.
    fn targets(&self) -> io::Result<Vec<Target>> {
        let relay = self.relay.as_ref().map(|relay| Ok(Target::bound(Protocol::Relay, relay.local_address()?)));
        let room = self.room.as_ref().map(|room| Ok(Target::bound(Protocol::Room, room.local_address()?)));
        let web = self.web.as_ref().map(web::Driver::local_addresses).transpose()?.unwrap_or_default();
        let web = web.into_iter().map(|address| Ok(Target::bound(Protocol::Web, address)));
        relay.into_iter().chain(room).chain(web).collect()
    }

    /// Serves until a signal asks for the end.
    async fn run(&mut self, requests: &mut SignalRequests) -> Result<(), Failure> {
        loop {
            let relay = run_or_wait(self.relay.as_mut(), |relay| Box::pin(relay.run()));
            let room = run_or_wait(self.room.as_mut(), |room| Box::pin(room.run()));
            let clock_state = run_or_wait(self.clock_state.as_mut(), |state| Box::pin(state.run()));
            let web = run_or_wait(self.web.as_mut(), |web| Box::pin(web.run()));
            let code = run_or_wait(self.code.as_mut(), |code| Box::pin(code.run()));
            let servers = future::or(relay, future::or(room, future::or(web, code)));
            let failed = async { Err(future::or(clock_state, servers).await) };
            match future::or(failed, async { Ok(requests.next().await) }).await {
                Ok(SignalRequest::ShowCounters) => self.show_counters(),
                Ok(SignalRequest::Continued) => {}
                Ok(SignalRequest::End) => return Ok(()),
                Err(outcome) => {
                    return outcome
                        .map_err(|error| Failure::lost(format!("the server cannot go on: {}", cause(&error))));
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
        if let Some(web) = &self.web {
            show("web", web.counters().iter());
        }
    }
}

/// Runs a part of the server if there is that part; otherwise waits for ever.
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
