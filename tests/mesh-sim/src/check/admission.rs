//! The step in which a peer is admitted: invariants 4 and 5.

use super::{Checks, is_live};
use crate::violation::{Checked, check};
use crate::watch::{Seen, Watch};
use chat_core::mesh::PeerId;

impl Checks {
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
        check("MESH-INV-5", now_ms, !self.unique, || {
            format!("{slot} and {} are both admitted as {}", other.slot, watch.name)
        })?;
        // A witness was admitted before both claims and welcomed both; of a group that was met since it has not.
        let since_ms = other.claim_ms.min(watch.claim_ms);
        let sees = |watch: &Watch, id: PeerId| {
            watch.welcomers.contains(&id) && watch.rows.iter().any(|row| row.id == id && is_live(row.state))
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
