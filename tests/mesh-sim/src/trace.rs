//! A run in words, for whoever looks for a fault.

use crate::network::Slot;
use crate::node::host;
use crate::scenario::Start;
use crate::wire;
use chat_core::mesh::PeerId;
use std::net::SocketAddr;

/// Where the words go.
#[derive(Debug, Default)]
pub struct Trace {
    /// Whether there are any.
    on: bool,
    /// Ids, and what is written instead.
    names: Vec<(String, String)>,
}

impl Trace {
    /// No words.
    pub const OFF: Self = Self { on: false, names: Vec::new() };

    /// Words on the standard output.
    pub const ON: Self = Self { on: true, names: Vec::new() };

    /// From here on this id is written as the host and the name of the peer.
    pub fn name(&mut self, id: PeerId, start: &Start) {
        if self.on {
            let again = self.names.iter().filter(|(_, name)| name.starts_with(&format!("#{}.", start.slot))).count();
            let mark = "'".repeat(again);
            self.names.push((format!("{id:?}"), format!("#{}.{}{mark}", start.slot, start.name)));
        }
    }

    /// Writes a line.
    pub fn line(&self, now_ms: u64, words: impl FnOnce() -> String) {
        if self.on {
            println!("{now_ms:>7} {}", self.named(words()));
        }
    }

    /// Writes what a peer sends or gets.
    pub fn datagram(&self, now_ms: u64, arrow: &str, slot: Slot, other: Option<SocketAddr>, bytes: &[u8]) {
        self.line(now_ms, || {
            let other = other.map_or_else(
                || "all".to_owned(),
                |other| host(other).map_or_else(|| other.to_string(), |(slot, port)| format!("{slot}:{port}")),
            );
            format!("{slot:>3} {arrow} {other}  {}", wire::describe(bytes))
        });
    }

    /// The words with names in place of ids.
    fn named(&self, words: String) -> String {
        self.names.iter().fold(words, |words, (id, name)| words.replace(id, name))
    }
}
