//! A roster that grows: as many members as there is memory, or as the operator allows.

use chat_core::limits::Full;
use chat_core::room::server::{Member, Roster};
use chat_core::username::Username;
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// A roster without a fixed capacity.
#[derive(Debug)]
pub struct GrowingRoster {
    /// The slots.
    slots: Vec<Option<Slot>>,
    /// Slots that are free.
    free: Vec<u32>,
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
            free: Vec::new(),
            names: HashTable::new(),
            hash: RandomState::new(),
            count_max: count_max.unwrap_or(u32::MAX - 1),
        }
    }

    /// A free slot for a new member. Reserves memory for the member's hash, and for giving the slot back.
    fn reserve(&mut self) -> Result<u32, Full> {
        let Self { slots, free, names, .. } = self;
        names.try_reserve(1, |&slot| hash_at(slots, slot)).map_err(|_| Full)?;
        if let Some(&slot) = free.last() {
            return Ok(slot);
        }
        slots.try_reserve(1).map_err(|_| Full)?;
        // `free` has room for as many entries as there are slots, so that leaving never needs memory.
        let slot_count = slots.len() + 1;
        free.try_reserve(slot_count - free.len()).map_err(|_| Full)?;
        slots.push(None);
        u32::try_from(slots.len() - 1).inspect(|&slot| free.push(slot)).map_err(|_| Full)
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
        self.free.push(slot);
        Some(taken.member)
    }

    fn count(&self) -> u32 {
        // Slots have 32 bits.
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    fn slot_count(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }
}
