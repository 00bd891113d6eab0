//! What the scenarios share: the program under test, running processes, deadlines and seeds.
//!
//! Nothing here sleeps: every wait is for an event, with a deadline.
#![cfg(not(loom))]
#![allow(clippy::missing_panics_doc, reason = "panicking is how a test fails")]

pub mod browser;
pub mod document;
pub mod machine;
pub mod manual;
pub mod mesh;
pub mod namespace;
pub mod peer;
pub mod process;
pub mod proxy;
pub mod qr;
pub mod room;
pub mod schema;
pub mod seed;
pub mod tcp;
pub mod terminal;
pub mod udp;
pub mod web;
pub mod workspace;

use std::time::Duration;

/// How long an event may take before a test fails. Only a hang takes that long.
pub const DEADLINE: Duration = Duration::from_secs(30);
