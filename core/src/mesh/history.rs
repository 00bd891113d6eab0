//! Which messages are the most recent: those that a newcomer is handed as its history (docs/mesh-protocol.md section 7.5, "Handing over").

use super::item::Pair;
use super::ring::Ring;
use super::vector::Vector;
use crate::limits::HISTORY_MESSAGES_MAX;
use heapless::Vec;

/// The ten messages with the highest (lamport, origin) of those that were shown or whose origin is forgotten, the highest last. Work:
/// one pass over the ring.
pub(super) fn recent(ring: &Ring<'_>, vector: &Vector<'_>) -> Vec<Pair, HISTORY_MESSAGES_MAX> {
    let mut recent: Vec<(u64, Pair), HISTORY_MESSAGES_MAX> = Vec::new();
    for (_, heading) in ring.iter() {
        let pair = Pair { origin: heading.origin, number: heading.number };
        let key = |(lamport, pair): &(u64, Pair)| (*lamport, pair.origin, pair.number);
        let new = (heading.lamport, pair);
        let is_shown = vector.get(pair.origin).is_none_or(|entry| pair.number <= entry.number);
        if !is_shown || recent.contains(&new) {
            continue;
        }
        let place = recent.iter().position(|known| key(known) > key(&new)).unwrap_or(recent.len());
        if !recent.is_full() {
            // There is room.
            let _ = recent.insert(place, new);
        } else if let Some(place) = place.checked_sub(1) {
            recent.remove(0);
            // There is room now.
            let _ = recent.insert(place, new);
        }
    }
    recent.into_iter().map(|(_, pair)| pair).collect()
}
