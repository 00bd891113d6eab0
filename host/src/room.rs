//! The room's drivers: sockets, threads and time around the machines of `chat_core::room`.
//!
//! The registry and the alarm are what threads share, and all that loom checks.

pub mod alarm;
#[cfg(loom)]
pub mod fault;
pub mod reader;
pub mod registry;
pub mod roster;
mod sync;

#[cfg(not(loom))]
pub mod addresses;
#[cfg(all(not(loom), feature = "client"))]
pub mod client;
#[cfg(not(loom))]
mod connection;
#[cfg(not(loom))]
pub mod counters;
#[cfg(not(loom))]
pub mod listener;
#[cfg(not(loom))]
mod peer;
#[cfg(not(loom))]
mod poller;
#[cfg(not(loom))]
mod schedule;
#[cfg(not(loom))]
pub mod server;
#[cfg(not(loom))]
pub(crate) mod visitor;
#[cfg(not(loom))]
mod worker;
