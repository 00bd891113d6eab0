//! A row of the table: all that is known of one peer.

use super::address::Contacts;
use super::item::{Body, Standing, WireRow};
use super::list::Addresses;
use super::sorted::Keyed;
use super::{PeerId, Token};
use crate::address::Address;
use crate::time::Instant;
use crate::username::Username;
use core::time::Duration;

/// The state of a peer, rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It is being admitted and holds its name.
    Joining,
    /// It is a member.
    Member,
    /// It was silent for too long.
    Dead,
    /// It has left.
    Left,
}

impl State {
    /// Whether the peer is there: joining or a member.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Joining | Self::Member)
    }
}

/// What is still to be done about a live row that a member's table has dead or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing.
    None,
    /// The peer is to be told that it is held dead, because it can refute that and whoever holds it dead may not reach it; then it is probed.
    Untold,
    /// It is to be probed: it may have died unnoticed here.
    Unprobed,
}

/// All that is known of one peer.
#[derive(Debug, Clone)]
pub struct Row {
    /// Whose row it is.
    pub(super) id: PeerId,
    /// Its incarnation; only the peer itself raises it.
    pub(super) incarnation: u32,
    /// Its state.
    pub(super) state: State,
    /// The Lamport value at its admission; 0 while it is joining.
    pub(super) rank: u64,
    /// The binary logarithm of the number of members that it has room for.
    pub(super) capacity_log2: u8,
    /// Its name; `None` if only its death is known.
    pub(super) name: Option<Username>,
    /// A digest of the name's key, so that names are rarely compared in full.
    pub(super) key: u64,
    /// Where it is.
    pub(super) contacts: Contacts,
    /// The token that it gave for the own address.
    pub(super) token: Token,
    /// When it was heard last.
    pub(super) heard_at: Instant,
    /// When its incarnation or state changed last.
    pub(super) changed_at: Instant,
    /// On how many datagrams the row is still to ride.
    pub(super) tells: u8,
    /// The number behind its name, among the members of one name; 1 is not shown.
    pub(super) number: u16,
    /// The number behind its name that the user knows; 0 if the user does not know of the member.
    pub(super) told_number: u16,
    /// Whether it was ever heard, by itself or by Via.
    pub(super) was_heard: bool,
    /// Whether its last sign of life was passed on by somebody else: perhaps the two cannot reach each other.
    pub(super) is_indirect: bool,
    /// Whether it was probed in this round.
    pub(super) probed: bool,
    /// Whether it was a member before it died.
    pub(super) was_member: bool,
    /// Whether its death was seen here or is a rumour; one that a page told is old, and one from before the own death was refuted may be none:
    /// these are told to nobody.
    pub(super) is_rumour: bool,
    /// Whether it died so long ago that nobody is told any more: it is still pinged, so that groups that were parted meet again.
    pub(super) is_lost: bool,
    /// What is still to be done because a member's table has it dead or left.
    pub(super) doubt: Doubt,
    /// Whether its user flooded and that is still to be told.
    pub(super) flooded: bool,
}

impl Row {
    /// An unused row, for static storage: all of it is zero, so that it takes no flash.
    pub const EMPTY: Self = Self {
        id: PeerId::ZERO,
        incarnation: 0,
        state: State::Joining,
        rank: 0,
        capacity_log2: 0,
        name: None,
        key: 0,
        contacts: Contacts::EMPTY,
        token: Token::NONE,
        heard_at: Instant::from_millis(0),
        changed_at: Instant::from_millis(0),
        tells: 0,
        number: 0,
        told_number: 0,
        was_heard: false,
        is_indirect: false,
        probed: false,
        was_member: false,
        is_rumour: false,
        is_lost: false,
        doubt: Doubt::None,
        flooded: false,
    };

    /// Whether the peer is there.
    pub(super) const fn is_live(&self) -> bool {
        self.state.is_live()
    }

    /// Whether it is a member.
    pub(super) const fn is_member(&self) -> bool {
        matches!(self.state, State::Member)
    }

    /// Whether its silence means anything: a member's does, and that of who was heard before.
    pub(super) const fn is_missed(&self) -> bool {
        self.is_live() && (self.is_member() || self.was_heard)
    }

    /// It was heard: by itself, or passed on by somebody else. So it need not be probed.
    pub(super) fn hear(&mut self, now: Instant, is_indirect: bool) {
        (self.heard_at, self.was_heard, self.is_indirect) = (now, true, is_indirect);
        self.clear_doubt();
    }

    /// It is probed in this round.
    pub(super) fn handle_probed(&mut self) {
        self.probed = true;
        self.clear_doubt();
    }

    /// It was heard or is probed, so it need not be probed for what a member's table has.
    fn clear_doubt(&mut self) {
        if self.doubt == Doubt::Unprobed {
            self.doubt = Doubt::None;
        }
    }

    /// Whether it passes things on for the own peer: without its token it believes nothing.
    pub(super) fn can_pass_on(&self) -> bool {
        self.is_live() && self.token != Token::NONE
    }

    /// Whether it has this name.
    pub(super) fn has_name(&self, name: &Username, key: u64) -> bool {
        self.key == key && self.name.as_ref() == Some(name)
    }

    /// What orders members by age: the lowest is the oldest.
    pub(super) const fn seniority(&self) -> (u64, PeerId) {
        (self.rank, self.id)
    }

    /// The whole row, as it is told to somebody at `to`.
    pub(super) fn to_wire(&self, to: Address, now: Instant, silence: Duration) -> WireRow {
        self.to_wire_with(self.contacts.told_to(to, now, silence))
    }

    /// The whole row with these addresses; bare if there is no name.
    pub(super) fn to_wire_with(&self, addresses: Addresses) -> WireRow {
        let Some(name) = self.name.clone() else { return self.to_bare() };
        let body = Body { rank: self.rank, capacity_log2: self.capacity_log2, name, addresses };
        let standing = match self.state {
            State::Joining => Standing::Joining(body),
            State::Member => Standing::Member(body),
            State::Dead => Standing::Dead(body),
            State::Left => Standing::Left(body),
        };
        WireRow { id: self.id, incarnation: self.incarnation, standing }
    }

    /// That the peer is dead or has left, and no more.
    pub(super) const fn to_bare(&self) -> WireRow {
        let standing = match self.state {
            State::Left => Standing::LeftBare,
            _ => Standing::DeadBare,
        };
        WireRow { id: self.id, incarnation: self.incarnation, standing }
    }
}

impl Keyed for Row {
    fn id(&self) -> PeerId {
        self.id
    }
}

impl WireRow {
    /// The state that it tells.
    pub const fn state(&self) -> State {
        match self.standing {
            Standing::Joining(_) => State::Joining,
            Standing::Member(_) => State::Member,
            Standing::Dead(_) | Standing::DeadBare => State::Dead,
            Standing::Left(_) | Standing::LeftBare => State::Left,
        }
    }

    /// Who and where the peer is, if it tells that.
    pub const fn body(&self) -> Option<&Body> {
        match &self.standing {
            Standing::Joining(body) | Standing::Member(body) | Standing::Dead(body) | Standing::Left(body) => {
                Some(body)
            }
            Standing::DeadBare | Standing::LeftBare => None,
        }
    }
}
