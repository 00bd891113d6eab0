//! When each connection has something to do: at most one instant for each connection.
//!
//! Deadlines mostly move away, and are then not rescheduled: an instant may be earlier than the deadline, but never later.

use chat_core::time::Instant;
use std::collections::BTreeSet;

/// The instants in ascending order.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// Instants with the connections' keys.
    due: BTreeSet<(Instant, usize)>,
}

impl Schedule {
    /// Schedules a connection for `at`, unless it is due earlier. `known` is the connection's note of when it is due.
    pub(super) fn schedule_by(&mut self, key: usize, known: &mut Option<Instant>, at: Option<Instant>) {
        let Some(at) = at.filter(|at| known.is_none_or(|known| *at < known)) else { return };
        self.remove(key, known);
        self.due.insert((at, key));
        *known = Some(at);
    }

    /// Forgets a connection.
    pub(super) fn remove(&mut self, key: usize, known: &mut Option<Instant>) {
        if let Some(known) = known.take() {
            self.due.remove(&(known, key));
        }
    }

    /// The earliest instant; `None` if no connection is scheduled.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|due| due.0)
    }

    /// Takes the key of the next connection that is due by now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<usize> {
        self.due.first().filter(|due| due.0 <= now)?;
        self.due.pop_first().map(|due| due.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn earlier_instant_replaces_a_later_one_and_not_the_other_way_round() {
        let (mut schedule, mut known) = (Schedule::default(), None);
        schedule.schedule_by(7, &mut known, Some(at(20)));
        schedule.schedule_by(7, &mut known, Some(at(30)));
        schedule.schedule_by(7, &mut known, None);
        assert_eq!((schedule.next(), known), (Some(at(20)), Some(at(20))));
        schedule.schedule_by(7, &mut known, Some(at(10)));
        assert_eq!((schedule.next(), known), (Some(at(10)), Some(at(10))));
        assert_eq!((schedule.pop(at(9)), schedule.pop(at(10)), schedule.pop(at(99))), (None, Some(7), None));
    }

    #[test]
    fn connections_come_in_the_order_of_their_instants() {
        let mut schedule = Schedule::default();
        let mut known = [None; 3];
        for (key, millis) in [(0, 30), (1, 10), (2, 30)] {
            schedule.schedule_by(key, &mut known[key], Some(at(millis)));
        }
        schedule.remove(2, &mut known[2]);
        let popped: Vec<_> = std::iter::from_fn(|| schedule.pop(at(30))).collect();
        assert_eq!((popped, schedule.next()), (vec![1, 0], None));
    }
}
