//! One peer: the shipped engine, its host's clock, and what its host does to it.

use crate::network::{Slot, mix};
use crate::scenario::Start;
use chat_core::mesh::{Config, Memory, Peer};
use chat_core::text::Text;
use chat_core::time::Instant;
use chat_core::username::Username;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// When the simulation begins, by the wall clocks: 2026-01-01.
const WALL_MS: i64 = 1_767_225_600_000;

/// The address of a host's socket, before the host moves.
pub fn address(slot: Slot, port: u16) -> SocketAddr {
    let [high, low] = u16::try_from(slot + 1).expect("a scenario has fewer hosts").to_be_bytes();
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(10, 0, high, low), port))
}

/// The address of a socket whose host has moved into the next network, with another IP address; its program is not told.
pub fn moved(address: SocketAddr) -> SocketAddr {
    let SocketAddr::V4(address) = address else { return address };
    let [ten, network, high, low] = address.ip().octets();
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(ten, network.wrapping_add(1), high, low), address.port()))
}

/// The address of a socket after an address translator in between has given it another port; its program is not told.
pub fn rebound(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port() % 60_000 + 1)
}

/// The host and port of an address, if it is or was one of a host's.
pub fn host(address: SocketAddr) -> Option<(Slot, u16)> {
    let SocketAddr::V4(address) = address else { return None };
    let [10, _, high, low] = address.ip().octets() else { return None };
    Some((usize::from(u16::from_be_bytes([high, low])).checked_sub(1)?, address.port()))
}

/// What the owner of a peer has decided, kept for as long as the peer runs.
#[derive(Debug)]
pub struct Owner {
    /// The addresses of the peer.
    pub addresses: Vec<SocketAddr>,
    /// The names that it denies.
    pub denied: Vec<Username>,
}

impl Owner {
    /// What this start says.
    pub fn new(start: &Start) -> Self {
        let denied = start.denied.iter().filter_map(|name| Username::new(name).ok()).collect();
        Self { addresses: vec![address(start.slot, start.port)], denied }
    }
}

/// A running peer.
pub struct Node<'s> {
    /// The engine.
    pub peer: Peer<'s>,
    /// Its host.
    pub slot: Slot,
    /// Its socket.
    pub address: SocketAddr,
    /// Whether it hears multicasts.
    pub discovery: bool,
    /// What its own monotonic clock said when the simulation began.
    zero_ms: u64,
    /// The host sleeps until then.
    pub asleep_until: u64,
    /// What came while it slept, as far as the socket's buffer reaches.
    pub buffered: Vec<crate::network::Flight>,
    /// When it will be called at the latest.
    pub called_ms: Option<u64>,
    /// Tells the timers of this peer from those of one that ran here before.
    pub generation: u64,
}

/// Datagrams that a socket keeps for a sleeping program.
pub const SOCKET_DATAGRAMS_MAX: usize = 200;

impl<'s> Node<'s> {
    /// Starts a peer.
    pub fn new(seed: u64, now_ms: u64, start: &Start, generation: u64, owner: &'s Owner, memory: Memory<'s>) -> Self {
        // Every start has a clock of its own zero and a seed of its own.
        let random = mix(seed, generation.wrapping_add(1));
        let zero_ms = random % 1_000_000_000;
        let name = Username::new(&start.name).expect("a scenario's names are allowed");
        let mut config = Config::new(name);
        config.addresses = &owner.addresses;
        config.denied = &owner.denied;
        config.discovery = start.discovery;
        for &slot in &start.join {
            // A scenario with more hosts to join than there is room for joins the first ones.
            let _ = config.join.push(address(slot, crate::generate::PORT));
        }
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&random.to_le_bytes());
        seed[8..].copy_from_slice(&mix(random, 7).to_le_bytes());
        let peer = Peer::new(memory, config, Instant::from_millis(zero_ms + now_ms), seed);
        Self {
            peer,
            slot: start.slot,
            address: address(start.slot, start.port),
            discovery: start.discovery,
            zero_ms,
            asleep_until: 0,
            buffered: Vec::new(),
            called_ms: None,
            generation,
        }
    }

    /// The time by the peer's own monotonic clock.
    pub fn instant(&self, now_ms: u64) -> Instant {
        Instant::from_millis(self.zero_ms + now_ms)
    }

    /// When the peer wants to be called, by the simulation's clock.
    pub fn timeout_ms(&self) -> Option<u64> {
        self.peer.poll_timeout().map(|at| at.millis().saturating_sub(self.zero_ms))
    }
}

/// What a host's wall clock says, shifted by so much.
pub fn wall_ms(now_ms: u64, shift_ms: i64) -> i64 {
    WALL_MS + i64::try_from(now_ms).expect("a run is short") + shift_ms
}

/// The shift after which the wall clock says 1970.
pub fn epoch_shift(now_ms: u64) -> i64 {
    -wall_ms(now_ms, 0)
}

/// A text of so many bytes, that nobody else says.
pub fn text(slot: Slot, count: u64, length: usize) -> String {
    let beginning = format!("{slot}:{count} ");
    let mut text: String = beginning.chars().take(length.max(1)).collect();
    while text.len() < length {
        text.push(char::from(b'a' + u8::try_from(text.len() % 26).expect("it is below 26")));
    }
    text
}

/// The text as the engine takes it.
pub fn checked(text: &str) -> Text<'_> {
    Text::new(text).expect("a scenario's texts have 1 to 1,024 bytes")
}
