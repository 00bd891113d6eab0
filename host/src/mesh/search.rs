//! How far the peer's call for others reaches (docs/command-line.md): multicast and broadcast on every usable interface, and peers
//! remembered from earlier runs.

use super::interfaces::{Interface, Selection};
use super::remembered::Remembered;
use super::sockets::Sockets;
use chat_core::mesh::PORT;
use chat_core::time::Instant;
use std::time::Duration;

/// Every time span of the driver that is not the engine's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pauses {
    /// Pause between two looks at the interfaces.
    pub(super) interfaces: Duration,
    /// How long remembered peers are asked after a search begins: strangers may have their addresses now.
    pub(super) remembered: Duration,
    /// Pause before the names of `--join` are looked up again while nobody is there.
    pub(super) look_up_alone: Duration,
    /// Pause before they are looked up again otherwise.
    pub(super) look_up: Duration,
    /// Pause between two times that the members are remembered.
    pub(super) save: Duration,
    /// How late the interfaces may be looked at and the members remembered, so that it happens with something else.
    pub(super) late_max: Duration,
    /// How long leaving may take.
    pub(super) leave_max: Duration,
}

impl Pauses {
    /// What users get.
    pub(super) const DEFAULT: Self = Self {
        interfaces: Duration::from_secs(5),
        remembered: Duration::from_secs(60),
        look_up_alone: Duration::from_secs(5),
        look_up: Duration::from_secs(60),
        save: Duration::from_secs(60),
        late_max: Duration::from_secs(1),
        leave_max: Duration::from_millis(1_500),
    };
}

/// The search for others without being told where they are.
#[derive(Debug)]
pub(super) struct Search {
    /// Which interfaces are used.
    selection: Selection,
    /// Those that are there.
    interfaces: Vec<Interface>,
    /// Peers of earlier runs.
    pub(super) remembered: Remembered,
    /// Until when those are asked.
    remembered_until: Instant,
    /// When the interfaces are looked at next.
    look_at: Instant,
}

impl Search {
    /// Looks at the interfaces for the first time. Gives what else is to be told.
    pub(super) fn new(now: Instant, pauses: &Pauses, selection: Selection) -> (Self, Option<String>) {
        let (remembered, notice) = Remembered::load();
        let interfaces = selection.look().unwrap_or_default();
        let (remembered_until, look_at) = (now + pauses.remembered, now + pauses.interfaces);
        (Self { selection, interfaces, remembered, remembered_until, look_at }, notice)
    }

    /// The usable interfaces.
    pub(super) fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Their names, as they are told.
    pub(super) fn names(&self) -> Vec<&str> {
        self.interfaces.iter().map(|interface| interface.name.as_str()).collect()
    }

    /// The names that the user gives and that no interface has.
    pub(super) fn missing(&self) -> Vec<String> {
        self.selection.missing(&self.interfaces)
    }

    /// The peer begins to look for others: those of earlier runs are asked as well.
    pub(super) fn handle_seeking(&mut self, now: Instant, pauses: &Pauses) {
        self.remembered_until = now + pauses.remembered;
    }

    /// When the interfaces are looked at next.
    pub(super) const fn deadline(&self) -> Instant {
        self.look_at
    }

    /// Looks at the interfaces if it is time. Gives whether there are others than before; other addresses are nothing to be told.
    pub(super) fn handle_timeout(&mut self, now: Instant, pauses: &Pauses, sockets: &Sockets) -> bool {
        if self.look_at > now {
            return false;
        }
        self.look_at = now + pauses.interfaces;
        let Ok(found) = self.selection.look() else { return false };
        sockets.join(&found);
        let before = std::mem::replace(&mut self.interfaces, found);
        !before.iter().map(|interface| &interface.name).eq(self.interfaces.iter().map(|interface| &interface.name))
    }

    /// Sends a datagram to everybody who may be there. `is_alone` says that nobody was found yet.
    pub(super) fn send(&self, now: Instant, sockets: &mut Sockets, bytes: &[u8], is_alone: bool) {
        sockets.multicast(&self.interfaces, bytes);
        sockets.broadcast(&self.interfaces, PORT, bytes);
        if is_alone && now < self.remembered_until {
            self.remembered.addresses().iter().for_each(|&address| sockets.send(address, bytes));
        }
    }
}
