//! The step in which a peer is admitted: invariants 4 and 5.

use super::membership::DEATH_MS;
use super::{Checks, is_live, key_of};
use crate::violation::{Checked, check};
use crate::watch::{Seen, Watch};
use crate::wire;
use chat_core::mesh::{Item, Peer, PeerId};
use chat_core::time::Instant;

/// How long after its start a newcomer founds a group, if it hears of nobody with a lower id.
const FOUND_MS: u64 = 3_100;

/// Who had a name so long ago at most, before somebody claims it, makes that a contest: its row may still be there.
const CONTEST_MS: u64 = 20_000;

impl Checks {
    /// A peer has founded a group. Where nobody is yet, the newcomer with the lowest id does so, if nobody else does before.
    pub(super) fn founds(&mut self, now_ms: u64) -> Checked {
        let is_first = self.founded_ms.is_none()
            && self.promises.timed
            && self.watches.iter().all(|watch| watch.gone_ms.is_none());
        self.founded_ms.get_or_insert(now_ms);
        let lowest = self.runs().min_by_key(|watch| watch.id);
        let due_ms = lowest.map_or(0, |watch| watch.started_ms + FOUND_MS);
        check("MESH-LIVE-2", now_ms, !is_first || now_ms <= due_ms, || {
            format!("a group should have been founded by {due_ms} ms, by {:?}", lowest.map(|watch| watch.slot))
        })
    }

    /// A newcomer was admitted or refused.
    pub(super) fn decides(&mut self, now_ms: u64, index: usize) {
        if !self.promises.timed {
            return;
        }
        let watch = &self.watches[index];
        let others = || (0..).zip(&self.watches).filter(|(other, _)| *other != index).map(|(_, other)| other);
        // Of a group that has died out nobody decides: then the time counts from the last death. Who hears nobody of it cannot know.
        let group = || others().filter(|other| other.admitted_ms.is_some());
        let has_died_out = group().all(|other| other.gone_ms.is_some());
        let died_ms = group().filter_map(|other| other.gone_ms).max().filter(|_| has_died_out).unwrap_or(0);
        if watch.refused_deaf {
            return;
        }
        let is_contested = self.has_lost_since(watch.started_ms)
            || others().any(|other| {
                let is_over = other.gone_ms.is_some_and(|gone_ms| gone_ms + CONTEST_MS < watch.started_ms);
                other.key == watch.key && !is_over
            });
        let times = if is_contested { &mut self.tally.contests_ms } else { &mut self.tally.decisions_ms };
        // Before that there was nobody who could decide.
        let since_ms = self.founded_ms.unwrap_or(0).max(watch.started_ms).max(died_ms);
        times.push(now_ms - since_ms);
    }

    /// Whether somebody has crashed or left since, or so shortly before that its row may still be there: newcomers wait for its answer.
    fn has_lost_since(&self, at_ms: u64) -> bool {
        self.watches.iter().any(|other| other.gone_ms.is_some_and(|gone_ms| gone_ms + DEATH_MS > at_ms))
    }

    /// A peer sends something: whom it welcomes, nobody else in its table has the name of (MESH-GUARD-1), and the row of which it has
    /// (MESH-GUARD-2).
    ///
    /// # Errors
    /// Invariant 5.
    pub fn welcomes(&self, now_ms: u64, index: usize, (peer, now): (&Peer<'_>, Instant), bytes: &[u8]) -> Checked {
        let mut checked = Ok(());
        wire::visit(bytes, |from, _, item| {
            let Item::Welcome { nonce, .. } = item else { return };
            // Of strangers' claims nothing is known.
            let Some(claimant) = self.runs().find(|watch| watch.claims_with(nonce.0)).filter(|_| from == peer.id())
            else {
                return;
            };
            let Watch { slot, rows, .. } = &self.watches[index];
            // A holder that came in the same datagram may have come behind the claim.
            let was_live = |id| rows.iter().any(|row| row.id == id && is_live(row.state));
            let live = || peer.members(now).filter(|row| is_live(row.state));
            let holder = live().find(|row| {
                row.id != claimant.id && was_live(row.id) && key_of(row.name.name.as_str()) == claimant.key
            });
            let has_row = live().any(|row| row.id == claimant.id);
            let right = has_row && holder.is_none();
            checked = check("MESH-INV-5", now_ms, right, || {
                let holder = holder.map(|row| row.id);
                format!(
                    "{slot} welcomes {}, whose name {holder:?} has; the claimant has a row: {has_row}",
                    claimant.slot
                )
            });
        });
        checked
    }

    /// A peer was admitted in this step.
    pub(super) fn admission(&mut self, now_ms: u64, index: usize) -> Checked {
        let watch = &self.watches[index];
        if watch.founded {
            return Ok(());
        }
        let slot = watch.slot;
        let live: Vec<&Seen> = watch.rows.iter().filter(|row| is_live(row.state) && row.id != watch.id).collect();
        let silent = live.iter().find(|row| !watch.welcomers.contains(&row.id));
        check("MESH-INV-4", now_ms, silent.is_none(), || {
            format!("{slot} is admitted, and not welcomed by {silent:?}")
        })?;
        check("MESH-INV-4", now_ms, !watch.welcomers.is_empty(), || format!("{slot} is admitted by nobody"))?;
        let Some(other) = self
            .runs()
            .find(|other| other.id != watch.id && other.is_admitted() && !other.leaving && other.key == watch.key)
        else {
            return Ok(());
        };
        check("MESH-INV-5", now_ms, !self.promises.unique, || {
            format!("{slot} and {} are both admitted as {}", other.slot, watch.name)
        })?;
        // A witness was admitted before both claims. Where there was ever only one group, both have asked it; else it may be of a group
        // that one of the two has met since, unless it has welcomed both.
        let since_ms = other.claim_ms.min(watch.claim_ms);
        let one_group = self.promises.members_stay && self.tally.founded == 1;
        let sees = |watch: &Watch, id: PeerId| {
            let has_row = watch.rows.iter().any(|row| row.id == id && is_live(row.state));
            has_row && (one_group || watch.welcomers.contains(&id))
        };
        let witness = self.runs().find(|witness| {
            witness.id != watch.id
                && witness.id != other.id
                && witness.admitted_ms.is_some_and(|admitted_ms| admitted_ms < since_ms)
                && sees(watch, witness.id)
                && sees(other, witness.id)
        });
        let held_dead = self.held_dead_ms.is_some_and(|at_ms| at_ms + 60_000 > since_ms);
        let unseen = witness.is_none() || held_dead;
        check("MESH-INV-5", now_ms, unseen, || {
            format!(
                "{slot} and {} are both admitted as {}, in sight of {:?}",
                other.slot,
                watch.name,
                witness.map(|it| it.slot)
            )
        })?;
        self.tally.unwitnessed += 1;
        Ok(())
    }
}
