//! One reader of the journal: how far it has got, and which bytes it lacks.

use super::journal::Slices;
use super::{Cursor, Journal, Lagged, Mark};

/// A place in the journal that moves forward only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reader {
    /// Everything before this place was read or is lost.
    cursor: Cursor,
}

impl Reader {
    /// A reader that begins at `cursor`.
    pub const fn new(cursor: Cursor) -> Self {
        Self { cursor }
    }

    /// The bytes that the reader lacks. If the journal does not hold all of them any more, the reader skips the lost ones.
    ///
    /// # Errors
    /// How many messages the reader has lost; call again for the bytes that it lacks then.
    pub fn read<'j, B, M>(&mut self, journal: &'j Journal<B, M>) -> Result<Slices<'j>, u64>
    where
        B: AsRef<[u8]> + AsMut<[u8]>,
        M: AsRef<[Mark]> + AsMut<[Mark]>,
    {
        journal.read(self.cursor).map_err(|Lagged { messages, cursor }| {
            self.cursor = cursor;
            messages
        })
    }

    /// All bytes that the reader lacked were sent.
    pub fn finish<B, M>(&mut self, journal: &Journal<B, M>)
    where
        B: AsRef<[u8]> + AsMut<[u8]>,
        M: AsRef<[Mark]> + AsMut<[Mark]>,
    {
        self.cursor = journal.head();
    }

    /// The first `count` bytes that the reader lacked were sent. If they end within a frame, returns the rest of that frame, which is
    /// to be sent before anything else and counts as read. Work: one step for each of the bytes.
    pub fn advance<'j, B, M>(&mut self, journal: &'j Journal<B, M>, count: usize) -> Slices<'j>
    where
        B: AsRef<[u8]> + AsMut<[u8]>,
        M: AsRef<[Mark]> + AsMut<[Mark]>,
    {
        let (reached, beyond) = journal.advance(self.cursor, count);
        self.cursor = reached;
        if beyond == 0 {
            return Default::default();
        }
        let (first, second) = journal.read(reached).unwrap_or_default();
        let length = first.iter().chain(second).take_while(|&&byte| byte != 0).count() + 1;
        let (end, _) = journal.advance(reached, length);
        self.cursor = end;
        let rest = |slice: &'j [u8], start: usize, end: usize| &slice[start.min(slice.len())..end.min(slice.len())];
        let second_start = beyond.saturating_sub(first.len());
        (rest(first, beyond, length), rest(second, second_start, length.saturating_sub(first.len())))
    }
}
