//! The room's server (docs/room-protocol.md section 6).
//!
//! It has two machines: [`Room`], which all connections share, and [`Session`], one for each connection.

mod config;
mod departed;
mod history;
pub mod journal;
mod room;
mod roster;
mod session;

pub use config::Config;
pub use history::History;
pub use journal::{Cursor, Journal, Lagged, Mark};
pub use room::{Admission, Join, Room, SayError, WallTime};
pub use roster::{FixedRoster, Full, Member, MemberId, Roster};
pub use session::{Request, Session};
