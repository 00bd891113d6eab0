//! What was shown: for each origin the number up to which all of its messages were shown or lost, and what is missing beyond
//! (docs/mesh-protocol.md section 9.3, "The vector").
//!
//! Invariant: the number of an entry only rises, by 1 for each message shown and by n for n lost ones, but for the hand-over.

use super::config::Timers;
use super::digest::Digester;
use super::gap::Gap;
use super::item::Pair;
use super::sorted::{Keyed, Sorted};
use super::{Digest, PeerId};
use crate::limits::{MESH_ASK_NUMBERS_MAX, MESH_FLOOD_PER_SECOND_MAX};
use crate::time::Instant;

/// What is known of the messages of one origin.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Whose they are.
    pub(super) origin: PeerId,
    /// Up to this number all were shown or lost.
    pub(super) number: u32,
    /// Which of the 32 behind it are held: bit i stands for `number + 1 + i`.
    pub(super) held: u32,
    /// The highest number that was heard of.
    pub(super) head: u32,
    /// How many were lost, and the user does not know it yet.
    pub(super) lost: u32,
    /// The highest Lamport value heard from the origin.
    pub(super) lamport: u64,
    /// When `number` changed last.
    pub(super) changed_at: Instant,
    /// Whether the origin is a member.
    pub(super) is_member: bool,
    /// Whether it stands here because its claim was welcomed, and no giver told of it.
    pub(super) is_claimed: bool,
    /// When the origin is to be told up to where its messages came.
    pub(super) took_at: Option<Instant>,
    /// What is done about missing ones.
    pub(super) gap: Gap,
    /// How much the origin says.
    pub(super) flood: Flood,
}

/// How much an origin says unasked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flood {
    /// Since when it is counted: for a second.
    since: Instant,
    /// How many Says came in that second.
    count: u8,
    /// Whether there were too many in the second before.
    before: bool,
    /// Whether the origin is not heard: since `since`, until its number jumps.
    is_muted: bool,
}

/// What one more unasked Say means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loudness {
    /// It is heard.
    Heard,
    /// It is one too many: from now on the origin is not heard.
    Flooded,
    /// The origin is not heard.
    Muted,
}

impl Flood {
    /// Nothing was said.
    const NONE: Self = Self { since: Instant::from_millis(0), count: 0, before: false, is_muted: false };

    /// One more unasked Say came.
    pub(super) fn handle_say(&mut self, now: Instant) -> Loudness {
        if self.is_muted {
            return Loudness::Muted;
        }
        let passed = (now - self.since).as_millis();
        if passed >= 1_000 {
            self.before = passed < 2_000 && self.count > MESH_FLOOD_PER_SECOND_MAX;
            (self.since, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(1);
        if self.before && self.count > MESH_FLOOD_PER_SECOND_MAX {
            *self = Self { is_muted: true, since: now, ..Self::NONE };
            return Loudness::Flooded;
        }
        Loudness::Heard
    }

    /// Whether the origin is not heard.
    pub(super) const fn is_muted(&self) -> bool {
        self.is_muted
    }

    /// Whether the time of silence is over: the next head heard is where the entry jumps to.
    pub(super) fn is_over(&self, now: Instant, timers: &Timers) -> bool {
        self.is_muted && now - self.since >= timers.flood_mute
    }
}

impl Entry {
    /// An unused entry, for static storage.
    pub const EMPTY: Self = Self {
        origin: PeerId::ZERO,
        number: 0,
        held: 0,
        head: 0,
        lost: 0,
        lamport: 0,
        changed_at: Instant::from_millis(0),
        is_member: false,
        is_claimed: false,
        took_at: None,
        gap: Gap::NONE,
        flood: Flood::NONE,
    };

    /// Whose messages they are.
    pub const fn origin(&self) -> PeerId {
        self.origin
    }

    /// Up to this number all were shown or lost.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// The highest number that was heard of.
    pub const fn head(&self) -> u32 {
        self.head
    }

    /// Up to this number all messages are shown, lost or held.
    pub(super) const fn top(&self) -> u32 {
        self.number.saturating_add(self.held.trailing_ones())
    }

    /// The bit of a number; `None` if it was shown or is too far ahead.
    pub(super) const fn bit(&self, number: u32) -> Option<u32> {
        match number.checked_sub(self.number) {
            Some(ahead @ 1..=MESH_ASK_NUMBERS_MAX) => Some(1 << (ahead - 1)),
            _ => None,
        }
    }

    /// Whether a message is missing.
    pub(super) const fn is_missing(&self) -> bool {
        self.head > self.top()
    }

    /// Which messages are missing: the first, and bits for it and the 31 behind it.
    pub(super) fn missing(&self) -> (u32, u32) {
        let first = self.top().saturating_add(1);
        let wanted = |ahead: &u32| {
            let number = first.saturating_add(*ahead);
            number <= self.head && self.bit(number).is_some_and(|bit| self.held & bit == 0)
        };
        (first, (0..MESH_ASK_NUMBERS_MAX).filter(wanted).fold(0, |bits, ahead| bits | 1 << ahead))
    }

    /// All up to this number was shown, lost or skipped.
    pub(super) fn advance_to(&mut self, now: Instant, number: u32) {
        let ahead = number.saturating_sub(self.number);
        self.held = self.held.checked_shr(ahead).unwrap_or(0);
        self.number = self.number.max(number);
        self.head = self.head.max(self.number);
        self.changed_at = now;
    }

    /// The origin is heard again: what it said meanwhile, up to `head`, is lost.
    pub(super) fn unmute(&mut self, now: Instant, head: u32) {
        self.flood = Flood::NONE;
        let count = head.saturating_sub(self.number);
        self.advance_to(now, head);
        self.lost = self.lost.saturating_add(count);
        self.gap = Gap::NONE;
    }

    /// A message was heard of, from `informer`.
    pub(super) fn hear_head(&mut self, now: Instant, timers: &Timers, head: u32, informer: PeerId) {
        if head > self.head {
            self.head = head;
        }
        if self.is_missing() {
            self.gap.open(now, timers, informer);
        }
    }
}

impl Keyed for Entry {
    fn id(&self) -> PeerId {
        self.origin
    }
}

/// All entries.
#[derive(Debug)]
pub(super) struct Vector<'s> {
    /// The entries.
    entries: Sorted<'s, Entry>,
}

impl<'s> Vector<'s> {
    /// No entries yet.
    pub(super) const fn new(slots: &'s mut [Entry]) -> Self {
        Self { entries: Sorted::new(slots) }
    }

    /// All entries by origin.
    pub(super) fn entries(&self) -> &[Entry] {
        self.entries.as_slice()
    }

    /// All entries by origin. Their origins must not be changed.
    pub(super) fn entries_mut(&mut self) -> &mut [Entry] {
        self.entries.as_mut_slice()
    }

    /// The entries of higher ids than this.
    pub(super) fn after(&self, id: PeerId) -> &[Entry] {
        self.entries.after(id)
    }

    /// The entry of an origin.
    pub(super) fn get(&self, origin: PeerId) -> Option<&Entry> {
        self.entries.get(origin)
    }

    /// The entry of an origin.
    pub(super) fn get_mut(&mut self, origin: PeerId) -> Option<&mut Entry> {
        self.entries.get_mut(origin)
    }

    /// The entry of an origin, made if there is none: all up to `number` counts as shown. Where there is no room, the departed
    /// origin with the lowest last Lamport value goes; `None` if all are members.
    pub(super) fn entry(&mut self, now: Instant, origin: PeerId, number: u32) -> Option<&mut Entry> {
        if self.entries.get(origin).is_none() {
            if self.entries.is_full() {
                let departed = self.entries().iter().filter(|entry| !entry.is_member);
                let gone = departed.min_by_key(|entry| entry.lamport).map(|entry| entry.origin)?;
                self.entries.remove(gone);
            }
            let entry = Entry { origin, number, head: number, changed_at: now, ..Entry::EMPTY };
            self.entries.insert(entry).ok()?;
        }
        self.entries.get_mut(origin)
    }

    /// Forgets an entry.
    pub(super) fn remove(&mut self, origin: PeerId) {
        self.entries.remove(origin);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// The digest of the members' entries that have not changed for a while. Work: one pass.
    pub(super) fn digest(&self, now: Instant, timers: &Timers) -> Digest {
        let is_settled = |entry: &&Entry| entry.is_member && now - entry.changed_at >= timers.heads_settled;
        let settled = self.entries().iter().filter(is_settled);
        settled
            .fold(Digester::NEW, |digest, entry| {
                digest.bytes(&entry.origin.0.to_le_bytes()).bytes(&entry.number.to_le_bytes())
            })
            .finish()
    }

    /// The entries that changed lately, but that of `own`, as they are told in Heads; starting at a random one.
    pub(super) fn recent(
        &self,
        now: Instant,
        timers: &Timers,
        own: PeerId,
        start: usize,
    ) -> impl Iterator<Item = Pair> {
        let entries = self.entries();
        let start = start.checked_rem(entries.len()).unwrap_or(0);
        let span = timers.heads_recent;
        let is_recent = move |entry: &&Entry| entry.origin != own && entry.number > 0 && now - entry.changed_at < span;
        let in_turn = entries[start..].iter().chain(&entries[..start]);
        in_turn.filter(is_recent).map(|entry| Pair { origin: entry.origin, number: entry.number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMERS: Timers = Timers::DEFAULT;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn missing_numbers_are_those_between_what_is_held() {
        let entry = Entry { number: 10, held: 0b1011, head: 16, ..Entry::EMPTY };
        assert_eq!(entry.top(), 12);
        // 13, 15 and 16.
        assert_eq!(entry.missing(), (13, 0b1101));
        let full = Entry { number: 10, held: 0b11, head: 12, ..Entry::EMPTY };
        assert!(!full.is_missing());
        assert_eq!(full.missing(), (13, 0));
    }

    #[test]
    fn no_more_than_32_numbers_are_asked_for_or_held() {
        let entry = Entry { number: 0, head: 1_000, ..Entry::EMPTY };
        assert_eq!(entry.missing(), (1, u32::MAX));
        assert_eq!((entry.bit(0), entry.bit(1), entry.bit(32), entry.bit(33)), (None, Some(1), Some(1 << 31), None));
        let last = Entry { number: u32::MAX, head: u32::MAX, ..Entry::EMPTY };
        assert_eq!(last.missing().1, 0);
    }

    #[test]
    fn advance_shifts_what_is_held() {
        let mut entry = Entry { number: 0, held: 0b1010, head: 4, ..Entry::EMPTY };
        entry.advance_to(at(5), 1);
        assert_eq!((entry.number, entry.held, entry.changed_at), (1, 0b101, at(5)));
        entry.advance_to(at(6), 40);
        assert_eq!((entry.number, entry.held, entry.head), (40, 0, 40));
    }

    #[test]
    fn departed_with_the_lowest_lamport_makes_room_and_members_never() {
        let mut slots = [Entry::EMPTY; 3];
        let mut vector = Vector::new(&mut slots);
        for (origin, lamport, is_member) in [(1, 9, false), (2, 3, false), (3, 1, true)] {
            let entry = vector.entry(at(0), PeerId(origin), 0).unwrap();
            (entry.lamport, entry.is_member) = (lamport, is_member);
        }
        vector.entry(at(0), PeerId(4), 7).unwrap().is_member = true;
        assert!(vector.get(PeerId(2)).is_none());
        assert_eq!(vector.get(PeerId(4)).unwrap().number, 7);
        vector.entry(at(0), PeerId(5), 0).unwrap().is_member = true;
        assert!(vector.entry(at(0), PeerId(6), 0).is_none());
    }

    #[test]
    fn more_than_50_in_two_seconds_running_are_a_flood_and_in_one_are_not() {
        let mut flood = Flood::NONE;
        let mut say = |millis| flood.handle_say(at(millis));
        for index in 0..60 {
            assert_eq!(say(10_000 + index), Loudness::Heard);
        }
        for index in 0..50 {
            assert_eq!(say(11_000 + index), Loudness::Heard);
        }
        assert_eq!(say(11_500), Loudness::Flooded);
        assert_eq!(say(11_501), Loudness::Muted);
        assert!(!flood.is_over(at(21_499), &TIMERS));
        assert!(flood.is_over(at(21_500), &TIMERS));
        let mut slow = Flood::NONE;
        for second in 0..20 {
            for index in 0..50 {
                assert_eq!(slow.handle_say(at(second * 1_000 + index)), Loudness::Heard);
            }
        }
    }

    #[test]
    fn digest_has_only_settled_members() {
        let mut slots = [Entry::EMPTY; 3];
        let mut vector = Vector::new(&mut slots);
        let empty = vector.digest(at(0), &TIMERS);
        vector.entry(at(0), PeerId(1), 5).unwrap();
        assert_eq!(vector.digest(at(9_000), &TIMERS), empty);
        vector.get_mut(PeerId(1)).unwrap().is_member = true;
        assert_eq!(vector.digest(at(4_999), &TIMERS), empty);
        assert_ne!(vector.digest(at(5_000), &TIMERS), empty);
    }
}
