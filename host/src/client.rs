//! `chat-host client`: picks the protocol that the command line names.

use crate::clock;
use crate::command::Client;
use crate::failure::{Failure, cause};
use crate::script::{Talk, Way};
use crate::terminal::display::Shown;
use crate::wait::Waiter;
use crate::{relay, room};
use chat_core::username::{Username, UsernameError};
use unicode_normalization::UnicodeNormalization as _;

/// Runs a client until the end of input or a signal.
///
/// # Errors
/// Wrong usage, or the server refuses or is lost.
pub fn run(options: &Client) -> Result<(), Failure> {
    let setup = options.setup();
    let open = |way| Talk::open(&setup, way, clock::now());
    match (&options.tcp, &options.udp) {
        (Some(endpoint), None) => {
            let name = name(options)?;
            waiter()?.block_on(room::client::run(endpoint, name, open(Way::Room)?))
        }
        (None, Some(_)) if options.name.is_some() => Err(Failure::usage("--name is for --tcp: a relay knows no names")),
        (None, Some(endpoint)) => waiter()?.block_on(relay::client::run(endpoint, open(Way::Relay)?)),
        (Some(_), Some(_)) => Err(Failure::usage("say --tcp HOST[:PORT] or --udp HOST[:PORT], not both")),
        (None, None) => Err(Failure::usage(
            "say where to: client --tcp HOST[:PORT] for a room, client --udp HOST[:PORT] for a relay",
        )),
    }
}

/// How the client waits.
fn waiter() -> Result<Waiter, Failure> {
    Waiter::new().map_err(|error| Failure::lost(format!("cannot wait for anything: {}", cause(&error))))
}

/// The name in the room: the one that was given, or the user's; `None` for a display that was given none.
fn name(options: &Client) -> Result<Option<Username>, Failure> {
    let of_system = || std::env::var(if cfg!(windows) { "USERNAME" } else { "USER" }).ok();
    match &options.name {
        None if options.headless && options.exec.is_none() => Ok(None),
        given => checked_name(given.clone().or_else(of_system)).map(Some),
    }
}

/// The name as it is sent, in a room or among peers: composed, because few keyboards and file systems agree on that, and checked.
pub(crate) fn checked_name(wanted: Option<String>) -> Result<Username, Failure> {
    let wanted =
        wanted.filter(|name| !name.is_empty()).ok_or_else(|| Failure::usage("say who you are: --name NAME"))?;
    let composed: String = wanted.nfc().collect();
    Username::new(&composed).map_err(|error| {
        let culprit = match error {
            UsernameError::Overlong => format!(": it has {}", composed.len()),
            _ => {
                let culprit = composed.chars().find(|&character| is_culprit(&composed, character));
                culprit.map(|character| format!(": {}", described(character))).unwrap_or_default()
            }
        };
        Failure::usage(format!("\"{}\" is no name: {error}{culprit}; choose another with --name", Shown(&wanted)))
    })
}

/// Whether the name would be refused for this character alone.
fn is_culprit(name: &str, character: char) -> bool {
    let alone = Username::new(&format!("a{character}a")).is_err();
    let without: String = name.chars().filter(|&other| other != character).collect();
    alone || Username::new(&without).is_ok()
}

/// A character as people and programs name it.
fn described(character: char) -> String {
    let number = u32::from(character);
    match character {
        ' ' => "a space".to_owned(),
        _ => format!("'{}' (U+{number:04X})", Shown(&character.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name that is sent, or what the user is told.
    fn sent(wanted: &str) -> Result<String, String> {
        let name = checked_name(Some(wanted.to_owned()));
        name.map(|name| name.as_str().to_owned()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn name_is_composed_before_it_is_sent() {
        assert_eq!(sent("Ju\u{308}rgen"), Ok("J\u{fc}rgen".to_owned()));
    }

    #[test]
    fn name_that_is_not_allowed_is_refused_with_the_reason_and_shown_safely() {
        let told = sent("a\x1b[2J b").unwrap_err();
        assert!(told.contains("a\u{fffd}[2J b") && told.contains("a character that names must not have"), "{told}");
        assert!(checked_name(None).unwrap_err().to_string().contains("--name"));
        assert_eq!(checked_name(Some(String::new())).unwrap_err(), checked_name(None).unwrap_err());
    }

    #[test]
    fn character_that_is_not_allowed_is_named() {
        for (name, character) in [("ann b", "a space"), ("ann!", "'!' (U+0021)"), ("an\u{440}", "'\u{440}' (U+0440)")] {
            let told = sent(name).unwrap_err();
            assert!(told.contains(character), "{told}");
        }
        let told = sent(&"b".repeat(33)).unwrap_err();
        assert!(told.contains("is no name: the name is longer than 32 bytes: it has 33; choose"), "{told}");
    }
}
