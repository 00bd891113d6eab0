//! The room: unique usernames, one order of messages for everybody, history for newcomers (docs/room-protocol.md).

pub mod client;
pub mod message;
mod prober;
pub mod server;

pub use message::{Kind, Message, Names, PORT, Seen, Sequence, Token, Welcome};
pub use prober::{ProbeError, Prober};
