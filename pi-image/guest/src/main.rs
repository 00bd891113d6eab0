//! The program that runs on the Pi beside chat-host and busybox (docs/pi-image.md); the scripts in pi-image/root call it. It is one
//! program for all tasks, because each program would bring the standard library along.

mod address;
mod clock;
mod name;
mod routers;
mod settings;
mod sntp;

use std::process::ExitCode;

/// How the program is called.
const USAGE: &str = "usage: pi-guest settings FILE FOLDER
       pi-guest clock BUILD_SECONDS STATE_FILE OFFERED_FILE [SERVER]...
       pi-guest address INTERFACE HOOK link-local | leased ADDRESS | settings ADDRESS
       pi-guest routers INTERFACE HOOK
       pi-guest name HOSTNAME ROOM_PORT RELAY_PORT";

/// Runs one task. Exit code 2 for a wrong command line, 1 for every other failure.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["settings", file, folder] => settings::run(file.as_ref(), folder.as_ref()),
        ["clock", build, state, offered, servers @ ..] => match build.parse() {
            Ok(build) => clock::run(build, state.as_ref(), offered.as_ref(), servers),
            Err(_) => return usage(),
        },
        ["address", interface, hook, origin @ ..] => match address::Origin::parse(origin) {
            Some(origin) => address::run(interface, hook, origin),
            None => return usage(),
        },
        ["routers", interface, hook] => routers::run(interface, hook),
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

/// Prints how the program is called.
fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
