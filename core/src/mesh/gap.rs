//! What is done about a missing message: whoever told of it is asked, then its origin, then two others, and then all of them anew.
//! When all have said that they do not have it, or after ten seconds without a find, it is lost.

use super::PeerId;
use super::config::Timers;
use crate::limits::{MESH_ASK_SOURCES, MESH_ASK_TRIES};
use crate::time::Instant;
use core::time::Duration;

/// Whom to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Whoever told of the message.
    Informer(PeerId),
    /// Whoever said it.
    Origin,
    /// Somebody else.
    Other,
}

/// The search for the missing messages of one origin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gap {
    /// Whether something is missing.
    is_open: bool,
    /// How many sources have been given up.
    source: u8,
    /// How often this one was asked.
    tries: u8,
    /// How many sources in this round said that they have nothing, or were not there.
    denials: u8,
    /// Who told of the message.
    informer: PeerId,
    /// Which other is asked.
    pub(super) other: PeerId,
    /// When something was last found or began to be missing.
    since: Instant,
    /// When somebody is asked next.
    ask_at: Instant,
    /// The highest number that was asked for.
    asked: u32,
    /// The lowest number that somebody has who does not have the first one missing; 0 if nobody said.
    lowest: u32,
}

/// What is to be done about a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing now.
    Wait,
    /// To ask somebody, for the how manieth time (0 the first).
    Ask(Source, u8),
    /// To give up.
    Lost,
}

impl Gap {
    /// Nothing is missing.
    pub(super) const NONE: Self = Self {
        is_open: false,
        source: 0,
        tries: 0,
        denials: 0,
        informer: PeerId::ZERO,
        other: PeerId::ZERO,
        since: Instant::from_millis(0),
        ask_at: Instant::from_millis(0),
        asked: 0,
        lowest: 0,
    };

    /// Something is missing, says `informer`. It may only be late, so it is asked for after a moment.
    pub(super) fn open(&mut self, now: Instant, timers: &Timers, informer: PeerId) {
        if !self.is_open {
            *self = Self { is_open: true, informer, since: now, ask_at: now + timers.took_delay_max, ..Self::NONE };
        }
    }

    /// A message was found; `top` is the number up to which nothing is missing now, and `head` the highest.
    pub(super) fn handle_found(&mut self, now: Instant, top: u32, head: u32) {
        if top >= head {
            *self = Self::NONE;
        } else if self.is_open {
            self.since = now;
            if top >= self.asked {
                // All that was asked for has come: the next is asked for at once.
                (self.tries, self.ask_at) = (0, now);
            }
        }
    }

    /// Whether a number was asked for.
    pub(super) const fn is_asked(&self, number: u32) -> bool {
        self.is_open && number <= self.asked
    }

    /// Somebody does not have the first one missing, and has `lowest` as its lowest (0: none).
    pub(super) fn handle_none(&mut self, now: Instant, from: PeerId, origin: PeerId, top: u32, lowest: u32) {
        let asked = match self.source() {
            Some(Source::Informer(informer)) => informer,
            Some(Source::Origin) => origin,
            Some(Source::Other) => self.other,
            None => return,
        };
        if !self.is_open || from != asked || self.tries == 0 {
            return;
        }
        if lowest > top && (self.lowest <= top || lowest < self.lowest) {
            self.lowest = lowest;
        }
        self.skip_source(now);
    }

    /// Who is asked now; `None` if nobody is left.
    const fn source(&self) -> Option<Source> {
        match self.source {
            0 => Some(Source::Informer(self.informer)),
            1 => Some(Source::Origin),
            2 | 3 => Some(Source::Other),
            _ => None,
        }
    }

    /// What is to be done. Whoever is to be asked counts as asked for all numbers up to `asked`.
    pub(super) fn step(&mut self, now: Instant, timers: &Timers, origin: PeerId, asked: u32) -> Step {
        if !self.is_open {
            return Step::Wait;
        }
        if now - self.since >= timers.gap_max {
            return Step::Lost;
        }
        if self.ask_at > now {
            return Step::Wait;
        }
        if self.tries == MESH_ASK_TRIES {
            (self.source, self.tries) = (self.source + 1, 0);
        }
        // The origin is not asked twice over.
        if self.source == 1 && self.informer == origin {
            (self.source, self.denials) = (2, self.denials + 1);
        }
        let Some(source) = self.source() else {
            if self.denials >= MESH_ASK_SOURCES {
                return Step::Lost;
            }
            // Somebody was silent: all are asked once more, and an other may be the same again.
            (self.source, self.tries, self.denials, self.other) = (0, 0, 0, PeerId::ZERO);
            return Step::Wait;
        };
        self.tries += 1;
        self.ask_at = now + Self::pause(timers, source);
        self.asked = self.asked.max(asked);
        Step::Ask(source, self.tries - 1)
    }

    /// Whoever is to be asked has nothing or is not there: the next source has its turn.
    pub(super) fn skip_source(&mut self, now: Instant) {
        (self.source, self.tries, self.ask_at) = (self.source.saturating_add(1), 0, now);
        self.denials = self.denials.saturating_add(1);
    }

    /// The pause after a request.
    const fn pause(timers: &Timers, source: Source) -> Duration {
        match source {
            Source::Informer(_) => timers.informer_pause,
            Source::Origin | Source::Other => timers.ask_pause,
        }
    }

    /// The lowest number behind `top` that somebody has; `None` if nobody said so.
    pub(super) fn lowest_behind(&self, top: u32) -> Option<u32> {
        (self.lowest > top).then_some(self.lowest)
    }

    /// Deadlines start anew.
    pub(super) fn restart(&mut self, now: Instant) {
        if self.is_open {
            (self.source, self.tries, self.denials, self.other) = (0, 0, 0, PeerId::ZERO);
            (self.since, self.ask_at) = (now, now);
        }
    }

    /// When something is due next.
    pub(super) fn due_at(&self, timers: &Timers) -> Option<Instant> {
        self.is_open.then(|| self.ask_at.min(self.since + timers.gap_max))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const TIMERS: Timers = Timers::DEFAULT;
    const INFORMER: PeerId = PeerId(1);
    const ORIGIN: PeerId = PeerId(2);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn open(informer: PeerId) -> Gap {
        let mut gap = Gap::NONE;
        gap.open(at(0), &TIMERS, informer);
        gap
    }

    /// What happens to a gap until it is lost, with the times.
    fn life(gap: &mut Gap) -> (Vec<(u64, Source)>, u64) {
        let mut asked = Vec::new();
        for millis in 0..20_000 {
            match gap.step(at(millis), &TIMERS, ORIGIN, 9) {
                Step::Wait => {}
                Step::Ask(source, _) => asked.push((millis, source)),
                Step::Lost => return (asked, millis),
            }
        }
        panic!("it is never lost");
    }

    #[test]
    fn informer_origin_and_two_others_are_asked_three_times_each_again_and_again_for_ten_seconds() {
        let (asked, lost_at) = life(&mut open(INFORMER));
        let informer = Source::Informer(INFORMER);
        assert_eq!(asked[..4], [(20, informer), (120, informer), (220, informer), (320, Source::Origin)]);
        assert_eq!(asked[11], (320 + 8 * 300, Source::Other));
        assert_eq!(asked[12].1, informer);
        assert_eq!(lost_at, 10_000);
    }

    #[test]
    fn whoever_was_silent_may_be_asked_again_in_the_next_round() {
        let mut gap = open(INFORMER);
        gap.other = PeerId(3);
        let asked_at = (0..100).map(|tenth| at(10 + tenth * 100)).find(|&now| {
            let step = gap.step(now, &TIMERS, ORIGIN, 1);
            step == Step::Ask(Source::Informer(INFORMER), 0) && now > at(1_000)
        });
        assert!(asked_at.is_some());
        assert_eq!(gap.other, PeerId::ZERO);
    }

    #[test]
    fn origin_that_is_the_informer_is_not_asked_again() {
        let (asked, _) = life(&mut open(ORIGIN));
        assert!(asked.iter().all(|(_, source)| *source != Source::Origin));
    }

    #[test]
    fn none_from_all_is_lost_at_once() {
        let mut gap = open(ORIGIN);
        assert_eq!(gap.step(at(20), &TIMERS, ORIGIN, 9), Step::Ask(Source::Informer(ORIGIN), 0));
        gap.handle_none(at(30), ORIGIN, ORIGIN, 4, 0);
        for _ in 0..2 {
            assert_eq!(gap.step(at(30), &TIMERS, ORIGIN, 9), Step::Ask(Source::Other, 0));
            gap.skip_source(at(30));
        }
        assert_eq!(gap.step(at(30), &TIMERS, ORIGIN, 9), Step::Lost);
    }

    #[test]
    fn none_gives_the_next_its_turn_and_the_lowest_number_is_kept() {
        let mut gap = open(INFORMER);
        assert_eq!(gap.step(at(20), &TIMERS, ORIGIN, 9), Step::Ask(Source::Informer(INFORMER), 0));
        gap.handle_none(at(30), PeerId(7), ORIGIN, 4, 6);
        assert_eq!(gap.step(at(30), &TIMERS, ORIGIN, 9), Step::Wait);
        gap.handle_none(at(30), INFORMER, ORIGIN, 4, 8);
        assert_eq!(gap.step(at(30), &TIMERS, ORIGIN, 9), Step::Ask(Source::Origin, 0));
        gap.handle_none(at(40), ORIGIN, ORIGIN, 4, 0);
        assert_eq!(gap.lowest_behind(4), Some(8));
        assert_eq!(gap.lowest_behind(8), None);
    }

    #[test]
    fn progress_keeps_the_search_alive_and_the_next_is_asked_for_at_once() {
        let mut gap = open(INFORMER);
        gap.step(at(20), &TIMERS, ORIGIN, 9);
        assert!(gap.is_asked(9) && !gap.is_asked(10));
        gap.handle_found(at(30), 8, 40);
        assert_eq!(gap.step(at(30), &TIMERS, ORIGIN, 9), Step::Wait);
        gap.handle_found(at(40), 9, 40);
        assert_eq!(gap.step(at(40), &TIMERS, ORIGIN, 40), Step::Ask(Source::Informer(INFORMER), 0));
        gap.handle_found(at(50), 40, 40);
        assert_eq!(gap.due_at(&TIMERS), None);
    }

    #[test]
    fn nothing_found_for_ten_seconds_is_lost() {
        let mut gap = open(INFORMER);
        assert_eq!(gap.step(at(10_000), &TIMERS, ORIGIN, 9), Step::Lost);
    }
}
