//! A room's client over core: joins, says a text, shows what is said until its own text comes back, and leaves.
//!
//!     cargo run -p chat-core --example room_client -- 127.0.0.1:9191 ann "good morning"

use chat_core::room::Kind;
use chat_core::room::client::{Client, Config, Output};
use chat_core::text::Text;
use chat_core::time::Instant;
use chat_core::username::Username;
use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, server, name, text] = &arguments[..] else { return Err("usage: room_client HOST:PORT NAME TEXT".into()) };
    let start = std::time::Instant::now();
    let now = || Instant::from_millis(start.elapsed().as_secs() * 1_000 + u64::from(start.elapsed().subsec_millis()));
    // A program for every day takes both from the operating system's random source.
    let random = || RandomState::new().hash_one(server);
    let token = (u128::from(random()) << 64 | u128::from(random())).to_le_bytes();
    let mut client = Client::new(Config::DEFAULT, now(), random(), Username::new(name)?, token);
    client.say(Kind::Plain, Text::new(text)?)?;

    let mut stream = None;
    let mut buffer = [0; 1_024];
    while !client.is_ended() {
        if client.poll_timeout().is_some_and(|due| due <= now()) {
            client.handle_timeout(now());
        }
        let length = read(&mut stream, &mut buffer);
        let mut input = &buffer[..length.unwrap_or(0)];
        if length.is_none() && stream.take().is_some() {
            client.handle_disconnected(now());
        }
        loop {
            client.handle_bytes(now(), &mut input);
            while let Some(output) = client.poll_output() {
                match output {
                    Output::Connect => match TcpStream::connect(server) {
                        Ok(connected) => {
                            connected.set_read_timeout(Some(Duration::from_millis(100)))?;
                            stream = Some(connected);
                            client.handle_connected(now());
                        }
                        Err(_) => client.handle_disconnected(now()),
                    },
                    Output::Disconnect => stream = None,
                    Output::Refused(reason) => return Err(reason.to_string().into()),
                    Output::Message(said) => {
                        println!("{}: {}", said.name, said.text);
                        if said.own {
                            client.leave();
                        }
                    }
                    _ => {}
                }
            }
            if input.is_empty() {
                break;
            }
        }
        while let (Some(connected), Some(frame)) = (&mut stream, client.poll_frame()) {
            connected.write_all(frame)?;
        }
    }
    Ok(())
}

/// Reads for a moment; `None` if the connection is gone, or there is none.
fn read(stream: &mut Option<TcpStream>, buffer: &mut [u8]) -> Option<usize> {
    match stream.as_mut()?.read(buffer) {
        Ok(length) => (length > 0).then_some(length),
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut).then_some(0),
    }
}
