//! The numbers that tell members of one name apart (docs/mesh-protocol.md section 5, "Rows, ranks and names"): of those who have one
//! name, the k-th by (rank, id) is shown as `name~k`, from the second on. No item says so: it is a function of the table alone.

use super::digest::Digester;
use super::row::Row;
use crate::username::Username;

/// A digest of a name's key: equal for equal names, and rarely for others.
pub(super) fn key(name: &Username) -> u64 {
    Digester::NEW.bytes(name.key().as_str().as_bytes()).finish().0
}

/// Numbers the members whose names have this digest anew. Work: one pass over the rows for each of them, and one more.
pub(super) fn number(rows: &mut [Row], key: u64) {
    for index in 0..rows.len() {
        if rows[index].key == key && rows[index].is_member() {
            let row = &rows[index];
            let is_before = |other: &&Row| {
                other.is_member() && other.key == key && other.seniority() < row.seniority() && other.name == row.name
            };
            let before = rows.iter().filter(is_before).count();
            rows[index].number = u16::try_from(before + 1).unwrap_or(u16::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::PeerId;
    use crate::mesh::row::State;

    fn member(id: u64, rank: u64, name: &str) -> Row {
        let name = Username::new(name).unwrap();
        Row { id: PeerId(id), rank, state: State::Member, number: 1, key: key(&name), name: Some(name), ..Row::EMPTY }
    }

    #[test]
    fn members_of_one_name_are_numbered_by_rank_then_id() {
        let mut rows = [member(1, 9, "anna"), member(2, 3, "Anna"), member(3, 3, "ANNA"), member(4, 1, "bert")];
        let key = rows[0].key;
        number(&mut rows, key);
        assert_eq!(rows.map(|row| row.number), [3, 1, 2, 1]);
    }

    #[test]
    fn who_is_joining_or_gone_takes_no_number() {
        let mut rows = [member(1, 1, "anna"), member(2, 2, "anna"), member(3, 3, "anna")];
        rows[0].state = State::Dead;
        rows[1].state = State::Joining;
        let key = rows[0].key;
        number(&mut rows, key);
        assert_eq!(rows[2].number, 1);
    }
}
