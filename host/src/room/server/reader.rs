//! One reader of a worker's ring: how far it has got, and what it lacks.

use super::registry::Ring;
use chat_core::room::server::journal::Slices;
use chat_core::room::server::{Cursor, Lagged};

/// A place in the journal that moves forward only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// Everything before it was read or is lost.
    cursor: Cursor,
}

impl Reader {
    /// A reader that begins here.
    pub const fn new(cursor: Cursor) -> Self {
        Self { cursor }
    }

    /// What it lacks. If that is not all there, it goes on behind what is lost.
    ///
    /// # Errors
    /// How many messages it has lost; what it lacks now is had by calling again.
    pub fn read<'r>(&mut self, ring: &'r Ring) -> Result<Slices<'r>, u64> {
        ring.read(self.cursor).map_err(|Lagged { messages, cursor }| {
            self.cursor = cursor;
            #[cfg(loom)]
            if super::fault::is_on("lag_is_not_told") {
                return 0;
            }
            messages
        })
    }

    /// It has been sent all that it lacked.
    pub fn finish(&mut self, ring: &Ring) {
        self.cursor = ring.head();
    }

    /// It has been sent this many bytes of what it lacks. If that ends within a frame, the rest of the frame is given, to be
    /// sent before anything else, and counts as read.
    pub fn advance<'r>(&mut self, ring: &'r Ring, count: usize) -> Slices<'r> {
        let (reached, beyond) = ring.advance(self.cursor, count);
        self.cursor = reached;
        if beyond == 0 {
            return Default::default();
        }
        let (first, second) = ring.read(reached).unwrap_or_default();
        let length = first.iter().chain(second).take_while(|&&byte| byte != 0).count() + 1;
        let (end, _) = ring.advance(reached, length);
        self.cursor = end;
        let rest = |slice: &'r [u8], start: usize, end: usize| &slice[start.min(slice.len())..end.min(slice.len())];
        let second_start = beyond.saturating_sub(first.len());
        (rest(first, beyond, length), rest(second, second_start, length.saturating_sub(first.len())))
    }
}
