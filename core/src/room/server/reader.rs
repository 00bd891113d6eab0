//! One reader of the journal: how far it has got, and what it lacks.

use super::journal::Slices;
use super::{Cursor, Journal, Lagged, Mark};

/// A place in the journal that moves forward only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

    /// It has been sent all that it lacked.
    pub fn finish<B, M>(&mut self, journal: &Journal<B, M>)
    where
        B: AsRef<[u8]> + AsMut<[u8]>,
        M: AsRef<[Mark]> + AsMut<[Mark]>,
    {
        self.cursor = journal.head();
    }

    /// It has been sent `count` bytes of what it lacked. If they end within a frame, the rest of that frame is given, to be sent
    /// before anything else, and counts as read. Work: one step for each of the bytes.
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
