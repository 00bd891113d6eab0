//! Which rows ride on datagrams to others (docs/mesh-protocol.md section 8.2, "What rides"): changed ones, those told least first, then
//! the newest.

use super::row::{Row, State};
use crate::limits::MESH_RIDING_ROWS_MAX;
use crate::time::Instant;
use core::time::Duration;
use heapless::Vec;

/// On how many datagrams a change rides in a group of so many: three times the binary logarithm, rounded up, of one more.
pub(super) fn tells(live: usize) -> u8 {
    let log2 = usize::BITS - live.leading_zeros();
    // At most 3 * 64.
    u8::try_from(3 * log2).unwrap_or(u8::MAX)
}

/// The rows that ride on the next datagram, by place: those that are still to ride most often, of these the ones that changed last, and no
/// death older than `death_told_max`. When many are new, each is told once before any is told twice, or groups that meet would take minutes.
/// Work: one pass over the rows.
pub(super) fn riding(rows: &[Row], now: Instant, death_told_max: Duration) -> Vec<usize, MESH_RIDING_ROWS_MAX> {
    let mut riding: Vec<usize, MESH_RIDING_ROWS_MAX> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let is_old = row.state == State::Dead && now - row.changed_at > death_told_max;
        if row.tells == 0 || is_old {
            continue;
        }
        let urgency = |row: &Row| (row.tells, row.changed_at);
        let place = riding.iter().position(|&other| urgency(&rows[other]) < urgency(row)).unwrap_or(riding.len());
        if riding.is_full() && place < riding.len() {
            riding.pop();
        }
        // Where it is full and the row is older than all, it stays out.
        let _ = riding.insert(place, index);
    }
    riding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::PeerId;

    fn row(id: u64, changed_ms: u64, tells: u8, state: State) -> Row {
        Row { id: PeerId(id), changed_at: Instant::from_millis(changed_ms), tells, state, ..Row::EMPTY }
    }

    #[test]
    fn tells_grow_with_the_logarithm() {
        assert_eq!([0, 1, 2, 3, 4, 7, 8, 40, 255, 256].map(tells), [0, 3, 6, 6, 9, 9, 12, 18, 24, 27]);
    }

    #[test]
    fn eight_newest_of_ten_ride_newest_first() {
        let rows: [Row; 10] = core::array::from_fn(|index| row(index as u64, index as u64 % 5, 1, State::Member));
        let riding = riding(&rows, Instant::from_millis(10), Duration::from_secs(15));
        assert_eq!(riding, [4, 9, 3, 8, 2, 7, 1, 6]);
    }

    #[test]
    fn row_that_was_told_less_rides_before_a_newer_one() {
        let rows = [row(1, 0, 3, State::Member), row(2, 5, 2, State::Member), row(3, 1, 3, State::Member)];
        assert_eq!(riding(&rows, Instant::from_millis(10), Duration::from_secs(15)), [2, 0, 1]);
    }

    #[test]
    fn told_rows_and_old_deaths_stay_out() {
        let rows = [row(1, 0, 0, State::Member), row(2, 0, 9, State::Dead), row(3, 0, 9, State::Left)];
        let late = Instant::from_millis(15_001);
        assert_eq!(riding(&rows, late, Duration::from_secs(15)), [2]);
        assert_eq!(riding(&rows, Instant::from_millis(15_000), Duration::from_secs(15)), [1, 2]);
    }
}
