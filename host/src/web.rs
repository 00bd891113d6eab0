//! The page: HTTP for one page and its parts, and the handshake of WebSockets, whose sockets the room's workers then have.
//!
//! It runs on the executor of the servers' main thread. What a connection costs there is bounded in time and memory, and so is how many
//! are being answered at once: when one too many comes, the oldest makes room, so those who say nothing cannot keep others out.

mod accept;
mod access;
mod answer;
mod counters;
mod page;
pub(crate) mod prober;
pub(crate) mod qr;
mod refusal;
mod request;
mod visit;

pub use access::WebOrigin;
pub use counters::Counters;

use crate::room::server::{Dispatcher, Listener, Unserved};
use chat_core::room::server::Origin;
use counters::Counter;
use refusal::Refusal;
use smol::{Async, LocalExecutor, Task, future};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use visit::Visit;

/// The port, unless the operator says another.
pub const PORT: u16 = 9393;

/// Connections that are being answered at once, each with at most 8 KiB of a request and one answer.
const VISITS_MAX: usize = 512;

/// What all connections share.
struct Site {
    /// Where WebSockets go.
    dispatcher: Arc<Dispatcher>,
    /// Origins that the operator has named.
    named: Vec<WebOrigin>,
    /// Addresses of this machine that others can reach the page at, the best first.
    reachable: Box<dyn Fn() -> Vec<IpAddr>>,
    /// What is counted.
    counters: Counters,
}

/// The page's server.
pub(crate) struct Driver {
    /// Where connections come from.
    listeners: Vec<Listener>,
    /// What they share.
    site: Rc<Site>,
    /// Runs their tasks.
    executor: LocalExecutor<'static>,
    /// Their tasks, the oldest first.
    visits: RefCell<VecDeque<Task<()>>>,
}

impl Driver {
    /// Serves on these sockets, and hands WebSockets to `dispatcher`.
    pub(crate) fn new(
        listeners: Vec<Listener>,
        dispatcher: Arc<Dispatcher>,
        named: Vec<WebOrigin>,
        reachable: fn() -> Vec<IpAddr>,
    ) -> Self {
        let bound = |is_any: fn(IpAddr) -> bool| {
            let bound = listeners.iter().filter_map(|listener| listener.local_address().ok());
            bound.map(|address| address.ip()).any(is_any)
        };
        // Whoever listens on one address has named it; nobody else reaches the page at another one.
        let (v6, any) = (bound(|ip| ip.is_unspecified() && ip.is_ipv6()), bound(|ip| ip.is_unspecified()));
        let reachable = Box::new(move || {
            let addresses = if any { reachable() } else { Vec::new() };
            addresses.into_iter().filter(|ip| v6 || ip.is_ipv4()).collect()
        });
        let site = Rc::new(Site { dispatcher, named, reachable, counters: Counters::default() });
        Self { listeners, site, executor: LocalExecutor::new(), visits: RefCell::default() }
    }

    /// Serves until something on this machine fails.
    ///
    /// # Errors
    /// A listening socket cannot be used any more.
    pub(crate) async fn run(&mut self) -> io::Result<()> {
        let Self { listeners, site, executor, visits } = self;
        let (site, executor, visits) = (&*site, &*executor, &*visits);
        let mut all: Pin<Box<dyn Future<Output = io::Result<()>>>> = Box::pin(future::pending());
        for listener in listeners {
            let turn_away = |unserved: Unserved| site.turn_away_unserved(unserved);
            let serve = |stream, origin| visit(site, executor, visits, stream, origin);
            let run = async move { listener.run(&site.dispatcher, turn_away, serve).await };
            all = Box::pin(future::or(all, run));
        }
        executor.run(all).await
    }

    /// Tells all that wait that the server ends.
    pub(crate) fn close(&self) {
        for listener in &self.listeners {
            listener.turn_all_away(|unserved| self.site.turn_away_unserved(unserved));
        }
    }

    /// The addresses that it is bound to.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn local_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(Listener::local_address).collect()
    }

    /// What was counted.
    pub(crate) fn counters(&self) -> &Counters {
        &self.site.counters
    }
}

/// Begins with a connection; the oldest of too many makes room for it.
fn visit(
    site: &Rc<Site>,
    executor: &LocalExecutor<'static>,
    visits: &RefCell<VecDeque<Task<()>>>,
    stream: TcpStream,
    origin: Option<Origin>,
) {
    site.counters.count(Counter::Connections);
    let Ok(stream) = Async::new(stream) else {
        // It cannot be served, so it is closed; the other side sees that.
        site.counters.count(Counter::RequestsBroken);
        return site.dispatcher.disconnect(origin);
    };
    let mut visits = visits.borrow_mut();
    // A task that has ended keeps its memory until its handle is dropped.
    visits.retain(|task| !task.is_finished());
    if visits.len() >= VISITS_MAX {
        // Dropping its task ends it.
        visits.pop_front();
    }
    visits.push_back(executor.spawn(Visit::new(Rc::clone(site), stream, origin).run()));
}

impl Site {
    /// Counts a connection that is not served, and tells it why, if it is there.
    fn turn_away_unserved(&self, unserved: Unserved) {
        match unserved {
            Unserved::Refused(socket) => self.turn_away(&socket, Refusal::Connections),
            Unserved::Shed(socket) | Unserved::Late(socket) => self.turn_away(&socket, Refusal::Shed),
            Unserved::Failed => self.counters.count(Counter::AcceptsFailed),
        }
    }

    /// Counts a connection that is closed unanswered, and tells it why.
    fn turn_away(&self, stream: &TcpStream, refusal: Refusal) {
        let mut stream = stream;
        self.counters.count(refusal.counter());
        // Its send buffer is empty, so this does not wait; if it fails, the newcomer is gone.
        let _ = stream.write_all(&answer::refusal(refusal));
    }

    /// Where others open the page that was opened under this value of `Host`.
    fn url(&self, authority: &str) -> String {
        let host = access::host_of(authority).unwrap_or_default();
        if let Some(origin) = access::named_origin(host, &self.named) {
            return format!("{}/", origin.as_str());
        }
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        let is_own =
            literal.eq_ignore_ascii_case("localhost") || literal.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let reachable = if is_own { (self.reachable)().into_iter().next() } else { None };
        match reachable {
            Some(IpAddr::V4(ip)) => format!("http://{ip}{}/", &authority[host.len()..]),
            Some(IpAddr::V6(ip)) => format!("http://[{ip}]{}/", &authority[host.len()..]),
            None => format!("http://{authority}/"),
        }
    }
}
