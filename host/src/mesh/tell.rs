//! What a peer tells people in whole sentences: why it is refused and what to do, and who is here.

use chat_core::limits::NAME_BYTES_MAX;
use chat_core::mesh::{Member, PeerId};
use chat_core::refusal::RefusalReason;
use chat_core::time::Instant;
use chat_core::username::Username;
use std::net::SocketAddr;
use std::time::Duration;

/// Numbers that are tried behind a name.
const TRIED_MAX: u32 = 99;

/// A name like this one that nobody has: with a number behind it.
pub(super) fn free_name(name: &Username, taken: &[&Username]) -> Option<Username> {
    let wanted = name.as_str();
    let stem = Some(wanted.trim_end_matches(|last: char| last.is_ascii_digit())).filter(|stem| !stem.is_empty());
    (2..=TRIED_MAX).find_map(|number| {
        let number = number.to_string();
        let mut stem = stem.unwrap_or(wanted);
        while stem.len() + number.len() > NAME_BYTES_MAX {
            let (last, _) = stem.char_indices().next_back()?;
            stem = &stem[..last];
        }
        let free = Username::new(&format!("{stem}{number}")).ok()?;
        (free != *name && !taken.contains(&&free)).then_some(free)
    })
}

/// The refusal in one sentence, with who objected and what to do about it.
pub(super) fn refusal(
    reason: RefusalReason,
    name: &str,
    by: Option<(&str, Option<SocketAddr>)>,
    free: Option<&str>,
) -> String {
    let by = match by {
        Some((by, Some(address))) => format!("{by} at {address} refuses: "),
        Some((by, None)) => format!("{by} refuses: "),
        None => "refused: ".to_owned(),
    };
    let what = match reason {
        RefusalReason::NameTaken
        | RefusalReason::NameReserved
        | RefusalReason::NameHeld
        | RefusalReason::NameDenied => format!("{reason}: {name}"),
        _ => reason.to_string(),
    };
    let advice = match (reason, free) {
        (RefusalReason::NameTaken | RefusalReason::NameReserved | RefusalReason::NameHeld, Some(free)) => {
            format!("; {free} is free: --name {free}")
        }
        (RefusalReason::NameTaken | RefusalReason::NameDenied, _) => "; choose another with --name".to_owned(),
        (RefusalReason::NameHeld | RefusalReason::NameReserved | RefusalReason::JoinTimeout, _) => {
            "; try again".to_owned()
        }
        (RefusalReason::Full | RefusalReason::Busy, _) => "; try again later".to_owned(),
        (RefusalReason::Version | RefusalReason::Unsupported, _) => "; all peers want the same release".to_owned(),
        _ => String::new(),
    };
    format!("{by}{what}{advice}")
}

/// One line for each member, the oldest first. `since` says when each came, if it came later than this peer.
pub(super) fn who(
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

    fn name(text: &str) -> Username {
        Username::new(text).unwrap()
    }

    #[test]
    fn free_name_has_the_first_number_that_nobody_has() {
        let taken = ["dan", "Dan2", "dan4"].map(name);
        let free = |wanted: &str| free_name(&name(wanted), &taken.each_ref()).unwrap().as_str().to_owned();
        assert_eq!(free("dan"), "dan3");
        assert_eq!(free("dan2"), "dan3");
        assert_eq!(free("7"), "72");
        assert_eq!(free(&"é".repeat(16)), format!("{}2", "é".repeat(15)));
    }

    #[test]
    fn refusal_says_who_why_and_what_to_do() {
        let by = Some(("ann", Some("192.0.2.1:9293".parse().unwrap())));
        assert_eq!(
            refusal(RefusalReason::NameTaken, "dan", by, Some("dan2")),
            "ann at 192.0.2.1:9293 refuses: the name is taken (reason 16): dan; dan2 is free: --name dan2"
        );
        assert_eq!(
            refusal(RefusalReason::NameDenied, "dan", Some(("ann", None)), Some("dan2")),
            "ann refuses: a member does not allow this name (reason 19): dan; choose another with --name"
        );
        assert_eq!(refusal(RefusalReason::Full, "dan", None, None), "refused: it is full (reason 20); try again later");
    }

    #[test]
    fn members_are_told_with_the_oldest_first() {
        let (ann, dan) = (name("ann"), name("dan"));
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
            who(&mut members, own, Instant::from_millis(180_000), since),
            [
                "-- ann  192.0.2.1:9293  here before you, the oldest; last heard 1 s ago --",
                "-- dan (you)  [::]:9294  here for 3 min --",
            ]
        );
    }
}
