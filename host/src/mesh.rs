//! The mesh peer: sockets, interfaces, time and the user around the engine of `chat_core::mesh`.
//!
//! The engine says whom it looks for; this module decides how far that reaches: multicast and broadcast on every usable interface,
//! the addresses of `--join`, and peers remembered from earlier runs. No rule of the protocol stands here.

pub mod doctor;
mod driver;
mod event;
mod interfaces;
mod remembered;
mod search;
mod sockets;
mod targets;
mod tell;
mod view;

use crate::clock;
use crate::command::Peer;
use crate::failure::Failure;
use crate::script::{Setup, Talk};
use crate::terminal::Options;
use chat_core::username::Username;
use interfaces::Selection;
use unicode_normalization::UnicodeNormalization as _;

/// Runs a peer until the end of input or a signal.
///
/// # Errors
/// Wrong usage, an address that cannot be bound, or the members refuse.
pub fn run(options: &Peer) -> Result<(), Failure> {
    let name = crate::client::checked_name(Some(options.name.clone()))?;
    let denied = options.deny.iter().map(|name| denied_name(name)).collect::<Result<Vec<_>, _>>()?;
    let setup = Setup {
        options: Options {
            json: options.json,
            plain: options.plain,
            reads_input: true,
            color: options.color,
            bell: options.bell,
        },
        exec: options.exec.clone(),
        headless: options.headless,
    };
    let sockets = sockets::Sockets::open(options.listen)?;
    let selection = (!options.no_discovery).then(|| Selection::new(&options.interface, options.listen));
    let talk = Talk::open(&setup, "the group", clock::now())?;
    // Not the reactor's own: with that, its helper thread wakes several times for each datagram, to see who waits.
    smol::future::block_on(driver::run(name, &denied, options.join.clone(), selection, sockets, talk))
}

/// A name of `--deny`.
fn denied_name(name: &str) -> Result<Username, Failure> {
    let composed: String = name.nfc().collect();
    Username::new(&composed)
        .map_err(|error| Failure::usage(format!("--deny {name:?}: nobody can have this name: {error}")))
}
