//! A list of fixed capacity in borrowed memory, sorted by id.
//!
//! Finding takes logarithmic time; inserting and removing move what lies behind. A walk that keeps the id of where it is
//! neither skips nor repeats anybody when others come and go.

use super::PeerId;
use super::item::Pair;
use crate::limits::Full;

/// An entry that belongs to one peer.
pub(super) trait Keyed {
    /// Whose it is.
    fn id(&self) -> PeerId;
}

impl Keyed for Pair {
    fn id(&self) -> PeerId {
        self.origin
    }
}

/// The list.
#[derive(Debug)]
pub(super) struct Sorted<'s, T> {
    /// The entries, then unused ones.
    slots: &'s mut [T],
    /// How many entries there are.
    len: usize,
}

impl<'s, T: Keyed> Sorted<'s, T> {
    /// An empty list with room for as many entries as there are slots.
    pub(super) const fn new(slots: &'s mut [T]) -> Self {
        Self { slots, len: 0 }
    }

    /// Whether there is no room for another entry.
    pub(super) const fn is_full(&self) -> bool {
        self.len == self.slots.len()
    }

    /// The entries by ascending id.
    pub(super) fn as_slice(&self) -> &[T] {
        &self.slots[..self.len]
    }

    /// The entries by ascending id. Their ids must not be changed.
    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.slots[..self.len]
    }

    /// The entry of this peer.
    pub(super) fn get(&self, id: PeerId) -> Option<&T> {
        self.place(id).ok().map(|index| &self.slots[index])
    }

    /// The entry of this peer. Its id must not be changed.
    pub(super) fn get_mut(&mut self, id: PeerId) -> Option<&mut T> {
        self.place(id).ok().map(|index| &mut self.slots[index])
    }

    /// The entries of higher ids than this, by ascending id.
    pub(super) fn after(&self, id: PeerId) -> &[T] {
        let from = self.place(id).map_or_else(|index| index, |index| index + 1);
        &self.as_slice()[from..]
    }

    /// Inserts an entry, or replaces that of the same peer.
    ///
    /// # Errors
    /// [`Full`]; nothing has changed then.
    pub(super) fn insert(&mut self, entry: T) -> Result<&mut T, Full> {
        let index = match self.place(entry.id()) {
            Ok(index) => index,
            Err(_) if self.is_full() => return Err(Full),
            Err(index) => {
                self.len += 1;
                self.slots[index..self.len].rotate_right(1);
                index
            }
        };
        self.slots[index] = entry;
        Ok(&mut self.slots[index])
    }

    /// Removes the entry of this peer, if there is one.
    pub(super) fn remove(&mut self, id: PeerId) {
        if let Ok(index) = self.place(id) {
            self.slots[index..self.len].rotate_left(1);
            self.len -= 1;
        }
    }

    /// Removes every entry.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Where the entry of this peer is, or belongs.
    fn place(&self, id: PeerId) -> Result<usize, usize> {
        self.as_slice().binary_search_by_key(&id, Keyed::id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNUSED: Pair = Pair { origin: PeerId(0), number: 0 };

    fn pair(id: u64, number: u32) -> Pair {
        Pair { origin: PeerId(id), number }
    }

    #[test]
    fn entries_stand_by_id_and_one_too_many_is_refused() {
        let mut slots = [UNUSED; 3];
        let mut list = Sorted::new(&mut slots);
        for id in [7, 2, 5] {
            list.insert(pair(id, 1)).unwrap();
        }
        assert_eq!(list.insert(pair(3, 1)).map(|_| ()), Err(Full));
        assert_eq!(list.as_slice(), [pair(2, 1), pair(5, 1), pair(7, 1)]);
        list.insert(pair(5, 9)).unwrap();
        assert_eq!(list.get(PeerId(5)), Some(&pair(5, 9)));
        assert!(list.is_full());
    }

    #[test]
    fn walk_by_id_neither_skips_nor_repeats_when_entries_come_and_go() {
        let mut slots = [UNUSED; 4];
        let mut list = Sorted::new(&mut slots);
        for id in [2, 5, 7] {
            list.insert(pair(id, 1)).unwrap();
        }
        assert_eq!(list.after(PeerId::ZERO)[0].origin, PeerId(2));
        list.remove(PeerId(2));
        list.remove(PeerId(3));
        assert_eq!(list.after(PeerId(2))[0].origin, PeerId(5));
        list.insert(pair(6, 1)).unwrap();
        assert_eq!(list.after(PeerId(5))[0].origin, PeerId(6));
        assert_eq!(list.after(PeerId(7)), []);
    }
}
