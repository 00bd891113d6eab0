//! What a room's server has counted since it began, over all its threads.

use chat_core::room::server::Counter;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a room's server. They only grow.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; Counter::COUNT]);

impl Counters {
    /// Adds to a counter.
    pub(super) fn add(&self, counter: Counter, count: u64) {
        self.0[counter as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// Name and value of each counter, in the order of [`Counter::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Counter::ALL.iter().map(|&counter| (counter.name(), self.0[counter as usize].load(Ordering::Relaxed)))
    }
}
