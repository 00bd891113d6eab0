//! A peer of the mesh over this machine's loopback, as a microcontroller would run it: one buffer, one socket, one loop.
//!
//! `cargo run -p chat-core --example mesh_peer -- anna` prints its address; in another terminal
//! `cargo run -p chat-core --example mesh_peer -- bert 127.0.0.1:PORT` joins it. What is typed is said to all.

use chat_core::mesh::{Arrival, Config, Event, Output, Peer, SmallStorage, Target};
use chat_core::{text::Text, time::Instant, username::Username};
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = Username::new(&arguments.next().ok_or("usage: mesh_peer NAME [ADDRESS OF ANOTHER]")?)?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let addresses = [socket.local_addr()?];
    println!("{}", addresses[0]);

    // No multicast here: whoever is not named is not found.
    let mut config = Config { addresses: &addresses, discovery: false, ..Config::new(name) };
    if let Some(other) = arguments.next() {
        config.join.push(other.parse::<SocketAddr>()?).map_err(|_| "too many addresses")?;
    }
    let started = std::time::Instant::now();
    let now = || Instant::from_millis(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
    let mut seed = [0; 16];
    seed.chunks_mut(8).for_each(|half| half.copy_from_slice(&RandomState::new().hash_one(0).to_le_bytes()));
    let mut storage = SmallStorage::EMPTY;
    let mut peer = Peer::new(storage.memory(), config, now(), seed);

    let typed = read_lines();
    let mut bytes = [0; 1_500];
    loop {
        while let Some(output) = peer.poll_output(now(), Some(unix_ms())) {
            match output {
                Output::Send { to: Target::Unicast(to), bytes } => _ = socket.send_to(bytes, to),
                Output::Send { to: Target::Multicast, .. } => {}
                Output::Event(Event::Message(message)) => println!("{}: {}", message.name, message.text.as_str()),
                Output::Event(Event::Ended) => return Ok(()),
                Output::Event(event) => println!("({event:?})"),
            }
        }
        let due_at = peer.poll_timeout().map_or(Duration::MAX, |due_at| due_at - now());
        // The lines that are typed are looked at ten times a second.
        let pause = due_at.clamp(Duration::from_millis(1), Duration::from_millis(100));
        socket.set_read_timeout(Some(pause))?;
        if let Ok((length, source)) = socket.recv_from(&mut bytes) {
            peer.handle_datagram(now(), source, Arrival::Unicast, &bytes[..length]);
        } else if let Ok(line) = typed.try_recv()
            && let Ok(text) = Text::new(&line)
            && let Err(error) = peer.say(now(), unix_ms(), false, text)
        {
            println!("(not said: {error})");
        } else {
            peer.handle_timeout(now());
        }
    }
}

/// The lines of standard input, from a thread of their own.
fn read_lines() -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    lines
}

/// The wall clock.
fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
