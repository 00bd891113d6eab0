//! The roster: the members of a room, each in a slot of its own for as long as it is one.
//!
//! It is a trait because it has two implementors: [`FixedRoster`] here, for a microcontroller, and one in host that grows.

use crate::limits::Full;
use crate::room::Token;
use crate::username::Username;

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, which no other member has.
    pub name: Username,
    /// The secret by which it proves that it is the member that joined.
    pub token: Token,
    /// Grows when the member goes on from another connection, so that the old connection is ignored.
    pub generation: u64,
    /// The highest message number that was taken of it; 0 if none was.
    pub taken: u32,
}

/// A member as its connection knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberId {
    /// Its slot in the roster.
    pub slot: u32,
    /// The generation of its connection: no other member and no other connection has the same.
    pub generation: u64,
}

/// The members, in slots numbered from 0. Slots are used again.
pub trait Roster {
    /// Enters a member whose name nobody has, and gives its slot.
    ///
    /// # Errors
    /// [`Full`] when there is no room; nothing has changed then.
    fn admit(&mut self, member: Member) -> Result<u32, Full>;

    /// The slot of the member with this name.
    fn find(&self, name: &Username) -> Option<u32>;

    /// The member in a slot.
    fn get(&self, slot: u32) -> Option<&Member>;

    /// The member in a slot, to change anything but its name.
    fn get_mut(&mut self, slot: u32) -> Option<&mut Member>;

    /// Takes the member out of its slot.
    fn remove(&mut self, slot: u32) -> Option<Member>;

    /// How many members there are.
    fn count(&self) -> u32;

    /// One more than the highest slot that may be in use.
    fn slot_count(&self) -> u32;
}

/// A roster of at most `N` members in place. Look-up takes `N` steps: it is meant for few members.
#[derive(Debug)]
pub struct FixedRoster<const N: usize> {
    /// The slots.
    slots: [Option<Member>; N],
}

impl<const N: usize> FixedRoster<N> {
    /// An empty roster.
    pub const fn new() -> Self {
        Self { slots: [const { None }; N] }
    }
}

impl<const N: usize> Default for FixedRoster<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// An index as the number of a slot; `None` if it has more than 32 bits.
fn slot(index: usize) -> Option<u32> {
    u32::try_from(index).ok()
}

impl<const N: usize> Roster for FixedRoster<N> {
    fn admit(&mut self, member: Member) -> Result<u32, Full> {
        let free = self.slots.iter().position(Option::is_none).and_then(slot).ok_or(Full)?;
        self.slots[free as usize] = Some(member);
        Ok(free)
    }

    fn find(&self, name: &Username) -> Option<u32> {
        self.slots.iter().position(|member| member.as_ref().is_some_and(|member| member.name == *name)).and_then(slot)
    }

    fn get(&self, slot: u32) -> Option<&Member> {
        self.slots.get(slot as usize)?.as_ref()
    }

    fn get_mut(&mut self, slot: u32) -> Option<&mut Member> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    fn remove(&mut self, slot: u32) -> Option<Member> {
        self.slots.get_mut(slot as usize)?.take()
    }

    fn count(&self) -> u32 {
        self.slots.iter().flatten().map(|_| 1).sum()
    }

    fn slot_count(&self) -> u32 {
        slot(N).unwrap_or(u32::MAX)
    }
}
