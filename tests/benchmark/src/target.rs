//! The targets: what must be reached, and what is aimed at.

use crate::sample::{Case, Figure, Samples};
use crate::server::Kind;

/// How a figure is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// It must not be above the first, and is aimed at the second.
    AtMost(f64, f64),
    /// It must not be below the first, and is aimed at the second.
    AtLeast(f64, f64),
}

/// One target.
pub(crate) struct Target {
    /// What is to be reached.
    pub(crate) what: &'static str,
    /// In which mode, varying what, at which value.
    case: (&'static str, &'static str, usize),
    /// Whose figure it is.
    kind: Kind,
    /// Which figure.
    figure: Figure,
    /// Divided by whose, if it is a ratio.
    against: Option<Kind>,
    /// What it has to be.
    pub(crate) bound: Bound,
}

/// How a target was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What is aimed at.
    Aim,
    /// What must be.
    Met,
    /// Neither.
    Missed,
}

impl Target {
    /// What was measured; `None` if that mode was not run.
    pub(crate) fn value(&self, samples: &Samples) -> Option<f64> {
        let (mode, axis, value) = self.case;
        let case = Case { mode, axis, value };
        match self.against {
            Some(against) => samples.ratio(case, self.kind, against, self.figure),
            None => samples.median(case, self.kind, self.figure),
        }
    }

    /// Whether that is enough.
    pub(crate) fn verdict(&self, value: f64) -> Verdict {
        let (must, aim) = match self.bound {
            Bound::AtMost(must, aim) => (value <= must, value <= aim),
            Bound::AtLeast(must, aim) => (value >= must, value >= aim),
        };
        if aim {
            Verdict::Aim
        } else if must {
            Verdict::Met
        } else {
            Verdict::Missed
        }
    }
}

/// A ratio of the room's figure to another server's.
const fn room(
    what: &'static str,
    mode: &'static str,
    members: usize,
    figure: Figure,
    against: Kind,
    bound: Bound,
) -> Target {
    Target { what, case: (mode, "members", members), kind: Kind::Room, figure, against: Some(against), bound }
}

/// A figure of the room by itself.
const fn alone(what: &'static str, mode: &'static str, members: usize, figure: Figure, bound: Bound) -> Target {
    Target { what, case: (mode, "members", members), kind: Kind::Room, figure, against: None, bound }
}

/// A ratio of the relay's CPU to that of the bare loop.
const fn relay(what: &'static str, mode: &'static str, members: usize, bound: Bound) -> Target {
    let (figure, against) = (Figure::CpuMicrosPerDelivery, Some(Kind::LimitUdp));
    Target { what, case: (mode, "members", members), kind: Kind::Relay, figure, against, bound }
}

/// What the relay loses.
const fn loss(what: &'static str, texts_per_second: usize, aim_alone: bool) -> Target {
    // What is only aimed at is never missed.
    let must = if aim_alone { 100.0 } else { 0.0 };
    let (figure, against) = (Figure::LostPercent, None);
    let bound = Bound::AtMost(must, 0.0);
    Target { what, case: ("relay-rate", "texts/s", texts_per_second), kind: Kind::Relay, figure, against, bound }
}

/// A ratio of a member on a WebSocket to one on TCP.
const fn page(what: &'static str, mode: &'static str, figure: Figure, must: f64) -> Target {
    let (kind, against, bound) = (Kind::Page, Some(Kind::Room), Bound::AtMost(must, 1.2));
    Target { what, case: (mode, "members", 500), kind, figure, against, bound }
}

/// The memory that an idle member costs.
const fn memory(what: &'static str, kind: Kind, must: f64) -> Target {
    let (figure, bound) = (Figure::BytesPerMember, Bound::AtMost(must, must));
    Target { what, case: ("page-idle", "members", 1_000), kind, figure, against: None, bound }
}

/// A second worker's price.
const fn second_worker(what: &'static str, members: usize) -> Target {
    let (figure, against) = (Figure::CpuMicrosPerDelivery, Some(Kind::Room));
    let bound = Bound::AtMost(1.15, 1.05);
    Target { what, case: ("threads", "members", members), kind: Kind::RoomOfTwo, figure, against, bound }
}

/// All targets.
pub(crate) fn all() -> Vec<Target> {
    use Bound::{AtLeast, AtMost};
    use Figure::{
        BytesBeside, BytesPerMember, CpuMicrosPerDelivery, DeliveriesPerSecond, JoinsPerSecond, LastMillis,
        StallMillisBeside, WakesPerSecond,
    };
    let saturated = AtMost(2.0, 1.5);
    let single = AtMost(2.0, 1.4);
    let limit = Kind::LimitRound;
    vec![
        room(
            "TCP saturated, 100 members: CPU against limit-b",
            "saturated",
            100,
            CpuMicrosPerDelivery,
            limit,
            saturated,
        ),
        room("the same, 1,000 members", "saturated", 1_000, CpuMicrosPerDelivery, limit, saturated),
        room("the same, 10,000 members", "saturated", 10_000, CpuMicrosPerDelivery, limit, saturated),
        room("100 publishers with 1 in flight, 100 members", "single", 100, CpuMicrosPerDelivery, limit, single),
        room("the same, 1,000 members", "single", 1_000, CpuMicrosPerDelivery, limit, single),
        room("the same, 10,000 members", "single", 10_000, CpuMicrosPerDelivery, limit, single),
        room(
            "lone texts, 1,000 members: CPU against limit-a",
            "lone",
            1_000,
            CpuMicrosPerDelivery,
            Kind::LimitEach,
            AtMost(1.2, 1.05),
        ),
        room("the same: time to the last member", "lone", 1_000, LastMillis, Kind::LimitEach, AtMost(1.0, 0.8)),
        room(
            "deliveries/s at 1,000 members against redis",
            "saturated",
            1_000,
            DeliveriesPerSecond,
            Kind::Redis,
            AtLeast(3.0, 4.0),
        ),
        room(
            "4,000 join at once: joins/s against limit-a",
            "storm",
            4_000,
            JoinsPerSecond,
            Kind::LimitEach,
            AtLeast(0.5, 0.7),
        ),
        alone("own memory per idle member, bytes", "idle", 10_000, BytesPerMember, AtMost(1_536.0, 800.0)),
        alone(
            "a stalled member among 1,000: others' longest stall, ms",
            "stalled",
            1_000,
            StallMillisBeside,
            AtMost(50.0, 50.0),
        ),
        alone("the same: own memory that it costs, bytes", "stalled", 1_000, BytesBeside, AtMost(65_536.0, 0.0)),
        relay(
            "UDP, one text at a time, 1,000 members: CPU against the sendmmsg loop",
            "relay-lone",
            1_000,
            AtMost(1.1, 1.0),
        ),
        relay("UDP saturated, 1,000 members: the same", "relay", 1_000, AtMost(0.125, 0.1)),
        loss("UDP lost at 8,000 texts/s to 100 members, %", 8_000, false),
        loss("UDP lost at 20,000 texts/s to 100 members, %", 20_000, true),
        second_worker("two workers beside the generator, 100 members: CPU against one", 100),
        second_worker("the same, 1,000 members", 1_000),
        second_worker("the same, 10,000 members", 10_000),
        page("500 members on WebSockets, saturated: CPU against TCP", "page", CpuMicrosPerDelivery, 1.2),
        page("the same, lone texts", "page-lone", CpuMicrosPerDelivery, 1.2),
        page("the same: time to the last member", "page-lone", LastMillis, 2.0),
        memory("own memory per idle member among 1,000, TCP, bytes", Kind::Room, 450.0),
        memory("the same, WebSocket", Kind::Page, 900.0),
        alone("wake-ups a second with 1,000 silent members", "idle", 1_000, WakesPerSecond, AtMost(1.0, 0.0)),
    ]
}
