//! The relay: anonymous broadcast over UDP (docs/relay-protocol.md).
//!
//! No names, no acknowledgement, no forgetting: who greeted gets every message, and is shown by address.

mod address;
mod client;
mod counters;
mod greeter;
mod message;
mod prober;
mod ring;
mod roster;
mod server;
mod window;

pub use address::{Address, Local, Recipient};
pub use client::{Client, Config, Output, Presence, SendError};
pub use counters::Counters;
pub use message::{Echo, Message, PROTOCOL, TAG_COUNT};
pub use prober::Prober;
pub use ring::Slot;
pub use roster::{Admission, FixedRoster, Full, Roster};
pub use server::{Outputs, Server, Transmit};
