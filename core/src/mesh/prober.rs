//! Probing and private suspicion (docs/mesh-protocol.md section 8.1, "Probing"; after SWIM).
//!
//! Each period one row is probed. Who stays silent is suspected, and nobody is told; who stays silent for eight counted periods
//! more is dead. A period counts only if somebody else was heard in it, or nobody else is there: who hears nobody is cut off
//! itself and declares nobody dead.

use super::random::Random;
use super::{Nonce, PeerId, config::Timers};
use crate::limits::{
    MESH_PROBE_PINGS, MESH_PROBE_VIAS, MESH_SUSPECT_PERIODS, MESH_SUSPECT_PERIODS_INDIRECT, MESH_SUSPECT_VIAS,
    MESH_SUSPECTS_MAX,
};
use crate::time::Instant;
use heapless::Vec;

/// Probes one row after the other.
#[derive(Debug)]
pub(super) struct Prober {
    /// When the period ends; `None` while nothing is probed.
    period_at: Option<Instant>,
    /// Who is probed in this period, and who is suspected.
    trials: Vec<Trial, { MESH_SUSPECTS_MAX + 1 }>,
    /// Members that were heard in this period: none, this one alone, or several.
    heard: Heard,
}

/// Whom a peer has heard in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Nobody.
    Nobody,
    /// One member.
    One(PeerId),
    /// More than one.
    Several,
}

/// Somebody who has to show that it is alive.
#[derive(Debug)]
struct Trial {
    /// Who.
    id: PeerId,
    /// Whether its silence means anything; else it counts always.
    is_missed: bool,
    /// Whether its last sign of life came by somebody else: then it has more time.
    is_indirect: bool,
    /// The nonce of its Pings in this period.
    nonce: Nonce,
    /// How many Pings are left in this period.
    pings: u8,
    /// When the next Ping is due.
    ping_at: Instant,
    /// How many others are still to be asked to ping it in this period.
    vias: u8,
    /// From when on they are asked.
    vias_at: Instant,
    /// Behind which id the next to be asked stands.
    via_after: PeerId,
    /// The counted periods of its silence; `None` while it is only probed.
    silent: Option<u8>,
}

/// Whom to probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probed {
    /// Who.
    pub(super) id: PeerId,
    /// Whether its silence means anything: a newcomer's that was never heard does not.
    pub(super) is_missed: bool,
    /// Whether its last sign of life came by somebody else, or none has come yet from a member.
    pub(super) is_indirect: bool,
}

/// A Ping that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// Who is to answer.
    pub(super) target: PeerId,
    /// The nonce.
    pub(super) nonce: Nonce,
    /// Whether it goes by somebody else: the first one behind this id that is neither the target nor the own peer.
    pub(super) via_after: Option<PeerId>,
}

impl Trial {
    /// After how many counted periods it is dead. Who is reached by others alone is heard in fewer periods, the more so when they are few.
    const fn periods_max(&self) -> u8 {
        if self.is_indirect { MESH_SUSPECT_PERIODS_INDIRECT } else { MESH_SUSPECT_PERIODS }
    }

    /// Whether a period of silence counts, in which these were heard of so many others.
    fn counts(&self, heard: Heard, others: usize) -> bool {
        let is_heard = match heard {
            Heard::Nobody => false,
            Heard::One(other) => other != self.id,
            Heard::Several => true,
        };
        is_heard || !self.is_missed || others <= 1
    }
}

impl Prober {
    /// A prober that does not probe.
    pub(super) const IDLE: Self = Self { period_at: None, trials: Vec::new(), heard: Heard::Nobody };

    /// From now on periods run, the first probe is due at once. All that went before is forgotten.
    pub(super) fn start(&mut self, now: Instant) {
        *self = Self { period_at: Some(now), ..Self::IDLE };
    }

    /// All suspicions begin anew, if periods run.
    pub(super) fn restart(&mut self, now: Instant) {
        if self.period_at.is_some() {
            self.start(now);
        }
    }

    /// No periods run.
    pub(super) fn stop(&mut self) {
        *self = Self::IDLE;
    }

    /// A peer was heard, by itself or by Via: it is alive.
    pub(super) fn handle_heard(&mut self, id: PeerId) {
        self.trials.retain(|trial| trial.id != id);
        self.heard = match self.heard {
            Heard::Nobody => Heard::One(id),
            Heard::One(other) if other == id => self.heard,
            _ => Heard::Several,
        };
    }

    /// An Ack came: whose is it? `None` if no Ping has this nonce.
    pub(super) fn target(&self, nonce: Nonce) -> Option<PeerId> {
        self.trials.iter().find(|trial| trial.nonce == nonce).map(|trial| trial.id)
    }

    /// Whether the period is over, so that [`Prober::next_period`] is to be called.
    pub(super) fn is_period_over(&self, now: Instant) -> bool {
        self.period_at.is_some_and(|period_at| period_at <= now)
    }

    /// Whether one more can be probed beside the suspects: where not, it waits for its turn.
    pub(super) fn has_room(&self) -> bool {
        self.trials.len() < MESH_SUSPECTS_MAX
    }

    /// Whether a peer is pinged in each period until it is heard.
    pub(super) fn is_on_trial(&self, id: PeerId) -> bool {
        self.trials.iter().any(|trial| trial.id == id)
    }

    /// Learns whose silence means anything by now: a newcomer may have become a member since it was first probed.
    pub(super) fn refresh(&mut self, is_missed: impl Fn(PeerId) -> bool) {
        self.trials.iter_mut().for_each(|trial| trial.is_missed = is_missed(trial.id));
    }

    /// Ends the period: the silent become suspects, and those silent for too long are taken out, one with each call that gives
    /// one. `None` when nobody (more) is dead. `others` is the number of others that are missed.
    pub(super) fn next_dead(&mut self, others: usize) -> Option<PeerId> {
        let heard = self.heard;
        let is_dead = |trial: &Trial| {
            trial.silent.is_some_and(|periods| periods + 1 >= trial.periods_max()) && trial.counts(heard, others)
        };
        let index = self.trials.iter().position(is_dead)?;
        Some(self.trials.swap_remove(index).id)
    }

    /// Begins the next period: all suspects are pinged, and `probed` too, unless there are too many suspects. `others` are missed;
    /// `able` gives how many can pass something on to a peer.
    pub(super) fn next_period(
        &mut self,
        now: Instant,
        timers: &Timers,
        random: &mut Random,
        (others, able): (usize, impl Fn(PeerId) -> usize),
        probed: Option<Probed>,
    ) {
        let heard = self.heard;
        // Each of those who may be asked is asked once.
        let vias = |vias: u8, id| vias.min(u8::try_from(able(id)).unwrap_or(u8::MAX));
        for trial in &mut self.trials {
            let counts = trial.counts(heard, others);
            trial.silent = Some(trial.silent.map_or(0, |periods| periods + u8::from(counts)));
            (trial.nonce, trial.pings, trial.ping_at) = (Nonce(random.word()), 1, now);
            trial.vias = vias(MESH_SUSPECT_VIAS, trial.id);
            (trial.vias_at, trial.via_after) = (now, PeerId(random.word()));
        }
        self.heard = Heard::Nobody;
        self.period_at = Some(now + timers.probe_period);
        if let Some(Probed { id, is_missed, is_indirect }) =
            probed.filter(|probed| self.trials.iter().all(|trial| trial.id != probed.id))
        {
            // With eight suspects there is no room: they come first.
            if self.trials.len() < MESH_SUSPECTS_MAX {
                let _ = self.trials.push(Trial {
                    id,
                    is_missed,
                    is_indirect,
                    nonce: Nonce(random.word()),
                    pings: MESH_PROBE_PINGS,
                    ping_at: now,
                    vias: vias(MESH_PROBE_VIAS, id),
                    vias_at: now + timers.probe_pause,
                    via_after: PeerId(random.word()),
                    silent: None,
                });
            }
        }
    }

    /// A Ping that is due; it counts as sent.
    pub(super) fn due(&mut self, now: Instant, timers: &Timers) -> Option<Due> {
        for trial in &mut self.trials {
            if trial.pings > 0 && trial.ping_at <= now {
                trial.pings -= 1;
                trial.ping_at = now + timers.probe_pause;
                return Some(Due { target: trial.id, nonce: trial.nonce, via_after: None });
            }
            if trial.vias > 0 && trial.vias_at <= now {
                trial.vias -= 1;
                return Some(Due { target: trial.id, nonce: trial.nonce, via_after: Some(trial.via_after) });
            }
        }
        None
    }

    /// The Ping to this target went by this peer; the next goes by another. `None`: there was nobody, so no more are asked.
    pub(super) fn handle_via(&mut self, target: PeerId, via: Option<PeerId>) {
        if let Some(trial) = self.trials.iter_mut().find(|trial| trial.id == target) {
            match via {
                Some(via) => trial.via_after = via,
                None => trial.vias = 0,
            }
        }
    }

    /// A row is gone: it is no longer probed.
    pub(super) fn handle_gone(&mut self, id: PeerId) {
        self.trials.retain(|trial| trial.id != id);
    }

    /// When something is due next.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let pings = self.trials.iter().filter(|trial| trial.pings > 0).map(|trial| trial.ping_at);
        let vias = self.trials.iter().filter(|trial| trial.vias > 0).map(|trial| trial.vias_at);
        pings.chain(vias).chain(self.period_at).min()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const TIMERS: Timers = Timers::DEFAULT;
    const TARGET: PeerId = PeerId(5);
    const OTHER: PeerId = PeerId(6);
    const PROBED: Probed = Probed { id: TARGET, is_missed: true, is_indirect: false };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// A prober in its first period, probing `TARGET`, among so many others.
    fn probing(others: usize) -> (Prober, Random) {
        let (mut prober, mut random) = (Prober::IDLE, Random::new([3; 16]));
        prober.start(at(0));
        assert!(prober.is_period_over(at(0)));
        prober.next_period(at(0), &TIMERS, &mut random, (others, |_| others - 1), Some(PROBED));
        (prober, random)
    }

    fn drain(prober: &mut Prober, millis: u64) -> Vec<bool> {
        core::iter::from_fn(|| prober.due(at(millis), &TIMERS)).map(|due| due.via_after.is_some()).collect()
    }

    /// Lets periods pass in each of which `heard` is heard, until somebody is dead; says after how many.
    fn periods_until_death(
        prober: &mut Prober,
        random: &mut Random,
        others: usize,
        heard: Option<PeerId>,
    ) -> Option<u64> {
        (1..=40).find(|period| {
            heard.into_iter().for_each(|id| prober.handle_heard(id));
            let dead = prober.next_dead(others);
            assert!(dead.is_none_or(|dead| dead == TARGET));
            prober.next_period(at(period * 500), &TIMERS, random, (others, |_| others - 1), None);
            dead.is_some()
        })
    }

    #[test]
    fn probe_is_three_pings_and_three_by_others() {
        let (mut prober, _) = probing(4);
        assert_eq!(drain(&mut prober, 0), [false]);
        assert_eq!(prober.due_at(), Some(at(150)));
        assert_eq!(drain(&mut prober, 150), [false, true, true, true]);
        assert_eq!(drain(&mut prober, 300), [false]);
        assert_eq!(prober.due_at(), Some(at(500)));
    }

    #[test]
    fn silent_row_is_dead_after_its_probe_and_eight_counted_periods() {
        let (mut prober, mut random) = probing(4);
        assert_eq!(periods_until_death(&mut prober, &mut random, 4, Some(OTHER)), Some(9));
    }

    #[test]
    fn suspect_is_pinged_once_and_by_six_others_in_each_period() {
        let (mut prober, mut random) = probing(9);
        prober.next_period(at(500), &TIMERS, &mut random, (9, |_| 8), None);
        assert_eq!(drain(&mut prober, 500), [false, true, true, true, true, true, true]);
        assert_eq!(drain(&mut prober, 999), []);
    }

    #[test]
    fn who_hears_nobody_declares_nobody_dead() {
        let (mut prober, mut random) = probing(4);
        assert_eq!(periods_until_death(&mut prober, &mut random, 4, None), None);
    }

    #[test]
    fn who_was_never_heard_is_dead_although_nobody_is_heard() {
        let (mut prober, mut random) = (Prober::IDLE, Random::new([3; 16]));
        prober.start(at(0));
        let forged = Probed { is_missed: false, ..PROBED };
        prober.next_period(at(0), &TIMERS, &mut random, (4, |_| 4), Some(forged));
        assert_eq!(periods_until_death(&mut prober, &mut random, 4, None), Some(9));
    }

    #[test]
    fn newcomer_that_became_a_member_is_missed_like_one() {
        let (mut prober, mut random) = (Prober::IDLE, Random::new([3; 16]));
        prober.start(at(0));
        prober.next_period(at(0), &TIMERS, &mut random, (4, |_| 4), Some(Probed { is_missed: false, ..PROBED }));
        prober.refresh(|id| id == TARGET);
        assert_eq!(periods_until_death(&mut prober, &mut random, 4, None), None);
    }

    #[test]
    fn who_is_reached_by_others_alone_has_four_periods_more() {
        let (mut prober, mut random) = (Prober::IDLE, Random::new([3; 16]));
        prober.start(at(0));
        prober.next_period(at(0), &TIMERS, &mut random, (4, |_| 3), Some(Probed { is_indirect: true, ..PROBED }));
        assert_eq!(periods_until_death(&mut prober, &mut random, 4, Some(OTHER)), Some(13));
    }

    #[test]
    fn last_other_member_is_dead_although_nobody_is_heard() {
        let (mut prober, mut random) = probing(1);
        assert_eq!(periods_until_death(&mut prober, &mut random, 1, None), Some(9));
    }

    #[test]
    fn anything_heard_ends_the_suspicion() {
        let (mut prober, mut random) = probing(4);
        for period in 1..8 {
            prober.handle_heard(OTHER);
            assert_eq!(prober.next_dead(4), None);
            prober.next_period(at(period * 500), &TIMERS, &mut random, (4, |_| 3), None);
        }
        prober.handle_heard(TARGET);
        assert_eq!(drain(&mut prober, 9_999), []);
        assert_eq!(periods_until_death(&mut prober, &mut random, 4, Some(OTHER)), None);
    }

    #[test]
    fn ninth_suspect_is_not_taken() {
        let (mut prober, mut random) = (Prober::IDLE, Random::new([3; 16]));
        prober.start(at(0));
        for id in 1..=12 {
            prober.next_period(
                at(id * 500),
                &TIMERS,
                &mut random,
                (20, |_| 19),
                Some(Probed { id: PeerId(id), is_missed: true, is_indirect: false }),
            );
        }
        assert_eq!(prober.trials.len(), MESH_SUSPECTS_MAX);
        assert!(prober.due_at().is_some());
    }
}
