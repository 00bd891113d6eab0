//! The relay: anonymous broadcast over UDP (docs/relay-protocol.md).
//!
//! No names, no acknowledgement, no forgetting: who greeted gets every message, and is shown by address.

pub mod client;
mod message;
mod prober;
pub mod server;

pub use message::{Echo, Message, PORT, PROTOCOL, TAG_COUNT};
pub use prober::Prober;
