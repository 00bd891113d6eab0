//! The host's side of chat-host: sockets, clock, randomness and terminal around the engines of `chat_core`.
//!
//! No protocol rule stands here. docs/ARCHITECTURE.md has the map.

pub mod client;
mod clock;
pub mod command;
pub mod display;
pub mod endpoint;
pub mod failure;
pub mod input;
pub mod json;
pub mod relay;
pub mod screen;
pub mod serve;
mod signals;
