//! Wire formats and protocol engines of chat-host: chat for small machines, without `std`, allocator, sockets or clock.
//!
//! It holds all rules that a client or a server of the relay (UDP) or the room (TCP, a serial line, a WebSocket), or a peer of the
//! mesh (UDP, no server), has to follow; docs/relay-protocol.md, docs/room-protocol.md and docs/mesh-protocol.md say the same in
//! words. An *engine* is a state machine for one
//! role of one protocol: the caller hands in what arrived and when ([`time::Instant`]), and takes out what is to be sent and shown.
//!
//! | role | engine |
//! | --- | --- |
//! | relay's server, client, health check | [`relay::server::Server`], [`relay::client::Client`], [`relay::Prober`] |
//! | room's server: what all share, one connection | [`room::server::Room`], [`room::server::Connection`] |
//! | room's client, health check | [`room::client::Client`], [`room::Prober`] |
//! | mesh's peer | [`mesh::Peer`] |
//! | the framing before the room's server that a browser needs | [`websocket::WebSocket`] |
//!
//! Every container has a fixed capacity ([`limits`]); the call that finds one full says so or follows a documented policy. Engines run
//! unchanged on a microcontroller. The folder `examples/` has a relay's client, a room's client, a room's server in one loop, and a mesh's peer.
//!
//! # A room and two members, over byte arrays
//!
//! ```
//! use chat_core::frame::{Decoder, Frame};
//! use chat_core::room::client::{self, Client, Output};
//! use chat_core::room::server::{Config, Connection, Context, FixedBuffer, FixedRoster, History, Journal, Mark, Room, WallTime};
//! use chat_core::room::Kind;
//! use chat_core::{text::Text, time::Instant, username::Username};
//!
//! /// A room of eight members that keeps 4 KiB of what was said.
//! type SmallRoom = Room<FixedRoster<8>, [u8; 4_096], [Mark; 8], [Frame; 10]>;
//! /// A member, the server's end of its line, and what it has been shown.
//! type Line = (Client, Connection<FixedBuffer<2_048>>, Vec<String>);
//!
//! const CONFIG: Config = Config::DEFAULT;
//! let now = Instant::from_millis(0);
//! let (journal, history) = (Journal::new([0; 4_096], [Mark::default(); 8]), History::new([Frame::EMPTY; 10]));
//! let mut room = SmallRoom::new(CONFIG, 1, FixedRoster::new(), journal, history);
//!
//! /// Carries out what a client asks for, and notes what it shows.
//! fn drain(client: &mut Client, shown: &mut Vec<String>, now: Instant) {
//!     while let Some(output) = client.poll_output() {
//!         match output {
//!             Output::Connect => client.handle_connected(now),
//!             Output::Message(said) => shown.push(format!("{}: {}", said.name, said.text)),
//!             Output::Joined(name) => shown.push(format!("{name} has joined")),
//!             _ => {}
//!         }
//!     }
//! }
//!
//! /// Carries bytes both ways until nobody has anything more to send.
//! fn carry((client, connection, shown): &mut Line, room: &mut SmallRoom, now: Instant) {
//!     let context = Context { config: &CONFIG, now, wall_time: WallTime { unix_ms: 0, trusted: false } };
//!     client.handle_timeout(now);
//!     drain(client, shown, now);
//!     loop {
//!         while let Some(frame) = client.poll_frame() {
//!             connection.handle_bytes(context, room, &mut Decoder::new(), frame);
//!         }
//!         let Ok((first, second)) = connection.poll_output(room) else { continue };
//!         let bytes = [first, second].concat();
//!         if bytes.is_empty() {
//!             return;
//!         }
//!         connection.handle_sent(now, room, bytes.len());
//!         let mut input = bytes.as_slice();
//!         while !input.is_empty() {
//!             client.handle_bytes(now, &mut input);
//!             drain(client, shown, now);
//!         }
//!     }
//! }
//!
//! let mut lines = ["ann", "bob"].map(|name| -> Line {
//!     // A token is 128 bits of randomness, by which the server knows the member again after a cut.
//!     let (name, token) = (Username::new(name).unwrap(), [name.as_bytes()[0]; 16]);
//!     (Client::new(client::Config::DEFAULT, now, 7, name, token), Connection::new(now, None), Vec::new())
//! });
//! for index in [0, 1] {
//!     lines[index].0.say(Kind::Plain, Text::new("good morning")?).unwrap();
//!     carry(&mut lines[index], &mut room, now);
//! }
//! carry(&mut lines[0], &mut room, now);
//! assert_eq!(lines[0].2, ["ann: good morning", "bob has joined", "bob: good morning"]);
//! // The newcomer was given the history.
//! assert_eq!(lines[1].2, ["ann: good morning", "bob: good morning"]);
//! # Ok::<(), chat_core::text::TextError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

pub mod address;
pub mod bucket;
pub mod datagram;
pub mod frame;
pub mod limits;
pub mod mesh;
pub mod refusal;
pub mod relay;
pub mod room;
pub mod text;
pub mod time;
pub mod username;
pub mod websocket;
