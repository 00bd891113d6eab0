//! The room's server: one listener, and worker threads that share the connections.
//!
//! The registry and the alarm are what threads share, and all that loom checks.

pub mod alarm;
pub mod buffer;
pub mod registry;
pub mod roster;
mod sync;

#[cfg(not(loom))]
mod addresses;
#[cfg(not(loom))]
mod batch;
#[cfg(not(loom))]
mod connection;
#[cfg(not(loom))]
mod counters;
#[cfg(not(loom))]
mod desk;
#[cfg(not(loom))]
mod dispatcher;
#[cfg(not(loom))]
mod driver;
#[cfg(not(loom))]
mod listener;
#[cfg(not(loom))]
mod poller;
#[cfg(not(loom))]
mod schedule;
#[cfg(not(loom))]
mod stream;
#[cfg(not(loom))]
mod worker;

#[cfg(not(loom))]
pub use counters::Counters;
#[cfg(not(loom))]
pub(crate) use dispatcher::Dispatcher;
#[cfg(not(loom))]
pub use driver::{Driver, Options};
#[cfg(not(loom))]
pub use listener::Listener;
#[cfg(not(loom))]
pub(crate) use listener::Unserved;
#[cfg(not(loom))]
pub(crate) use stream::Stream;
