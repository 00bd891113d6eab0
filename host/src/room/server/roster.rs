//! A roster that grows: as many members as there is memory, or as the operator allows.

use chat_core::limits::Full;
use chat_core::room::server::{Member, Roster};
use chat_core::username::Username;
use hashbrown::HashTable;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher, RandomState};

/// A roster without a fixed capacity.
#[derive(Debug)]
pub struct GrowingRoster {
    /// The slots.
    slots: Vec<Option<Slot>>,
    /// Slots that are free. The lowest is taken first, so that a room that was full for a while has short lists of members again.
    free: BinaryHeap<Reverse<u32>>,
    /// One more than the highest slot in use.
    slot_count: u32,
    /// Slots in use by the hash of the name's key.
    names: HashTable<u32>,
    /// Random keys of the hash, because an attacker can choose names.
    hash: RandomState,
    /// Most members that may be admitted.
    count_max: u32,
}

/// A member, with the hash of its name so that growing hashes no name anew.
#[derive(Debug)]
struct Slot {
    /// The member.
    member: Member,
    /// The hash of its name.
    hash: u64,
}

impl GrowingRoster {
    /// An empty roster; `count_max` is the operator's limit.
    pub fn new(count_max: Option<u32>) -> Self {
        Self {
            slots: Vec::new(),
            free: BinaryHeap::new(),
            slot_count: 0,
            names: HashTable::new(),
            hash: RandomState::new(),
            count_max: count_max.unwrap_or(u32::MAX - 1),
        }
    }

    /// A free slot for a new member. Reserves memory for the member's hash, and for giving the slot back.
    fn reserve(&mut self) -> Result<u32, Full> {
        let Self { slots, free, names, .. } = self;
        names.try_reserve(1, |&slot| hash_at(slots, slot)).map_err(|_| Full)?;
        if let Some(&Reverse(slot)) = free.peek() {
            return Ok(slot);
        }
        slots.try_reserve(1).map_err(|_| Full)?;
        // `free` has room for as many entries as there are slots, so that leaving never needs memory.
        let slot_count = slots.len() + 1;
        free.try_reserve(slot_count - free.len()).map_err(|_| Full)?;
        slots.push(None);
        u32::try_from(slots.len() - 1).inspect(|&slot| free.push(Reverse(slot))).map_err(|_| Full)
    }
}

/// The hash of the name in a slot.
fn hash_at(slots: &[Option<Slot>], slot: u32) -> u64 {
    slots.get(slot as usize).and_then(Option::as_ref).map_or(0, |slot| slot.hash)
}

impl Roster for GrowingRoster {
    fn admit(&mut self, member: Member) -> Result<u32, Full> {
        if self.count() >= self.count_max {
            return Err(Full);
        }
        let slot = self.reserve()?;
        self.free.pop();
        let hash = self.hash.hash_one(member.name.key());
        self.slots[slot as usize] = Some(Slot { member, hash });
        self.slot_count = self.slot_count.max(slot + 1);
        let slots = &self.slots;
        self.names.insert_unique(hash, slot, |&slot| hash_at(slots, slot));
        Ok(slot)
    }

    fn find(&self, name: &Username) -> Option<u32> {
        let same = |&slot: &u32| self.get(slot).is_some_and(|member| member.name == *name);
        self.names.find(self.hash.hash_one(name.key()), same).copied()
    }

    fn get(&self, slot: u32) -> Option<&Member> {
        Some(&self.slots.get(slot as usize)?.as_ref()?.member)
    }

    fn get_mut(&mut self, slot: u32) -> Option<&mut Member> {
        Some(&mut self.slots.get_mut(slot as usize)?.as_mut()?.member)
    }

    fn remove(&mut self, slot: u32) -> Option<Member> {
        let taken = self.slots.get_mut(slot as usize)?.take()?;
        if let Ok(entry) = self.names.find_entry(taken.hash, |&other| other == slot) {
            entry.remove();
        }
        // Room for this entry was reserved when the slot was made.
        self.free.push(Reverse(slot));
        // As the lowest free slot is taken first, each slot is counted off once for each time that it was counted.
        while self.slot_count > 0 && self.get(self.slot_count - 1).is_none() {
            self.slot_count -= 1;
        }
        Some(taken.member)
    }

    fn count(&self) -> u32 {
        // Slots have 32 bits.
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    fn slot_count(&self) -> u32 {
        self.slot_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A roster of so many members.
    fn roster(count: u32) -> GrowingRoster {
        let mut roster = GrowingRoster::new(None);
        for index in 0..count {
            assert_eq!(roster.admit(member(index)), Ok(index));
        }
        roster
    }

    fn member(index: u32) -> Member {
        let name = Username::new(&format!("n{index}")).unwrap();
        Member { name, token: [0; 16], generation: 0, taken: 0 }
    }

    #[test]
    fn lowest_free_slot_is_taken_and_free_slots_at_the_end_do_not_count() {
        let mut roster = roster(70);
        for index in 2..69 {
            roster.remove(index);
        }
        assert_eq!((roster.count(), roster.slot_count()), (3, 70));
        roster.remove(69);
        assert_eq!((roster.count(), roster.slot_count()), (2, 2));
        assert_eq!((roster.admit(member(99)), roster.slot_count()), (Ok(2), 3));
        for slot in 0..3 {
            roster.remove(slot);
        }
        assert_eq!((roster.count(), roster.slot_count()), (0, 0));
        assert_eq!((roster.admit(member(1)), roster.find(&member(1).name)), (Ok(0), Some(0)));
    }

    #[test]
    fn one_more_than_the_limit_is_refused_until_somebody_leaves() {
        let mut roster = GrowingRoster::new(Some(1));
        assert_eq!(roster.admit(member(1)), Ok(0));
        assert_eq!(roster.admit(member(2)), Err(Full));
        assert!(roster.remove(0).is_some() && roster.remove(0).is_none());
        assert_eq!(roster.admit(member(2)), Ok(0));
    }
}
