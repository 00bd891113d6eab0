//! Times and counts, of one run or of many.

use crate::violation::{Checked, check};
use std::collections::BTreeMap;
use std::fmt;

/// Times and counts of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// How long each join took, from the start to the admission, founders left out.
    pub joins_ms: Vec<u64>,
    /// How many founded a group.
    pub founded: usize,
    /// How many were refused, by reason.
    pub refused: BTreeMap<String, usize>,
    /// How long each message took to each other member that was there.
    pub messages_ms: Vec<u64>,
    /// The same, where a time is promised.
    pub timed_messages_ms: Vec<u64>,
    /// How long it took until a newcomer was admitted or refused, where a time is promised and nobody else claimed or had the name.
    pub decisions_ms: Vec<u64>,
    /// The same, where others claimed or had the name.
    pub contests_ms: Vec<u64>,
    /// How long each death took until the last table was rid of it.
    pub deaths_ms: Vec<u64>,
    /// Live members that were declared dead.
    pub false_deaths: usize,
    /// How long each death took until each single table was rid of it.
    pub died_ms: Vec<u64>,
    /// How often a user was told that a member is dead that lives.
    pub false_views: usize,
    /// Live members of the own half that were dropped for a moment when halves met again.
    pub healed_drops: usize,
    /// Two members with one key that no witness saw.
    pub unwitnessed: usize,
    /// Member-milliseconds.
    pub member_ms: u64,
    /// Messages that were lost for somebody.
    pub lost: u64,
    /// Messages that a newcomer's history lacks because they could not be fetched in time.
    pub unfetched: usize,
    /// Bytes a second and peer at rest.
    pub rest_bytes: u64,
    /// Datagrams sent.
    pub sent: u64,
}

impl Tally {
    /// The times hold that are promised for 999 of 1,000.
    ///
    /// # Errors
    /// MESH-LIVE-2, 4 and 5.
    pub fn check_times(&self) -> Checked {
        let [decision_ms, contest_ms, message_ms, death_ms] = TIMES_MS_MAX;
        let all = [
            ("MESH-LIVE-2", &self.decisions_ms, decision_ms, "joins"),
            ("MESH-LIVE-2", &self.contests_ms, contest_ms, "joins under a name that others claimed or had"),
            ("MESH-LIVE-4", &self.timed_messages_ms, message_ms, "messages"),
            ("MESH-LIVE-5", &self.deaths_ms, death_ms, "deaths"),
        ];
        for (rule, times_ms, most_ms, what) in all {
            let late = times_ms.iter().filter(|&&time_ms| time_ms > most_ms).count();
            check(rule, 0, late <= 1 + times_ms.len() / 1_000, || {
                format!(
                    "of {} {what} {late} took longer than {most_ms} ms, at most {} ms",
                    times_ms.len(),
                    part(times_ms, 1_000)
                )
            })?;
        }
        Ok(())
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.joins_ms.extend(&other.joins_ms);
        self.messages_ms.extend(&other.messages_ms);
        self.timed_messages_ms.extend(&other.timed_messages_ms);
        self.decisions_ms.extend(&other.decisions_ms);
        self.contests_ms.extend(&other.contests_ms);
        self.deaths_ms.extend(&other.deaths_ms);
        for (reason, count) in &other.refused {
            *self.refused.entry(reason.clone()).or_default() += count;
        }
        self.founded += other.founded;
        self.false_deaths += other.false_deaths;
        self.died_ms.extend(&other.died_ms);
        self.false_views += other.false_views;
        self.unwitnessed += other.unwitnessed;
        self.healed_drops += other.healed_drops;
        self.member_ms += other.member_ms;
        self.lost += other.lost;
        self.unfetched += other.unfetched;
        self.rest_bytes = self.rest_bytes.max(other.rest_bytes);
        self.sent += other.sent;
    }
}

/// Longest times that 999 of 1,000 may take, in milliseconds (docs/mesh-protocol.md section 11.1): until a newcomer is admitted or refused, the
/// same where others claim or had the name, until a message has reached a member, and until all tables are rid of somebody who died.
const TIMES_MS_MAX: [u64; 4] = [10_000, 20_000, 5_000, 10_000];

/// The value below which so many of a thousand lie.
fn part(values: &[u64], permille: usize) -> u64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get((values.len() * permille / 1_000).min(values.len().saturating_sub(1))).copied().unwrap_or(0)
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = |values: &[u64]| {
            format!("{}: {} / {} / {} ms", values.len(), part(values, 500), part(values, 999), part(values, 1_000))
        };
        write!(f, "joins {} (median / p99.9 / most), {} founded, ", times(&self.joins_ms), self.founded)?;
        write!(f, "messages {}, deaths {}, ", times(&self.messages_ms), times(&self.deaths_ms))?;
        write!(
            f,
            "where times are promised: joins {}, contests {}, messages {}, ",
            times(&self.decisions_ms),
            times(&self.contests_ms),
            times(&self.timed_messages_ms)
        )?;
        write!(
            f,
            "{} member-minutes, {} false deaths, {} in healing, ",
            self.member_ms / 60_000,
            self.false_deaths,
            self.healed_drops
        )?;
        write!(f, "{} lost, {} unwitnessed, refused {:?}, ", self.lost, self.unwitnessed, self.refused)?;
        write!(f, "at most {} bytes a second at rest, {} datagrams", self.rest_bytes, self.sent)
    }
}
