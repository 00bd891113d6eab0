//! A relay's client over core: greets, says a text, and shows what is said until its own text comes back.
//!
//!     cargo run -p chat-core --example relay_client -- 127.0.0.1:9090 "good morning"

use chat_core::limits::DATAGRAM_BYTES_MAX;
use chat_core::relay::client::{Client, Config, Output};
use chat_core::text::Text;
use chat_core::time::Instant;
use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::io::ErrorKind::{ConnectionRefused, TimedOut, WouldBlock};
use std::net::UdpSocket;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, server, text] = &arguments[..] else { return Err("usage: relay_client HOST:PORT TEXT".into()) };
    let start = std::time::Instant::now();
    let now = || Instant::from_millis(start.elapsed().as_secs() * 1_000 + u64::from(start.elapsed().subsec_millis()));
    let socket = UdpSocket::bind(if server.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" })?;
    socket.connect(server)?;
    let mut client = Client::new(Config::DEFAULT, now(), RandomState::new().hash_one(server));
    client.send(now(), Text::new(text)?)?;

    let mut buffer = [0; DATAGRAM_BYTES_MAX + 1];
    loop {
        if client.poll_timeout().is_some_and(|due| due <= now()) {
            client.handle_timeout(now());
        }
        let mut done = false;
        while let Some(output) = client.poll_output() {
            match output {
                // Whatever happens to a datagram, the engine notices by what comes back.
                Output::Send(datagram) => drop(socket.send(datagram)),
                Output::Incoming { sender, text, own, .. } => {
                    println!("<From {sender}>: {}", text.as_str());
                    done |= own;
                }
                Output::Refused(reason) => return Err(reason.to_string().into()),
                Output::Unconfirmed(_) => return Err("the text did not come back".into()),
                Output::Presence(_) => {}
            }
        }
        if done {
            return Ok(());
        }
        let due = client.poll_timeout().map_or(Duration::from_secs(1), |due| due - now());
        socket.set_read_timeout(Some(due.max(Duration::from_millis(1))))?;
        match socket.recv(&mut buffer) {
            Ok(length) => client.handle_datagram(now(), &buffer[..length]),
            Err(error) if matches!(error.kind(), WouldBlock | TimedOut) => {}
            Err(error) if error.kind() == ConnectionRefused => client.handle_unreachable(now()),
            Err(error) => return Err(error.into()),
        }
    }
}
