//! Times and counts, of one run or of many.

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
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.joins_ms.extend(&other.joins_ms);
        self.messages_ms.extend(&other.messages_ms);
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
            "{} member-minutes, {} false deaths, {} in healing, ",
            self.member_ms / 60_000,
            self.false_deaths,
            self.healed_drops
        )?;
        write!(f, "{} lost, {} unwitnessed, refused {:?}, ", self.lost, self.unwitnessed, self.refused)?;
        write!(f, "at most {} bytes a second at rest, {} datagrams", self.rest_bytes, self.sent)
    }
}
