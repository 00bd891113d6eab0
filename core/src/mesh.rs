//! The mesh: a room without a server, over UDP (docs/mesh-protocol.md).
//!
//! Every peer runs the same engine, [`Peer`]. It composes three machines that know nothing of each other: admission (who seeks,
//! founds, claims and objects), membership (who is there, and who has died) and the log (what was said, shown and is missing).
//! Nobody is a server; anybody may crash.
//!
//! Two peers meet and talk; their network is two lists of datagrams:
//!
//! ```
//! use chat_core::mesh::{Arrival, Config, Event, Output, Peer, SmallStorage, Target};
//! use chat_core::{text::Text, time::Instant, username::Username};
//! use core::{net::SocketAddr, time::Duration};
//!
//! let addresses: [SocketAddr; 2] = ["192.0.2.1:9292".parse()?, "192.0.2.2:9292".parse()?];
//! let mut storage = [const { SmallStorage::EMPTY }; 2];
//! let mut now = Instant::from_millis(0);
//! let mut peers: Vec<Peer<'_>> = Vec::new();
//! for ((memory, name), seed) in storage.iter_mut().zip(["anna", "bert"]).zip(1..) {
//!     // Real seeds are random.
//!     peers.push(Peer::new(memory.memory(), Config::new(Username::new(name)?), now, [seed; 16]));
//! }
//!
//! let mut heard = Vec::new();
//! let mut said = false;
//! while heard.is_empty() && now < Instant::from_millis(20_000) {
//!     for index in [0, 1] {
//!         peers[index].handle_timeout(now);
//!         while let Some(output) = peers[index].poll_output(now, None) {
//!             match output {
//!                 Output::Send { to, bytes } => {
//!                     let arrival = if to == Target::Multicast { Arrival::Multicast } else { Arrival::Unicast };
//!                     let bytes = bytes.to_vec();
//!                     peers[1 - index].handle_datagram(now, addresses[index], arrival, &bytes);
//!                 }
//!                 Output::Event(Event::Message(message)) if !message.own => {
//!                     heard.push((message.name.to_owned(), message.text.as_str().to_owned()));
//!                 }
//!                 Output::Event(_) => {}
//!             }
//!         }
//!     }
//!     // Both are members, and anna knows of bert.
//!     if !said && peers[0].members(now).filter(|member| member.rank > 0).count() == 2 {
//!         said = peers[0].say(now, 1_700_000_000_000, false, Text::new("hello")?).is_ok();
//!     }
//!     now = now + Duration::from_millis(10);
//! }
//! assert_eq!(heard, [("anna".to_owned(), "hello".to_owned())]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod budget;
mod claimant;
mod config;
mod counters;
mod digest;
mod discovery;
mod event;
mod farewell;
mod flight;
mod gap;
mod guard;
mod handover;
mod history;
mod item;
mod list;
mod log;
mod memory;
mod names;
mod peer;
mod prober;
mod random;
mod repair;
mod ring;
mod row;
mod rumour;
mod sorted;
mod table;
mod token;
mod vector;
mod walk;

pub use budget::Account;
pub use claimant::Ask;
pub use config::{Config, GROUP_IPV4, GROUP_IPV6, PORT, Timers};
pub use counters::Counters;
pub use event::{Event, FullName, Member, Message};
pub use flight::Flight;
pub use item::{Body, Digest, Item, Nonce, PROTOCOL, Pair, PeerId, Say, Standing, TAG_COUNT, Token, WireRow};
pub use list::{Addresses, Packed, Packer};
pub use memory::{HostStorage, Memory, SmallStorage, Storage};
pub use peer::{Arrival, Output, Peer, Phase, SayError, Target};
pub use row::{Row, State};
pub use vector::Entry;
