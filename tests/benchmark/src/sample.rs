//! What was measured: samples, their medians and their ratios.

use crate::server::Kind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One figure with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    /// Texts that reached members, each second, all members together.
    DeliveriesPerSecond,
    /// Microseconds of the server's CPU for one delivery.
    CpuMicrosPerDelivery,
    /// Milliseconds until the last member has heard a lone text: the median.
    LastMillis,
    /// Members that join in a second.
    JoinsPerSecond,
    /// Bytes of the server's own memory that one idle member costs.
    BytesPerMember,
    /// Bytes of memory of the server without members, its program included.
    ResidentBytes,
    /// The same without the program and its libraries.
    OwnBytes,
    /// How often a second the server wakes up with idle members.
    WakesPerSecond,
    /// Longest milliseconds that a member waits for something to hear.
    StallMillis,
    /// The same while another member does not read.
    StallMillisBeside,
    /// Bytes of the server's own memory that the member costs that does not read.
    BytesBeside,
    /// Percent of what should have reached members and did not.
    LostPercent,
}

impl Figure {
    /// How it is called in tables.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::DeliveriesPerSecond => "deliveries/s",
            Self::CpuMicrosPerDelivery => "CPU µs/delivery",
            Self::LastMillis => "ms to the last",
            Self::JoinsPerSecond => "joins/s",
            Self::BytesPerMember => "bytes/idle member",
            Self::ResidentBytes => "resident bytes",
            Self::OwnBytes => "own bytes",
            Self::WakesPerSecond => "wake-ups/s",
            Self::StallMillis => "longest stall, ms",
            Self::StallMillisBeside => "beside a stalled member, ms",
            Self::BytesBeside => "bytes it costs",
            Self::LostPercent => "lost, %",
        }
    }
}

/// What is measured: a mode and what is varied in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    /// The mode's name on the command line.
    pub(crate) mode: &'static str,
    /// What is varied.
    pub(crate) axis: &'static str,
    /// Its value.
    pub(crate) value: usize,
}

/// The figures of one case and server, each with one value for each round.
pub(crate) type Figures = BTreeMap<Figure, Vec<f64>>;

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Samples(BTreeMap<(Case, Kind), Figures>);

impl Samples {
    /// Adds what one round has brought.
    pub(crate) fn push(&mut self, case: Case, kind: Kind, figures: &[(Figure, f64)]) {
        let all = self.0.entry((case, kind)).or_default();
        for &(figure, value) in figures {
            all.entry(figure).or_default().push(value);
        }
    }

    /// Sets all figures of one case and server.
    pub(crate) fn replace(&mut self, case: Case, kind: Kind, figures: Figures) {
        self.0.insert((case, kind), figures);
    }

    /// All of it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Case, Kind, &Figures)> {
        self.0.iter().map(|(&(case, kind), figures)| (case, kind, figures))
    }

    /// The median of a figure.
    pub(crate) fn median(&self, case: Case, kind: Kind, figure: Figure) -> Option<f64> {
        median(self.0.get(&(case, kind))?.get(&figure)?.clone())
    }

    /// The median over the rounds of one server's figure divided by another's in the same round.
    pub(crate) fn ratio(&self, case: Case, kind: Kind, against: Kind, figure: Figure) -> Option<f64> {
        let values = |kind| self.0.get(&(case, kind))?.get(&figure);
        median(values(kind)?.iter().zip(values(against)?).map(|(value, base)| value / base).collect())
    }
}

/// The one in the middle, or the mean of the two there.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (lower, upper) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*lower, *upper))
}
