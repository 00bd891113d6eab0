//! The options of `chat-host doctor`.
#![allow(rustdoc::broken_intra_doc_links, reason = "argh shows these comments as help, where brackets are no links")]

use argh::{ArgsInfo, FromArgs};
use std::time::Duration;

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "doctor")]
#[argh(example = "chat-host doctor [--interface NAME]... [--seconds N] [--json]")]
/// Find out why no other peer appears, and what to do about it. Ends with 0 if nothing is wrong, else with 1.
pub struct Doctor {
    /// look on this interface; more than one may be named (default: all that are not virtual)
    #[argh(option, arg_name = "NAME")]
    pub interface: Vec<String>,
    /// listen so long at most, in seconds, 2 to 60 (default 12: a group calls every 5 to 10)
    #[argh(option, arg_name = "N", default = "Duration::from_secs(12)", from_str_fn(parse_seconds))]
    pub seconds: Duration,
    /// print one JSON object for each finding
    #[argh(switch)]
    pub json: bool,
}

/// Reads how long to listen.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 2..=60) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{text:?} is no time to listen; write a number of seconds from 2 to 60")),
    }
}
