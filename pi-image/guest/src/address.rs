//! The IPv4 address of the Pi among others (docs/pi-image.md, Find it in the network): takes one, tells other machines, and notices
//! one that has it too. What the address does to the interface is a script's task, which is called for each change.

mod arp;
mod claim;

use arp::ArpSocket;
use claim::{Claim, Output};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Instant;

pub(crate) use claim::Origin;

impl Origin {
    /// What the command line names: `link-local`, `leased ADDRESS` or `settings ADDRESS`.
    pub(crate) fn parse(words: &[&str]) -> Option<Self> {
        let address = |text: &str| text.parse::<Ipv4Addr>().ok();
        match words {
            ["link-local"] => Some(Self::LinkLocal),
            ["leased", text] => address(text).map(Self::Leased),
            ["settings", text] => address(text).map(Self::Settings),
            _ => None,
        }
    }
}

/// Keeps an address on an interface. Ends when the interface goes, which is an error, and when a lease is lost. `hook` is called as
/// `hook take|drop|lost INTERFACE ADDRESS`.
pub(crate) fn run(interface: &str, hook: &str, origin: Origin) -> Result<(), String> {
    let failure = |error: io::Error| format!("{interface}: {error}");
    let mut socket = ArpSocket::open(interface).map_err(failure)?;
    let begin = Instant::now();
    let seed = RandomState::new().hash_one(std::process::id());
    let mut claim = Claim::new(origin, socket.hardware, begin.elapsed(), seed);
    loop {
        let wait = claim.poll_timeout().map(|due_at| due_at.saturating_sub(begin.elapsed()));
        let mut outputs = match socket.receive(wait).map_err(failure)? {
            Some(packet) => claim.handle_packet(begin.elapsed(), &packet),
            None => Vec::new(),
        };
        outputs.extend(claim.handle_timeout(begin.elapsed()));
        for output in outputs {
            let (verb, address) = match output {
                Output::Send(packet) => {
                    socket.send(&packet).map_err(failure)?;
                    continue;
                }
                Output::Tell(what) => {
                    println!("pi: {what}");
                    continue;
                }
                Output::Take(address) => ("take", address),
                Output::Drop(address) => ("drop", address),
                Output::Lost(address) => ("lost", address),
            };
            call(hook, verb, interface, address)?;
            if verb == "lost" {
                return Ok(());
            }
        }
    }
}

/// Calls the script.
fn call(hook: &str, verb: &str, interface: &str, address: Ipv4Addr) -> Result<(), String> {
    let status = Command::new(hook).args([verb, interface, &address.to_string()]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{hook} {verb} {interface} {address}: {status}")),
        Err(error) => Err(format!("{hook}: {error}")),
    }
}
