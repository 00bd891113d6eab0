//! The tables: invariants 5 (full names), 6 and 9, who is called dead, and how long a death may take.

use super::{Checks, is_live, key_of};
use crate::promise::Promises;
use crate::violation::{Checked, check};
use crate::watch::Seen;
use chat_core::mesh::{Event, Peer, PeerId, Phase, State};
use chat_core::time::Instant;
use std::collections::{HashMap, HashSet};

/// How long after a cut each part has found the other dead.
const HEALED_MS: u64 = 12_000;

/// How long a death may take until it is off all tables.
pub(super) const DEATH_MS: u64 = 12_000;

impl Checks {
    /// A user is told that somebody is gone: is that so, and since when?
    pub(super) fn tell_of_death(&mut self, now_ms: u64, event: &Event<'_>) {
        let Event::Died(member) = event else { return };
        match self.ended.get(&member.id) {
            Some(ended_ms) => self.tally.died_ms.push(now_ms - ended_ms),
            None => self.tally.false_views += 1,
        }
    }

    /// Follows id and incarnation of the peer itself.
    pub(super) fn owns(&mut self, now_ms: u64, index: usize, peer: &Peer<'_>) {
        let watch = &mut self.watches[index];
        if watch.id != peer.id() {
            self.ended.insert(watch.id, now_ms);
            watch.id = peer.id();
        }
        // Who leaves may still repair what it said.
        if !matches!(peer.phase(), Phase::Admitted | Phase::Member) && !watch.leaving {
            (watch.admitted_ms, watch.handed_over_ms, watch.founded) = (None, None, false);
        }
        let highest = self.incarnations.entry(peer.id()).or_insert(0);
        *highest = (*highest).max(peer.incarnation());
    }

    /// A table has changed.
    pub(super) fn table(&mut self, now_ms: u64, index: usize, rows: &[Seen]) -> Checked {
        let before: HashMap<PeerId, Seen> = self.watches[index].rows.iter().map(|row| (row.id, *row)).collect();
        let slot = self.watches[index].slot;
        for row in rows {
            let old = before.get(&row.id);
            if old == Some(row) {
                continue;
            }
            // The own row has left until a newcomer claims for the first time.
            let is_own = row.id == self.watches[index].id;
            let rises = old.is_none_or(|old| {
                let begins = is_own && old.state == State::Left && row.incarnation == old.incarnation;
                begins || (row.incarnation, row.state) > (old.incarnation, old.state)
            });
            check("MESH-INV-6", now_ms, rises, || format!("in the table of {slot}, {old:?} becomes {row:?}"))?;
            if let Some(&highest) = self.incarnations.get(&row.id) {
                check("MESH-INV-6", now_ms, row.incarnation <= highest, || {
                    format!("the table of {slot} has {row:?}, whose owner is at incarnation {highest}")
                })?;
            }
            if let Some(old) = old.filter(|old| is_live(old.state) && !is_live(row.state) && !is_own) {
                self.departs(now_ms, index, (old, row), rows)?;
            }
        }
        Ok(())
    }

    /// A row that was live is dead or left now.
    fn departs(&mut self, now_ms: u64, index: usize, (old, row): (&Seen, &Seen), rows: &[Seen]) -> Checked {
        let Promises { timed, members_stay, heard_ms_max, .. } = self.promises;
        let runs = self.runs().find(|other| other.id == row.id);
        let lives = runs.is_some_and(|other| other.is_admitted() && !other.leaving);
        let its_slot = runs.map(|other| other.slot);
        let is_present = self.incarnations.get(&row.id) == Some(&row.incarnation);
        let watch = &self.watches[index];
        let slot = watch.slot;
        if row.state == State::Left {
            // Who waits has left with its last incarnation, and claims with the next.
            return check("MESH-INV-10", now_ms, !lives || !is_present, || {
                format!("{slot} believes that {row:?} has left")
            });
        }
        if let Some(&ended_ms) = self.ended.get(&row.id).filter(|_| timed) {
            // While it hears nobody it cannot know.
            let time_ms = watch.hearing_ms(ended_ms, now_ms);
            let all = &mut self.tally.deaths_ms;
            let death = *self.deaths.entry(row.id).or_insert(all.len());
            match all.get_mut(death) {
                Some(longest_ms) => *longest_ms = time_ms.max(*longest_ms),
                None => all.push(time_ms),
            }
        }
        if watch.told_dead.contains(&(row.id, row.incarnation)) {
            // Whom a part holds dead is not believed there when it comes back and calls others dead.
            let pair = its_slot.map(|other| (slot.min(other), slot.max(other)));
            let were_together = pair.is_some_and(|pair| !self.cut_pairs.contains(&pair));
            let mended_ms = self.mended_ms.unwrap_or(0);
            let healed = self.cut_ms + HEALED_MS < mended_ms && self.promises.were_parts(mended_ms, HEALED_MS);
            self.tally.healed_drops += usize::from(lives && is_present && were_together && healed);
            return check("MESH-REST-4", now_ms, self.tally.healed_drops == 0, || {
                format!("{slot} is told that {row:?} is dead, from which it was never cut off, as others were")
            });
        }
        let awake = watch.woke_ms.is_none_or(|woke_ms| woke_ms + 4_000 <= now_ms);
        check("MESH-INV-9", now_ms, awake, || format!("{slot} woke at {:?} and declares {row:?} dead", watch.woke_ms))?;
        // A newcomer that was never heard proves nothing by its silence: claims can be forged.
        let is_newcomer = old.state == State::Joining && !watch.heard.contains_key(&row.id);
        let is_other = |id: PeerId| id != watch.id && id != row.id && rows.iter().any(|other| other.id == id);
        let heard = watch.heard.iter().filter(|(id, _)| is_other(**id));
        let hears = heard.into_iter().any(|(_, at_ms)| at_ms + heard_ms_max >= now_ms);
        let has_others = watch.rows.iter().any(|other| is_other(other.id) && other.state == State::Member);
        let fair = is_newcomer || hears || !has_others;
        check("MESH-INV-9", now_ms, fair, || format!("{slot} hears nobody and declares {row:?} dead"))?;
        if lives {
            self.held_dead_ms = Some(now_ms);
            self.tally.false_deaths += 1;
            return check("MESH-LIVE-1", now_ms, !members_stay, || {
                format!("{slot} declares {row:?} dead, which lives")
            });
        }
        Ok(())
    }

    /// The full names of a table differ.
    pub(super) fn full_names(&self, now_ms: u64, index: usize, (peer, now): (&Peer<'_>, Instant)) -> Checked {
        let slot = self.watches[index].slot;
        let mut names = HashSet::new();
        for member in peer.members(now).filter(|member| member.state == State::Member) {
            let name = (key_of(member.name.name.as_str()), member.name.number.max(1));
            check("MESH-INV-5", now_ms, names.insert(name), || format!("{slot} shows two members as {}", member.name))?;
        }
        Ok(())
    }

    /// Nobody has a peer in its table for longer than promised after it died.
    ///
    /// # Errors
    /// MESH-LIVE-5.
    pub fn deaths_are_known(&mut self, now_ms: u64) -> Checked {
        if !self.promises.timed {
            return Ok(());
        }
        for &index in self.running.iter().flatten() {
            self.watches[index].look(now_ms);
        }
        for watch in self.runs().filter(|watch| watch.is_admitted() && !watch.leaving) {
            // Who hears nobody may itself be cut off: that time does not count.
            let is_late = |ended_ms: &u64| watch.hearing_ms(*ended_ms, now_ms) > DEATH_MS;
            let late = watch.rows.iter().find(|row| is_live(row.state) && self.ended.get(&row.id).is_some_and(is_late));
            check("MESH-LIVE-5", now_ms, late.is_none(), || {
                format!("{} still has {late:?}, dead for 12 s", watch.slot)
            })?;
        }
        Ok(())
    }
}
