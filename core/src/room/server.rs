//! The room's server (docs/room-protocol.md section 6).
//!
//! It has two machines: [`Room`], which all connections share, and [`Connection`], one for each of them.

mod access;
mod addresses;
mod buffer;
mod config;
mod connection;
mod counter;
mod departed;
#[cfg(test)]
pub(crate) mod fixture;
mod history;
pub mod journal;
mod reader;
mod room;
mod roster;
mod session;

pub use access::{Access, Pace};
pub use addresses::{AddressLimits, Allowance, Origin};
pub use buffer::{Buffer, FixedBuffer};
pub use config::Config;
pub use connection::{Connection, Context};
pub use counter::Counter;
pub use history::History;
pub use journal::{Cursor, Journal, Lagged, Mark};
pub use reader::Reader;
pub use room::{Admission, Join, Room, SayError, WallTime};
pub use roster::{FixedRoster, Member, MemberId, Roster};
