//! The relay: anonymous broadcast over UDP (docs/relay-protocol.md).
//!
//! It has no names and no acknowledgements, and it never forgets a client: each client that has greeted gets every message.
//! Senders are shown by address.

pub mod client;
mod message;
mod prober;
pub mod server;

pub use message::{Echo, Message, PORT, PROTOCOL, TAG_COUNT};
pub use prober::Prober;
