//! What a newcomer is handed: the vector, then which ten messages are the most recent, both from one giver, and then these
//! messages from anybody (docs/mesh-protocol.md section 7.5, "Handing over").
//!
//! The vector comes first: what is said between the two is then above the vector and live; the other way round it would be in
//! neither.

use super::PeerId;
use super::config::Timers;
use super::item::Pair;
use super::walk::{self, Walk};
use crate::limits::HISTORY_MESSAGES_MAX;
use crate::time::Instant;
use heapless::Vec;

/// What a newcomer is handed.
#[derive(Debug)]
pub(super) struct Handover {
    /// Where it stands.
    stage: Stage,
    /// The seniority of the giver that was asked last: the next is the oldest behind it.
    asked: Option<(u64, PeerId)>,
    /// The ten messages.
    wanted: Vec<Wanted, HISTORY_MESSAGES_MAX>,
}

/// Where a hand-over stands.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Not begun, or nobody gives at this moment: a giver is chosen then.
    Choose(Option<Instant>),
    /// The vector is asked for.
    Vector(Walk),
    /// The recent messages are asked for.
    Recent(Walk),
    /// The messages themselves are asked for.
    Fetch {
        /// The giver.
        giver: PeerId,
        /// When the missing ones are asked for next.
        ask_at: Instant,
        /// How often they were asked for.
        tries: u8,
        /// When what has not come is given up.
        until: Instant,
    },
    /// The history is shown.
    Show,
    /// It is done.
    Done,
}

/// One of the ten messages.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    /// Which.
    pair: Pair,
    /// Whether it is in the ring.
    is_held: bool,
    /// Whether it has been shown.
    is_shown: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// A giver is to be chosen: the oldest behind this seniority; then [`Handover::handle_giver`].
    Choose(Option<(u64, PeerId)>),
    /// The page of the vector behind this id is to be asked for.
    Vector(PeerId, PeerId),
    /// The recent messages are to be asked for.
    Recent(PeerId),
    /// The missing messages are to be asked for: of the giver in the first three tries, then of anybody.
    Fetch(PeerId, u8),
}

impl Handover {
    /// Not begun.
    pub(super) const NEW: Self = Self { stage: Stage::Choose(None), asked: None, wanted: Vec::new() };

    /// Begins.
    pub(super) fn start(now: Instant) -> Self {
        Self { stage: Stage::Choose(Some(now)), ..Self::NEW }
    }

    /// Whether it is done.
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// Whether the vector is here, so that it is known what is live.
    pub(super) const fn has_vector(&self) -> bool {
        matches!(self.stage, Stage::Recent(_) | Stage::Fetch { .. } | Stage::Show | Stage::Done)
    }

    /// What is to be done; it counts as done.
    pub(super) fn due(&mut self, now: Instant, timers: &Timers) -> Option<Due> {
        match &mut self.stage {
            Stage::Choose(Some(at)) if *at <= now => {
                self.stage = Stage::Choose(None);
                Some(Due::Choose(self.asked))
            }
            Stage::Vector(walk) => match walk.step(now, timers) {
                walk::Step::Wait => None,
                walk::Step::Ask(after) => Some(Due::Vector(walk.giver, after)),
                walk::Step::Failed => self.choose_next(now, timers),
            },
            Stage::Recent(walk) => match walk.step(now, timers) {
                walk::Step::Wait => None,
                walk::Step::Ask(_) => Some(Due::Recent(walk.giver)),
                walk::Step::Failed => self.choose_next(now, timers),
            },
            Stage::Fetch { giver, ask_at, tries, until } if *ask_at <= now && *until > now => {
                *tries = tries.saturating_add(1);
                *ask_at = now + timers.informer_pause;
                Some(Due::Fetch(*giver, *tries))
            }
            _ => None,
        }
    }

    /// The giver is given up.
    fn choose_next(&mut self, now: Instant, timers: &Timers) -> Option<Due> {
        self.stage = Stage::Choose(Some(now));
        self.due(now, timers)
    }

    /// A giver was chosen; or nobody is left, so that all are asked anew after a while.
    pub(super) fn handle_giver(&mut self, now: Instant, timers: &Timers, giver: Option<(u64, PeerId)>) {
        self.asked = giver;
        self.wanted.clear();
        self.stage = match giver {
            Some((_, id)) => Stage::Vector(Walk::new(now, id)),
            None => Stage::Choose(Some(now + timers.page_pause)),
        };
    }

    /// Nobody else is there: there is nothing to hand over.
    pub(super) fn finish(&mut self) {
        self.stage = Stage::Done;
    }

    /// Whoever was asked does not give.
    pub(super) fn handle_refusal(&mut self, now: Instant, from: PeerId) {
        if matches!(self.stage, Stage::Vector(walk) | Stage::Recent(walk) if walk.giver == from) {
            self.stage = Stage::Choose(Some(now));
        }
    }

    /// A page of the vector came. Gives whether it was asked for, so that it counts.
    pub(super) fn handle_vector(&mut self, now: Instant, from: PeerId, after: PeerId, until: PeerId) -> bool {
        let Stage::Vector(walk) = &mut self.stage else { return false };
        let page = walk.handle_page(now, from, after, until);
        if page == Some(true) {
            self.stage = Stage::Recent(Walk::new(now, from));
        }
        page.is_some()
    }

    /// Which messages are the most recent. Gives whether that was asked for, so that it counts.
    pub(super) fn handle_recent(
        &mut self,
        now: Instant,
        timers: &Timers,
        from: PeerId,
        pairs: impl Iterator<Item = Pair>,
    ) -> bool {
        let is_asked = matches!(self.stage, Stage::Recent(walk) if walk.giver == from);
        if is_asked {
            self.wanted =
                pairs.map(|pair| Wanted { pair, is_held: false, is_shown: false }).take(HISTORY_MESSAGES_MAX).collect();
            self.stage = Stage::Fetch { giver: from, ask_at: now, tries: 0, until: now + timers.fetch_max };
        }
        is_asked
    }

    /// Whether a message is one of the ten and not here yet.
    pub(super) fn wants(&self, pair: Pair) -> bool {
        self.missing().any(|wanted| wanted == pair)
    }

    /// Those of the ten that are not here yet.
    pub(super) fn missing(&self) -> impl Iterator<Item = Pair> {
        self.wanted.iter().filter(|wanted| !wanted.is_held).map(|wanted| wanted.pair)
    }

    /// A message is in the ring.
    pub(super) fn handle_held(&mut self, pair: Pair) {
        self.wanted.iter_mut().filter(|wanted| wanted.pair == pair).for_each(|wanted| wanted.is_held = true);
    }

    /// Whether the history may be shown now: all is here, or the time for it is over.
    pub(super) fn may_show(&mut self, now: Instant) -> bool {
        if let Stage::Fetch { until, .. } = self.stage
            && (until <= now || self.missing().next().is_none())
        {
            self.stage = Stage::Show;
        }
        matches!(self.stage, Stage::Show)
    }

    /// Those of the ten that are here and have not been shown.
    pub(super) fn unshown(&self) -> impl Iterator<Item = Pair> {
        self.wanted.iter().filter(|wanted| wanted.is_held && !wanted.is_shown).map(|wanted| wanted.pair)
    }

    /// The highest number of this origin that the history has shown; 0 if none.
    pub(super) fn shown(&self, origin: PeerId) -> u32 {
        let shown = self.wanted.iter().filter(|wanted| wanted.is_shown && wanted.pair.origin == origin);
        shown.map(|wanted| wanted.pair.number).max().unwrap_or(0)
    }

    /// A message of the history was shown, or turned out to be live.
    pub(super) fn handle_shown(&mut self, pair: Pair) {
        self.wanted.iter_mut().filter(|wanted| wanted.pair == pair).for_each(|wanted| wanted.is_shown = true);
    }

    /// Deadlines start anew.
    pub(super) fn restart(&mut self, now: Instant, timers: &Timers) {
        match &mut self.stage {
            Stage::Vector(walk) | Stage::Recent(walk) => walk.restart(now),
            Stage::Fetch { ask_at, tries, until, .. } => (*ask_at, *tries, *until) = (now, 0, now + timers.fetch_max),
            Stage::Choose(_) | Stage::Show | Stage::Done => {}
        }
    }

    /// When something is due next.
    pub(super) fn due_at(&self) -> Option<Instant> {
        match self.stage {
            Stage::Choose(at) => at,
            Stage::Vector(walk) | Stage::Recent(walk) => Some(walk.due_at()),
            Stage::Fetch { ask_at, until, .. } => Some(ask_at.min(until)),
            Stage::Show | Stage::Done => None,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    const TIMERS: Timers = Timers::DEFAULT;
    const GIVER: (u64, PeerId) = (1, PeerId(4));
    const PAIR: Pair = Pair { origin: PeerId(8), number: 3 };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// A hand-over that has asked its giver for the first page of the vector.
    fn begun() -> Handover {
        let mut handover = Handover::start(at(0));
        assert_eq!(handover.due(at(0), &TIMERS), Some(Due::Choose(None)));
        handover.handle_giver(at(0), &TIMERS, Some(GIVER));
        assert_eq!(handover.due(at(0), &TIMERS), Some(Due::Vector(GIVER.1, PeerId::ZERO)));
        handover
    }

    /// One that is told that PAIR is the most recent message.
    fn fetching() -> Handover {
        let mut handover = begun();
        assert!(handover.handle_vector(at(1), GIVER.1, PeerId::ZERO, PeerId::LAST));
        assert_eq!(handover.due(at(1), &TIMERS), Some(Due::Recent(GIVER.1)));
        assert!(handover.handle_recent(at(2), &TIMERS, GIVER.1, [PAIR].into_iter()));
        handover
    }

    #[test]
    fn vector_comes_before_recent_and_both_from_one_giver() {
        let mut handover = begun();
        assert!(!handover.handle_recent(at(1), &TIMERS, GIVER.1, [PAIR].into_iter()));
        assert!(!handover.handle_vector(at(1), PeerId(5), PeerId::ZERO, PeerId::LAST));
        assert!(handover.handle_vector(at(1), GIVER.1, PeerId::ZERO, PeerId(100)));
        assert!(!handover.has_vector());
        assert_eq!(handover.due(at(1), &TIMERS), Some(Due::Vector(GIVER.1, PeerId(100))));
        assert!(handover.handle_vector(at(1), GIVER.1, PeerId(100), PeerId::LAST));
        assert!(handover.has_vector());
        assert!(!handover.handle_recent(at(1), &TIMERS, PeerId(5), [PAIR].into_iter()));
    }

    #[test]
    fn next_giver_begins_both_anew() {
        let mut handover = begun();
        handover.handle_vector(at(1), GIVER.1, PeerId::ZERO, PeerId::LAST);
        handover.handle_refusal(at(2), PeerId(5));
        assert_eq!(handover.due(at(2), &TIMERS), Some(Due::Recent(GIVER.1)));
        handover.handle_refusal(at(3), GIVER.1);
        assert_eq!(handover.due(at(3), &TIMERS), Some(Due::Choose(Some(GIVER))));
        handover.handle_giver(at(3), &TIMERS, None);
        assert!(!handover.has_vector());
        assert_eq!(handover.due(at(302), &TIMERS), None);
        assert_eq!(handover.due(at(303), &TIMERS), Some(Due::Choose(None)));
    }

    #[test]
    fn silent_giver_is_given_up_after_five_requests() {
        let mut handover = begun();
        for try_index in 1..5 {
            assert_eq!(handover.due(at(try_index * 300), &TIMERS), Some(Due::Vector(GIVER.1, PeerId::ZERO)));
        }
        assert_eq!(handover.due(at(1_500), &TIMERS), Some(Due::Choose(Some(GIVER))));
    }

    #[test]
    fn history_is_shown_when_all_is_here_or_after_three_seconds() {
        let mut handover = fetching();
        assert!(!handover.may_show(at(2)));
        assert_eq!(handover.due(at(2), &TIMERS), Some(Due::Fetch(GIVER.1, 1)));
        assert!(!handover.may_show(at(3_001)));
        assert!(handover.may_show(at(3_002)));
        let mut handover = fetching();
        assert!(handover.wants(PAIR));
        handover.handle_held(PAIR);
        assert!(handover.may_show(at(2)));
        assert_eq!(handover.unshown().next(), Some(PAIR));
        handover.handle_shown(PAIR);
        assert_eq!(handover.unshown().next(), None);
    }

    #[test]
    fn giver_is_asked_three_times_and_then_anybody() {
        let mut handover = fetching();
        let mut times = std::vec::Vec::new();
        for millis in 2..3_002 {
            if let Some(Due::Fetch(_, tries)) = handover.due(at(millis), &TIMERS) {
                times.push((millis, tries));
            }
        }
        assert_eq!(times[..5], [(2, 1), (102, 2), (202, 3), (302, 4), (402, 5)]);
    }
}
