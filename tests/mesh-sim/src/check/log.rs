//! What a peer shows of what was said: invariants 1, 2 and 3, and how long a message may take.

use super::Checks;
use crate::network::Slot;
use crate::violation::{Checked, check};
use crate::watch::Watch;
use chat_core::mesh::{Message, PeerId};

/// How long whoever told of a missing message is asked for it before another is: three times, in milliseconds (MESH-GAP-2).
const INFORMER_MS: u64 = 300;

/// A message as its origin said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its Lamport value.
    pub lamport: u64,
    /// When it was said, by the origin's wall clock.
    pub sent_ms: i64,
    /// The origin's name.
    pub name: String,
    /// What was said.
    pub text: String,
    /// When, by the simulation's clock.
    pub at_ms: u64,
}

impl Checks {
    /// A peer shows a message.
    pub(super) fn shows(&mut self, now_ms: u64, index: usize, message: &Message<'_>) -> Checked {
        let watch = &mut self.watches[index];
        let (slot, origin, number) = (watch.slot, message.origin, message.number);
        let what = || what(slot, message);
        check("MESH-INV-3", now_ms, watch.is_admitted(), what)?;
        let said = Said {
            lamport: message.lamport,
            sent_ms: message.sent_ms,
            name: message.name.to_owned(),
            text: message.text.as_str().to_owned(),
            at_ms: now_ms,
        };
        if message.own {
            let before = self.said.insert((origin, number), said);
            check("MESH-INV-2", now_ms, before.is_none() && origin == watch.id, what)?;
            watch.unconfirmed.insert(number, now_ms);
        } else {
            let known = self.said.get(&(origin, number));
            let right = known.is_some_and(|known| Said { at_ms: known.at_ms, ..said } == *known);
            check("MESH-INV-2", now_ms, right, || format!("{}, said was {known:?}", what()))?;
            if let Some(said_ms) = known.map(|known| known.at_ms) {
                self.took(now_ms, index, said_ms, message)?;
            }
        }
        let watch = &mut self.watches[index];
        let is_late = message.lamport < watch.shown_lamport;
        watch.shown_lamport = watch.shown_lamport.max(message.lamport);
        check("MESH-RING-2", now_ms, is_late == message.late, || format!("late should be {is_late}: {}", what()))?;
        watch.shows_in_order(now_ms, message)
    }

    /// A message that was said at this time took so long to be shown.
    fn took(&mut self, now_ms: u64, index: usize, said_ms: u64, message: &Message<'_>) -> Checked {
        let watch = &self.watches[index];
        if watch.admitted_ms.is_none_or(|since_ms| since_ms >= said_ms) {
            return Ok(());
        }
        let took_ms = now_ms - said_ms;
        self.tally.messages_ms.push(took_ms);
        let was_there = watch.handed_over_ms.is_some_and(|since_ms| since_ms < said_ms);
        if self.promises.timed && was_there {
            self.tally.timed_messages_ms.push(took_ms);
        }
        let most_ms = self.promises.message_ms_max.and_then(|most_ms| self.message_ms_max(message, said_ms, most_ms));
        let is_late = most_ms.is_some_and(|most_ms| took_ms > most_ms);
        check("MESH-LIVE-4", now_ms, !is_late || !was_there, || format!("late: {}", what(watch.slot, message)))
    }

    /// How long a message that was said at this time may take, where it may take `most_ms` among members that stay.
    fn message_ms_max(&self, message: &Message<'_>, said_ms: u64, most_ms: u64) -> Option<u64> {
        let until_ms = said_ms + most_ms;
        let gone = || self.watches.iter().filter_map(|other| Some((other.id, other.gone_ms?)));
        // An origin that goes before it has sent the message to all leaves that to the others.
        let has_origin_gone = gone().any(|(id, at_ms)| id == message.origin && at_ms <= until_ms);
        // Who was asked for what is missing may be gone: then another is asked.
        let has_some = gone().any(|(_, at_ms)| at_ms + INFORMER_MS >= said_ms && at_ms <= until_ms);
        (!has_origin_gone).then_some(if has_some { most_ms + INFORMER_MS } else { most_ms })
    }

    /// A peer counts messages of an origin as lost.
    pub(super) fn loses(&mut self, origin: PeerId, index: usize, count: u32) {
        let shown = self.watches[index].shown.entry(origin).or_default();
        shown.lost += count;
        if shown.base.is_some() {
            shown.lost_spans.push((shown.last + 1, shown.last + count));
            shown.last += count;
        }
        self.tally.lost += u64::from(count);
    }
}

impl Watch {
    /// It shows a message of an origin: in its history, or the next one live.
    fn shows_in_order(&mut self, now_ms: u64, message: &Message<'_>) -> Checked {
        let (slot, number) = (self.slot, message.number);
        let shown = self.shown.entry(message.origin).or_default();
        if message.history {
            let first = !shown.history.contains(&number) && shown.base.is_none() && self.handed_over_ms.is_none();
            let having = || format!("{} in its history, having {shown:?}", what(slot, message));
            check("MESH-INV-1", now_ms, first, having)?;
            shown.history.push(number);
            return Ok(());
        }
        let next = match shown.base {
            Some(_) => number == shown.last + 1,
            None => number > shown.lost && shown.history.iter().all(|&old| old < number - shown.lost),
        };
        check("MESH-INV-1", now_ms, next, || format!("{} live, having {shown:?}", what(slot, message)))?;
        if shown.base.is_none() {
            shown.base = Some(number - 1 - shown.lost);
            if shown.lost > 0 {
                shown.lost_spans.push((number - shown.lost, number - 1));
            }
        }
        shown.last = number;
        Ok(())
    }
}

/// What a peer shows, for whoever reads of a broken rule.
fn what(slot: Slot, message: &Message<'_>) -> String {
    format!("{slot} shows {:?}:{} {message:?}", message.origin, message.number)
}
