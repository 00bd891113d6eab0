//! `chat-host client`: picks the protocol that the command line names.

use crate::command::Client;
use crate::failure::Failure;
use crate::relay;
use crate::screen::Screen;

/// Runs a client until the end of input or a signal.
///
/// # Errors
/// Wrong usage, or the server refuses or is lost.
pub fn run(options: &Client) -> Result<(), Failure> {
    let Some(endpoint) = &options.udp else {
        return Err(Failure::usage("say where to: client --udp HOST[:PORT], for example --udp 192.168.1.5"));
    };
    let mut screen = Screen::new(options.json);
    smol::block_on(relay::client::run(endpoint, &mut screen))
}
