//! What runs on the Pi's card beside chat-host and busybox (docs/pi-image.md). One program, because each would bring the standard
//! library along; the scripts in pi-image/root call it.

mod clock;
mod name;
mod settings;
mod sntp;

use std::process::ExitCode;

/// How it is called.
const USAGE: &str = "usage: pi-guest settings FILE FOLDER
       pi-guest clock BUILD_SECONDS STATE_FILE OFFERED_FILE [SERVER]...
       pi-guest name HOSTNAME ROOM_PORT RELAY_PORT";

/// Runs what is asked for; 2 for a wrong command line, 1 for anything else that ends it.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["settings", file, folder] => settings::run(file.as_ref(), folder.as_ref()),
        ["clock", build, state, offered, servers @ ..] => match build.parse() {
            Ok(build) => clock::run(build, state.as_ref(), offered.as_ref(), servers),
            Err(_) => return usage(),
        },
        ["name", hostname, room, relay] => match (room.parse(), relay.parse()) {
            (Ok(room), Ok(relay)) => name::run(hostname, room, relay),
            _ => return usage(),
        },
        _ => return usage(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("pi: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Says how it is called.
fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
