//! A small room, and what it tells newcomers, for the tests of the server's and the client's parts.

use super::{Config, FixedBuffer, FixedRoster, History, Journal, Mark, Room, WallTime};
use crate::frame::Frame;
use crate::room::Welcome;

/// A room of four whose journal keeps 1,024 bytes, all in place.
pub(crate) type SmallRoom = Room<FixedRoster<4>, [u8; 1_024], [Mark; 4], [Frame; 10]>;

/// Any time.
pub(crate) const WALL_TIME: WallTime = WallTime { unix_ms: 1_700_000_000_000, trusted: true };

/// An empty room.
pub(crate) fn room(config: Config) -> SmallRoom {
    let (journal, history) = (Journal::new([0; 1_024], [Mark::default(); 4]), History::new([Frame::EMPTY; 10]));
    Room::new(config, 77, FixedRoster::new(), journal, history)
}

/// What an empty room tells who only observes.
pub(crate) fn welcome() -> Welcome {
    room(Config::DEFAULT).observe(WALL_TIME, None, &mut FixedBuffer::<2_000>::default()).welcome
}
