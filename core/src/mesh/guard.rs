//! How a peer answers the claim of another (docs/mesh-protocol.md section 7.4, "Answering claims").
//!
//! It judges by facts alone: who finds them, and acts, is [`super::Peer`].

use super::PeerId;
use super::row::State;
use crate::limits::MESH_JOINING_PER_IP_MAX;
use crate::refusal::RefusalReason;

/// What is known here of a claim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// The incarnation that claims.
    pub(super) incarnation: u32,
    /// The claimant's row: incarnation, state, and whether the claim came from one of its addresses.
    pub(super) row: Option<(u32, State, bool)>,
    /// Whether the owner of this peer denies the name.
    pub(super) denied: bool,
    /// Another live row with the name.
    pub(super) holder: Option<(PeerId, State)>,
    /// Somebody with the name that died a moment ago.
    pub(super) holder_dead: Option<PeerId>,
    /// The own id.
    pub(super) own: PeerId,
    /// Whether there is room for another live row.
    pub(super) has_room: bool,
    /// Joining rows of others from the same IP address, without a proven address.
    pub(super) joining_from_ip: usize,
    /// Joining rows of others without a proven address.
    pub(super) joining_unproven: usize,
    /// How many of these there may be.
    pub(super) joining_unproven_max: usize,
}

/// How a claim is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The claimant becomes a joining row and is welcomed.
    Admit,
    /// It is a joining row or a member already, and is welcomed again.
    Repeat,
    /// An objection, with the row of whoever holds the name.
    Object(RefusalReason, Option<PeerId>),
    /// That incarnation is dead or has left here: it is told so.
    Departed,
    /// An older incarnation claims, or one that is a member here already: a datagram that was under way for long.
    Stale,
}

/// Judges a claim.
pub(super) fn judge(facts: &Facts) -> Judgement {
    match facts.row {
        Some((_, state, false)) if state.is_live() => return Judgement::Object(RefusalReason::IdTaken, None),
        Some((incarnation, state, _)) if facts.incarnation <= incarnation && !state.is_live() => {
            return Judgement::Departed;
        }
        Some((incarnation, ..)) if facts.incarnation < incarnation => return Judgement::Stale,
        _ => {}
    }
    if facts.denied {
        return Judgement::Object(RefusalReason::NameDenied, None);
    }
    match (facts.holder, facts.holder_dead) {
        (Some((id, State::Member)), _) if id == facts.own => {
            return Judgement::Object(RefusalReason::NameTaken, Some(id));
        }
        (Some((id, State::Member)), _) | (None, Some(id)) => {
            return Judgement::Object(RefusalReason::NameHeld, Some(id));
        }
        (Some((id, _)), _) => return Judgement::Object(RefusalReason::NameReserved, Some(id)),
        (None, None) => {}
    }
    if facts.row.is_some_and(|(_, state, _)| state.is_live()) {
        return if facts.row.is_some_and(|(incarnation, ..)| incarnation == facts.incarnation) {
            Judgement::Repeat
        } else {
            Judgement::Admit
        };
    }
    if !facts.has_room {
        return Judgement::Object(RefusalReason::Full, None);
    }
    if facts.joining_from_ip >= MESH_JOINING_PER_IP_MAX || facts.joining_unproven >= facts.joining_unproven_max {
        return Judgement::Object(RefusalReason::Busy, None);
    }
    Judgement::Admit
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A claim that nothing speaks against.
    const FACTS: Facts = Facts {
        incarnation: 3,
        row: None,
        denied: false,
        holder: None,
        holder_dead: None,
        own: PeerId(1),
        has_room: true,
        joining_from_ip: 3,
        joining_unproven: 7,
        joining_unproven_max: 8,
    };

    fn check_objection(facts: Facts, reason: RefusalReason, holder: Option<u64>) {
        assert_eq!(judge(&facts), Judgement::Object(reason, holder.map(PeerId)));
    }

    #[test]
    fn free_name_is_admitted_and_a_repeated_claim_welcomed_again() {
        assert_eq!(judge(&FACTS), Judgement::Admit);
        let full = Facts { has_room: false, joining_from_ip: 9, joining_unproven: 9, ..FACTS };
        let row = |state| Facts { row: Some((3, state, true)), ..full };
        assert_eq!(judge(&row(State::Joining)), Judgement::Repeat);
        assert_eq!(judge(&row(State::Member)), Judgement::Repeat);
    }

    #[test]
    fn own_name_is_taken_and_another_member_s_held() {
        check_objection(Facts { holder: Some((PeerId(1), State::Member)), ..FACTS }, RefusalReason::NameTaken, Some(1));
        check_objection(Facts { holder: Some((PeerId(2), State::Member)), ..FACTS }, RefusalReason::NameHeld, Some(2));
        check_objection(Facts { holder_dead: Some(PeerId(2)), ..FACTS }, RefusalReason::NameHeld, Some(2));
    }

    #[test]
    fn name_of_a_newcomer_is_reserved_the_own_too() {
        check_objection(
            Facts { holder: Some((PeerId(2), State::Joining)), ..FACTS },
            RefusalReason::NameReserved,
            Some(2),
        );
        check_objection(
            Facts { holder: Some((PeerId(1), State::Joining)), ..FACTS },
            RefusalReason::NameReserved,
            Some(1),
        );
    }

    #[test]
    fn denied_name_full_and_busy_are_told() {
        check_objection(Facts { denied: true, ..FACTS }, RefusalReason::NameDenied, None);
        check_objection(Facts { has_room: false, ..FACTS }, RefusalReason::Full, None);
        check_objection(Facts { joining_from_ip: 4, ..FACTS }, RefusalReason::Busy, None);
        check_objection(Facts { joining_unproven: 8, ..FACTS }, RefusalReason::Busy, None);
    }

    #[test]
    fn incarnations_that_are_gone_or_old_are_told_apart() {
        for state in [State::Dead, State::Left] {
            assert_eq!(judge(&Facts { row: Some((3, state, true)), ..FACTS }), Judgement::Departed);
            assert_eq!(judge(&Facts { row: Some((4, state, false)), ..FACTS }), Judgement::Departed);
            assert_eq!(judge(&Facts { row: Some((2, state, false)), ..FACTS }), Judgement::Admit);
        }
        assert_eq!(judge(&Facts { row: Some((4, State::Joining, true)), ..FACTS }), Judgement::Stale);
        assert_eq!(judge(&Facts { row: Some((2, State::Joining, true)), ..FACTS }), Judgement::Admit);
        check_objection(Facts { row: Some((3, State::Member, false)), ..FACTS }, RefusalReason::IdTaken, None);
    }
}
