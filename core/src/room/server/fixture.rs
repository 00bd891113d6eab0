//! A small room, for the tests of the server's parts.

use super::{Config, FixedRoster, History, Journal, Mark, Room, WallTime};
use crate::frame::Frame;

/// A room of four whose journal keeps 1,024 bytes, all in place.
pub(crate) type SmallRoom = Room<FixedRoster<4>, [u8; 1_024], [Mark; 4], [Frame; 10]>;

/// Any time.
pub(crate) const WALL_TIME: WallTime = WallTime { unix_ms: 1_700_000_000_000, trusted: true };

/// An empty room.
pub(crate) fn room(config: Config) -> SmallRoom {
    let (journal, history) = (Journal::new([0; 1_024], [Mark::default(); 4]), History::new([Frame::EMPTY; 10]));
    Room::new(config, 77, FixedRoster::new(), journal, history)
}
