//! The host's side of chat-host: sockets, clock, randomness and terminal around the engines of `chat_core`.
//!
//! What only a machine that serves has (`serve`, the servers of relay and room, the probers of `check`) is there on Linux alone; the
//! clients are everywhere.
//!
//! No protocol rule stands here. docs/ARCHITECTURE.md has the map. Whatever interactive clients alone need stands in modules that the
//! feature `client` switches, so that a server's image goes without it; the mesh is there with the feature `peer` already.
#![forbid(unsafe_code)]

#[cfg(all(not(loom), feature = "client"))]
pub mod client;
#[cfg(not(loom))]
mod clock;
#[cfg(not(loom))]
pub mod command;
#[cfg(all(not(loom), target_os = "linux"))]
mod datagrams;
#[cfg(not(loom))]
pub mod endpoint;
#[cfg(not(loom))]
pub mod failure;
#[cfg(not(loom))]
pub mod log;
#[cfg(all(not(loom), feature = "peer"))]
pub mod mesh;
#[cfg(not(loom))]
pub mod relay;
#[cfg(not(loom))]
pub mod resources;
pub mod room;
#[cfg(all(not(loom), feature = "client"))]
pub mod script;
#[cfg(all(not(loom), target_os = "linux"))]
pub mod serve;
#[cfg(not(loom))]
mod signals;
#[cfg(all(not(loom), feature = "client"))]
pub mod terminal;
#[cfg(all(not(loom), feature = "peer"))]
mod wait;
#[cfg(all(not(loom), target_os = "linux"))]
pub mod web;
