//! Wire formats and protocol engines of chat-host.
//!
//! An *engine* is a state machine for one role of one protocol. It owns no socket, clock, random source, log or lock:
//! the caller hands in what arrived and when ([`time::Instant`]), and takes out what is to be sent and shown. Every
//! container has a fixed capacity ([`limits`]); what happens when one is full is a value and a written policy.
//!
//! docs/ARCHITECTURE.md has the map, docs/relay-protocol.md the relay's wire format and rules.
#![no_std]
#![forbid(unsafe_code)]

pub mod address;
pub mod bucket;
pub mod datagram;
pub mod frame;
pub mod limits;
pub mod refusal;
pub mod relay;
pub mod room;
pub mod text;
pub mod time;
pub mod username;
