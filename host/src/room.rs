//! The room's drivers: sockets, threads and time around the machines of `chat_core::room`.

#[cfg(all(not(loom), feature = "client"))]
pub mod client;
#[cfg(not(loom))]
pub(crate) mod prober;
pub mod server;
