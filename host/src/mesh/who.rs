//! Who is here, in one line for each.

use chat_core::mesh::{Member, PeerId};
use chat_core::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// One line for each member, the oldest first. `since` says when each came, if it came later than this peer.
pub(super) fn lines(
    members: &mut [Member<'_>],
    own: (PeerId, SocketAddr),
    now: Instant,
    since: impl Fn(PeerId) -> Option<Instant>,
) -> Vec<String> {
    members.sort_by_key(|member| (member.rank, member.id));
    let line = |(place, member): (usize, &Member<'_>)| {
        let name = member.name.to_string();
        let age = match since(member.id) {
            Some(since) => format!("here for {}", duration(now - since)),
            None => "here before you".to_owned(),
        };
        let age = if place == 0 { format!("{age}, the oldest") } else { age };
        if member.id == own.0 {
            return format!("-- {name} (you)  {}  {age} --", own.1);
        }
        let address = member.address.map_or("no address known".to_owned(), |address| address.to_string());
        let heard = duration(Duration::from_millis(member.silent_ms));
        format!("-- {name}  {address}  {age}; last heard {heard} ago --")
    };
    members.iter().enumerate().map(line).collect()
}

/// A time span in one unit.
fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::mesh::{FullName, State};
    use chat_core::username::Username;

    #[test]
    fn members_are_told_with_the_oldest_first() {
        let [ann, dan] = ["ann", "dan"].map(|name| Username::new(name).unwrap());
        let member = |id, rank, name, silent_ms| Member {
            id: PeerId(id),
            incarnation: 0,
            state: State::Member,
            rank,
            name: FullName { name, number: 1 },
            address: Some("192.0.2.1:9293".parse().unwrap()),
            silent_ms,
        };
        let mut members = [member(1, 9, &dan, 0), member(2, 3, &ann, 1_400)];
        let own = (PeerId(1), "[::]:9294".parse().unwrap());
        let since = |id| (id == PeerId(1)).then_some(Instant::from_millis(0));
        assert_eq!(
            lines(&mut members, own, Instant::from_millis(180_000), since),
            [
                "-- ann  192.0.2.1:9293  here before you, the oldest; last heard 1 s ago --",
                "-- dan (you)  [::]:9294  here for 3 min --",
            ]
        );
    }
}
