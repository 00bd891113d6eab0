//! The relay's drivers: sockets and time around the engines of `chat_core::relay`.

#[cfg(feature = "client")]
pub mod client;
pub mod roster;
pub mod server;
pub mod socket;
