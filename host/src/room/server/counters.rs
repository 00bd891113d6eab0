//! What a room's server has counted since it began, over all its threads.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares [`Counters`] and the order in which they are shown.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters of a room's server. They only grow. docs/command-line.md explains them to operators.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: AtomicU64,)+
        }

        impl Counters {
            /// Name and value of each, in the order of their declaration.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.load(Ordering::Relaxed)),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Connections accepted.
    connections,
    /// Connections turned away for want of a file descriptor.
    connections_shed,
    /// Connections turned away: too many from one address.
    connections_refused,
    /// Members and observers let in.
    joins,
    /// Members that went on from another connection.
    joins_replacing,
    /// Joins refused.
    joins_refused,
    /// Messages taken.
    messages,
    /// Messages that had been taken before.
    messages_doubled,
    /// Messages not taken, with a reason.
    messages_refused,
    /// Connections put out: a frame that was too long, malformed or senseless.
    put_out_malformed,
    /// Connections put out: no join, or no sign of life, in time.
    put_out_silent,
    /// Connections put out: nothing was read for too long.
    put_out_stalled,
    /// Messages that slow readers have lost.
    messages_lagged,
}

/// Counts one.
pub(super) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// Counts as many.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
