//! Measures the mesh's peer as a process among many of its kind, against programs that do less: `mesh measure` (docs/performance.md).
//!
//! The others are this program too, each member a process of one thread: `mesh limit` sends each line to all members by `sendmmsg`
//! and does nothing else; `mesh broadcast` sends it once, by broadcast; `mesh swim` spreads it by the crate foca. All of them read
//! lines, and print each line that is said, as the peer does. Run it in a network namespace: it broadcasts.

mod group;
mod line;
mod measure;
mod plain;
mod swim;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

/// The port of the first member; those of the others follow.
const PORT_FIRST: u16 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words {
        ["measure", program] => measure::run(Path::new(program), &measure::FULL),
        ["measure", program, "--smoke"] => measure::run(Path::new(program), &measure::SMOKE),
        ["limit", index, members] => plain::run(plain::Way::Each, index.parse()?, members.parse()?),
        ["broadcast", index, members] => plain::run(plain::Way::Broadcast, index.parse()?, members.parse()?),
        ["swim", index, members] => swim::run(index.parse()?, members.parse()?),
        _ => Err("usage: mesh measure CHAT-HOST [--smoke] | mesh limit|broadcast|swim INDEX MEMBERS".into()),
    }
}

/// Where the member of this number is.
fn address(index: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, PORT_FIRST + index)
}
