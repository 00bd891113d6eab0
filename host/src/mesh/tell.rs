//! What every peer tells, in one sentence: where it looks for others, and why it is refused and what to do about it.

use chat_core::limits::NAME_BYTES_MAX;
use chat_core::refusal::RefusalReason;
use chat_core::username::Username;
use std::net::SocketAddr;

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

/// Where others are looked for, as ` on eth0 and at 127.0.0.1:7`; nothing if it is nowhere.
pub(super) fn places(interfaces: &[&str], join: &[SocketAddr]) -> String {
    let mut places = Vec::new();
    if !interfaces.is_empty() {
        places.push(format!(" on {}", named(interfaces)));
    }
    if !join.is_empty() {
        places.push(format!(" at {}", join.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
    }
    places.join(" and")
}

/// That there are other interfaces than before.
///
/// # Errors
/// There is none any more, which is a fault: the sentence for that.
pub(super) fn network(interfaces: &[&str]) -> Result<String, String> {
    if interfaces.is_empty() {
        return Err("there is no network any more; going on as soon as there is one".to_owned());
    }
    Ok(format!("the network has changed: others are looked for on {}", named(interfaces)))
}

/// The interfaces as people read them: not everybody knows that the loopback leads to nobody else.
fn named(interfaces: &[&str]) -> String {
    let is_loopback =
        |name: &&str| name.strip_prefix("lo").is_some_and(|rest| rest.parse::<u8>().is_ok() || rest.is_empty());
    let alone = if interfaces.iter().all(is_loopback) { " (this machine alone)" } else { "" };
    format!("{}{alone}", interfaces.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_says_where() {
        let join = ["127.0.0.1:7".parse().unwrap()];
        assert_eq!(places(&["eth0", "wlan0"], &[]), " on eth0, wlan0");
        assert_eq!(places(&["lo"], &[]), " on lo (this machine alone)");
        assert_eq!(places(&["lo", "lora0"], &[]), " on lo, lora0");
        assert_eq!(places(&["eth0"], &join), " on eth0 and at 127.0.0.1:7");
        assert_eq!(places(&[], &join), " at 127.0.0.1:7");
        assert_eq!(places(&[], &[]), "");
    }

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
}
