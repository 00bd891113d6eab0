//! The clock of a machine that has no battery for one (docs/pi-image.md, Time): asks time servers until one answers, sets the
//! clock, and tells the chat server that it can be trusted.
//!
//! It never gives up, and never says that the clock is trusted before it has set it. Once set, the clock is only moved where it is
//! off by a quarter of a second, so that times of messages stay in order.

use crate::sntp::{self, Refused};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Pause after the first round in which no server has answered; it doubles from there.
const PAUSE_MIN: Duration = Duration::from_secs(2);

/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Pause after an answer. A Pi's clock drifts by a tenth of a second an hour at worst.
const PAUSE_TRUSTED: Duration = Duration::from_secs(3_600);

/// A clock that is off by less than this, in seconds, is left alone.
const OFF_BY_MAX: f64 = 0.25;

/// Asks time servers for ever: in each round first those that the network offers (a file of addresses), then those of the settings.
pub(crate) fn run(build: u64, state: &Path, offered: &Path, servers: &[&str]) -> Result<(), String> {
    let mut told = HashMap::new();
    let mut pause = PAUSE_MIN;
    let mut is_trusted = false;
    loop {
        let offers = std::fs::read_to_string(offered).unwrap_or_default();
        let asked = addresses(&offers).chain(servers.iter().map(|server| (*server).to_owned()));
        let found = first_answer(asked, build, &mut told);
        if let Some((server, time, behind)) = found {
            if !is_trusted || behind.abs() >= OFF_BY_MAX {
                set(time)?;
                trust(state)?;
                println!("pi: the clock is set by {server}: {behind:+.3} s");
            }
            is_trusted = true;
            pause = PAUSE_MIN;
            std::thread::sleep(PAUSE_TRUSTED);
        } else {
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// The addresses in the text that the network offers; all other words are left out.
fn addresses(offers: &str) -> impl Iterator<Item = String> {
    offers.split_whitespace().filter_map(|word| Some(word.parse::<IpAddr>().ok()?.to_string()))
}

/// The first server whose answer can be true: its name, the time, and how many seconds the clock is behind. Prints why other servers
/// were refused, each reason once.
fn first_answer(
    servers: impl Iterator<Item = String>,
    build: u64,
    told: &mut HashMap<String, Refused>,
) -> Option<(String, Duration, f64)> {
    for server in servers {
        let answer = sntp::ask(&server)
            .and_then(|behind| sntp::judge(SystemTime::now(), behind, build).map(|time| (time, behind)));
        match answer {
            Ok((time, behind)) => {
                told.remove(&server);
                return Some((server, time, behind));
            }
            Err(refused) => {
                if told.get(&server) != Some(&refused) {
                    println!("pi: time server {server}: {refused}");
                    told.insert(server, refused);
                }
            }
        }
    }
    None
}

/// Sets the clock.
fn set(time: Duration) -> Result<(), String> {
    clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(time))
        .map_err(|error| format!("cannot set the clock: {error}"))
}

/// Tells the chat server that the clock can be trusted. A new file is written and then renamed, so that `state` is never half written.
fn trust(state: &Path) -> Result<(), String> {
    let beside = state.with_extension("new");
    std::fs::write(&beside, "trusted\n")
        .and_then(|()| std::fs::rename(&beside, state))
        .map_err(|error| format!("cannot write {}: {error}", state.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sntp::tests::server;

    /// 2026-01-01.
    const BUILD: u64 = 1_767_225_600;

    #[test]
    fn liar_is_passed_over_and_the_next_server_taken() {
        let (liar, honest) = (server(BUILD - 1_000), server(BUILD + 1_000));
        let mut told = HashMap::new();
        let (from, time, _) = first_answer([liar.clone(), honest.clone()].into_iter(), BUILD, &mut told).unwrap();
        assert_eq!((from, time.as_secs().abs_diff(BUILD + 1_000) <= 1), (honest, true));
        assert_eq!(told, [(liar, Refused::BeforeBuild)].into());
    }

    #[test]
    fn nobody_to_ask_gives_nothing() {
        assert!(first_answer(std::iter::empty(), BUILD, &mut HashMap::new()).is_none());
    }

    #[test]
    fn offers_that_are_no_addresses_are_left_out() {
        let found: Vec<_> = addresses("192.0.2.1 $(reboot)\n2001:db8::1 pool.example 999.1.1.1").collect();
        assert_eq!(found, ["192.0.2.1", "2001:db8::1"]);
    }

    #[test]
    fn state_file_is_replaced_in_one_step() {
        let folder = std::env::temp_dir().join(format!("pi-guest-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let state = folder.join("state");
        std::fs::write(&state, "untrusted\n").unwrap();
        trust(&state).unwrap();
        assert_eq!(std::fs::read_to_string(&state).unwrap(), "trusted\n");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
