//! A deterministic simulation of the mesh: the shipped engine (`chat_core::mesh::Peer`) on a virtual network with a virtual clock.
//!
//! A [`scenario::Scenario`] is data: drawn from a seed ([`generate`]), written as text, shrunk ([`shrink`]). A [`world::World`] runs it and
//! ends at the first rule of docs/mesh-protocol.md that is broken: the invariants are checked after every step from what was seen
//! outside of the engine ([`check`], [`watch`]), the rest when there have been no faults for a while ([`rest`]).
#![allow(clippy::missing_panics_doc, reason = "panicking is how a test fails")]

pub mod arena;
pub mod attack;
pub mod check;
pub mod generate;
pub mod large;
pub mod measure;
pub mod network;
pub mod node;
pub mod promise;
pub mod rest;
pub mod run;
pub mod scenario;
#[path = "../../src/seed.rs"]
pub mod seed;
pub mod shrink;
pub mod tally;
pub mod trace;
pub mod violation;
pub mod watch;
pub mod wire;
pub mod world;
