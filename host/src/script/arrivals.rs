//! Who comes and goes, told to people only once it has lasted: a visitor of a second is nobody's business, and who has spoken is here.

use chat_core::time::Instant;
use core::time::Duration;
use std::collections::VecDeque;

/// So long an arrival or a departure has to last.
const LAST_MIN: Duration = Duration::from_secs(2);

/// Arrivals and departures that are held; where there are more, the oldest are told early.
const HELD_MAX: usize = 256;

/// Arrivals and departures that were not told yet.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// The earliest first.
    held: VecDeque<Held>,
}

/// An arrival or a departure that was not told yet.
#[derive(Debug)]
struct Held {
    /// When it is told.
    due: Instant,
    /// What is told.
    change: Change,
    /// Whether the one who came has said something since, so that nothing more need be told.
    known: bool,
}

/// Somebody has come or gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Who.
    pub(super) name: String,
    /// Whether it is here now.
    pub(super) here: bool,
}

impl Arrivals {
    /// Somebody has come or gone. Undoes the opposite that was not told yet.
    pub(super) fn push(&mut self, now: Instant, name: &str, here: bool) {
        let opposite = self.held.iter().rposition(|held| held.change.name == name && held.change.here != here);
        match opposite {
            Some(index) => drop(self.held.remove(index)),
            None => {
                let change = Change { name: name.to_owned(), here };
                self.held.push_back(Held { due: now + LAST_MIN, change, known: false });
            }
        }
    }

    /// Somebody has said something, which tells that he is here.
    pub(super) fn handle_said(&mut self, name: &str) {
        for held in self.held.iter_mut().filter(|held| held.change.here && held.change.name == name) {
            held.known = true;
        }
    }

    /// The next that is to be told now.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Change> {
        while self.held.front()?.due <= now || self.held.len() > HELD_MAX {
            let held = self.held.pop_front()?;
            if !held.known {
                return Some(held.change);
            }
        }
        None
    }

    /// When the next is to be told.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.held.front().map(|held| held.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_millis(1_000);

    /// All that is told at a time, `+` for who has come and `-` for who has gone.
    fn told(arrivals: &mut Arrivals, millis: u64) -> Vec<String> {
        let now = START + Duration::from_millis(millis);
        let changes = std::iter::from_fn(|| arrivals.pop_due(now));
        changes.map(|change| format!("{}{}", if change.here { '+' } else { '-' }, change.name)).collect()
    }

    #[test]
    fn who_comes_and_goes_within_two_seconds_is_not_told() {
        let mut arrivals = Arrivals::default();
        arrivals.push(START, "ann", true);
        arrivals.push(START, "bob", true);
        arrivals.push(START, "ann", false);
        assert_eq!(arrivals.deadline(), Some(START + LAST_MIN));
        assert!(told(&mut arrivals, 1_999).is_empty());
        assert_eq!(told(&mut arrivals, 2_000), ["+bob"]);
        assert_eq!(arrivals.deadline(), None);
    }

    #[test]
    fn who_goes_and_comes_back_within_two_seconds_was_never_away() {
        let mut arrivals = Arrivals::default();
        arrivals.push(START, "ann", false);
        arrivals.push(START, "ann", true);
        arrivals.push(START, "ann", false);
        assert_eq!(told(&mut arrivals, 2_000), ["-ann"]);
    }

    #[test]
    fn who_speaks_within_two_seconds_is_here_without_being_told() {
        let mut arrivals = Arrivals::default();
        arrivals.push(START, "ann", true);
        arrivals.push(START, "bob", true);
        arrivals.push(START, "carl", true);
        arrivals.handle_said("ann");
        arrivals.handle_said("bob");
        arrivals.push(START, "bob", false);
        assert_eq!(told(&mut arrivals, 2_000), ["+carl"]);
        arrivals.push(START, "ann", false);
        assert_eq!(told(&mut arrivals, 2_000), ["-ann"]);
    }

    #[test]
    fn crowd_is_told_early_so_that_memory_stays_bounded() {
        let mut arrivals = Arrivals::default();
        for number in 0..=HELD_MAX {
            arrivals.push(START, &number.to_string(), true);
        }
        assert_eq!(told(&mut arrivals, 0), ["+0"]);
    }
}
