//! `chat-host client`: picks the protocol that the command line names.

pub mod display;
pub mod input;
pub mod json;
pub mod screen;

use crate::command::Client;
use crate::failure::Failure;
use crate::{relay, room};
use chat_core::username::Username;
use display::Shown;
use screen::Screen;
use unicode_normalization::UnicodeNormalization as _;

/// Runs a client until the end of input or a signal.
///
/// # Errors
/// Wrong usage, or the server refuses or is lost.
pub fn run(options: &Client) -> Result<(), Failure> {
    let mut screen = Screen::new(options.json);
    match (&options.tcp, &options.udp) {
        (Some(endpoint), None) => {
            let name = name(options.name.clone().or_else(|| std::env::var("USER").ok()))?;
            smol::block_on(room::client::run(endpoint, name, &mut screen))
        }
        (None, Some(_)) if options.name.is_some() => Err(Failure::usage("--name is for --tcp: a relay knows no names")),
        (None, Some(endpoint)) => smol::block_on(relay::client::run(endpoint, &mut screen)),
        (Some(_), Some(_)) => Err(Failure::usage("say --tcp HOST[:PORT] or --udp HOST[:PORT], not both")),
        (None, None) => Err(Failure::usage(
            "say where to: client --tcp HOST[:PORT] for a room, client --udp HOST[:PORT] for a relay",
        )),
    }
}

/// The name as it is sent: composed, because few keyboards and file systems agree on that, and checked.
fn name(wanted: Option<String>) -> Result<Username, Failure> {
    let wanted =
        wanted.filter(|name| !name.is_empty()).ok_or_else(|| Failure::usage("say who you are: --name NAME"))?;
    let composed: String = wanted.nfc().collect();
    Username::new(&composed).map_err(|error| {
        Failure::usage(format!("\"{}\" is no name: {error}; choose another with --name", Shown(&wanted)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name that is sent, or what the user is told.
    fn sent(wanted: &str) -> Result<String, String> {
        name(Some(wanted.to_owned())).map(|name| name.as_str().to_owned()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn name_is_composed_before_it_is_sent() {
        assert_eq!(sent("Ju\u{308}rgen"), Ok("J\u{fc}rgen".to_owned()));
    }

    #[test]
    fn name_that_is_not_allowed_is_refused_with_the_reason_and_shown_safely() {
        let told = sent("a\x1b[2J b").unwrap_err();
        assert!(told.contains("a\u{fffd}[2J b") && told.contains("a character that names must not have"), "{told}");
        assert!(name(None).unwrap_err().to_string().contains("--name"));
        assert_eq!(name(Some(String::new())).unwrap_err(), name(None).unwrap_err());
    }
}
