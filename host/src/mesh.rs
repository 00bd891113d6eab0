//! The mesh peer: sockets, interfaces, time and the user around the engine of `chat_core::mesh`.
//!
//! The engine says whom it looks for; this module decides how far that reaches: multicast and broadcast on every usable interface,
//! the addresses of `--join`, and peers remembered from earlier runs. No rule of the protocol stands here.
//!
//! With the feature `client` a person or a script sits before it; with `peer` alone it is a machine that only keeps the group.

mod batch;
#[cfg(feature = "client")]
pub mod doctor;
#[cfg(feature = "client")]
mod driver;
#[cfg(feature = "client")]
mod event;
#[cfg(not(feature = "client"))]
mod headless;
mod interfaces;
mod network;
mod remembered;
mod search;
mod sockets;
mod targets;
mod tell;
#[cfg(feature = "client")]
mod view;
#[cfg(feature = "client")]
mod who;

use crate::command::Peer;
use crate::failure::Failure;
use chat_core::username::Username;
use network::Network;

/// Runs a peer until the end of input or a signal.
///
/// # Errors
/// Wrong usage, an address that cannot be bound, or the members refuse.
#[cfg(feature = "client")]
pub fn run(options: &Peer) -> Result<(), Failure> {
    use crate::script::{Talk, Way};
    let name = crate::client::checked_name(Some(options.name.clone()))?;
    let denied = denied(options)?;
    let network = Network::open(options)?;
    let talk = Talk::open(&options.setup(), Way::Mesh, crate::clock::now())?;
    driver::run(name, &denied, options, network, talk)
}

/// Runs a peer until a signal.
///
/// # Errors
/// Wrong usage, an address that cannot be bound, or the members refuse.
#[cfg(not(feature = "client"))]
pub fn run(options: &Peer) -> Result<(), Failure> {
    let name =
        Username::new(&options.name).map_err(|error| Failure::usage(format!("--name {:?}: {error}", options.name)))?;
    headless::run(&name, &denied(options)?, options, Network::open(options)?)
}

/// The names of `--deny`.
fn denied(options: &Peer) -> Result<Vec<Username>, Failure> {
    let name = |text: &String| {
        Username::new(&composed(text))
            .map_err(|error| Failure::usage(format!("--deny {text:?}: nobody can have this name: {error}")))
    };
    options.deny.iter().map(name).collect()
}

/// A name with its characters composed, as all have it.
#[cfg(feature = "client")]
fn composed(name: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    name.nfc().collect()
}

/// A name as it is: a program for machines has no tables to compose characters, and refuses those that are not.
#[cfg(not(feature = "client"))]
fn composed(name: &str) -> String {
    name.to_owned()
}

/// The engine's seed, from the operating system's source of randomness.
fn seed() -> Result<[u8; 16], Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::lost(format!("the system gives no random numbers: {error}")))?;
    Ok(bytes)
}
