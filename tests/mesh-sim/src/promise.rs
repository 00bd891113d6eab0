//! What a scenario may be asked for: the less goes wrong in it, the more is promised (docs/mesh-protocol.md sections 11.1 and 13).

use crate::arena::members_max;
use crate::scenario::{Action, Attack, Scenario, Step};
use std::collections::HashSet;

/// Most datagrams of a thousand that may be lost where anything is promised of times and members.
const LOSS_MAX: u32 = 300;

/// Most hosts for which times are promised.
const TIMED_HOSTS_MAX: usize = 40;

/// Bytes that every link carries: the longest datagram.
const MTU_MIN: usize = 1_200;

/// A period of probes: who hears nobody in it declares nobody dead.
const PERIOD_MS: u64 = 500;

/// How late a timer may be without its peer having slept.
const LATE_MS_MAX: u64 = 2_000;

/// What may be asked for.
#[derive(Debug, Clone)]
pub struct Promises {
    /// No live member is ever dropped: every link carries both ways all the time, at most 30% of the datagrams are lost, nobody
    /// sleeps or moves. Strangers may do what they can.
    pub members_stay: bool,
    /// Joins, messages and deaths take no longer than promised: besides, there are at most 40 hosts, and no strangers who claim names.
    pub timed: bool,
    /// Of all who claim a name one gets it: besides, nobody denies a name, and no strangers claim any.
    pub names_are_won: bool,
    /// How long a message may take at most where nothing is lost.
    pub message_ms_max: Option<u64>,
    /// Never two members have one name, though somebody alive is held dead.
    pub unique: bool,
    /// Everybody has room for all who ever start, and no strangers claim names: no groups are too large together.
    pub all_fit: bool,
    /// At most 30% of the datagrams are lost, and nobody floods: what a newcomer asks for comes in time.
    pub fetches: bool,
    /// Cuts in both directions are all that goes wrong.
    pub only_parts: bool,
    /// When, from and until, somebody who ran reached two who did not reach each other: then the network had not fallen into parts.
    bridged_ms: Vec<(u64, u64)>,
    /// From when on somebody may not reach everybody; `None` if that never happens.
    pub parted_ms: Option<u64>,
    /// How long before it declares somebody dead a peer has heard somebody else at the latest.
    pub heard_ms_max: u64,
}

impl Promises {
    /// Those of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        let has = |is: fn(&Action) -> bool| scenario.steps.iter().any(|step| is(&step.action));
        let losses = scenario.steps.iter().filter_map(|step| match step.action {
            Action::Loss(loss) => Some(loss),
            _ => None,
        });
        let loss_max = losses.chain([scenario.link.loss]).max().unwrap_or(0);
        let parting = scenario.steps.iter().filter(|step| parts(&step.action));
        let parted_ms = parting.map(|step| step.at_ms).min();
        let floods = has(|action| matches!(action, Action::Attack(Attack::Flood, _)));
        let claims = has(|action| matches!(action, Action::Attack(Attack::Claims | Attack::ClaimsSpread, _)));
        let attacked = has(|action| matches!(action, Action::Attack(..)));
        let denies = has(|action| matches!(action, Action::Start(start) if !start.denied.is_empty()));
        let sleeps = has(|action| matches!(action, Action::Sleep(..)));
        let moves = has(|action| matches!(action, Action::Move(_) | Action::Rebind(_)));
        let members_stay = parted_ms.is_none() && loss_max <= LOSS_MAX;
        let link = scenario.link;
        // Once over the link, with some time for what is paced.
        let message_ms_max = 300 + link.delay_ms + link.spread_ms + link.jitter_ms;
        Self {
            members_stay,
            timed: members_stay && scenario.slots <= TIMED_HOSTS_MAX && !claims,
            names_are_won: members_stay && !claims && !denies,
            message_ms_max: (members_stay && loss_max == 0 && !floods).then_some(message_ms_max),
            unique: scenario.unique,
            all_fit: !claims && scenario.starts() <= members_max(scenario.slots),
            fetches: loss_max <= LOSS_MAX && !floods,
            only_parts: !attacked
                && !sleeps
                && !moves
                && !has(|action| matches!(action, Action::Loss(_)))
                && cuts_both_ways(scenario),
            bridged_ms: bridged_ms(scenario),
            parted_ms,
            heard_ms_max: PERIOD_MS + if sleeps { LATE_MS_MAX } else { 0 },
        }
    }

    /// Whether at this time the network had been in parts, as it was then, for so long.
    pub fn were_parts(&self, at_ms: u64, span_ms: u64) -> bool {
        self.only_parts
            && self.bridged_ms.iter().all(|&(from_ms, until_ms)| from_ms > at_ms || until_ms + span_ms < at_ms)
    }

    /// Asks for none of what a crowd of newcomers at one moment may break.
    pub const fn of_a_crowd(&mut self) {
        (self.members_stay, self.timed, self.names_are_won, self.message_ms_max) = (false, false, false, None);
    }
}

/// Whether every link is cut and mended in both directions at once.
fn cuts_both_ways(scenario: &Scenario) -> bool {
    let pairs = |step: &Step| match step.action {
        Action::Cut(from, to) => Some((step.at_ms, true, from, to)),
        Action::Mend(from, to) => Some((step.at_ms, false, from, to)),
        _ => None,
    };
    let all: HashSet<_> = scenario.steps.iter().filter_map(pairs).collect();
    all.iter().all(|&(at_ms, is_cut, from, to)| all.contains(&(at_ms, is_cut, to, from)))
}

/// When, from and until, somebody who runs reaches two who do not reach each other.
fn bridged_ms(scenario: &Scenario) -> Vec<(u64, u64)> {
    let (mut hosts, mut cuts) = (HashSet::new(), HashSet::new());
    let (mut spans, mut since_ms) = (Vec::new(), None);
    for steps in scenario.steps.chunk_by(|step, next| step.at_ms == next.at_ms) {
        for step in steps {
            match &step.action {
                Action::Start(start) => _ = hosts.insert(start.slot),
                Action::Crash(slot) | Action::Leave(slot) => _ = hosts.remove(slot),
                Action::Cut(from, to) => _ = cuts.insert((*from, *to)),
                Action::Mend(from, to) => _ = cuts.remove(&(*from, *to)),
                Action::MendAll => cuts.clear(),
                _ => {}
            }
        }
        // In parts, who is cut off from somebody is cut off from all whom that one reaches.
        let is_apart = |from, to| from != to && cuts.contains(&(from, to));
        let mut between = cuts.iter().filter(|(from, to)| hosts.contains(from) && hosts.contains(to));
        let are_parts =
            between.all(|&(from, to)| hosts.iter().all(|&other| is_apart(to, other) || is_apart(from, other)));
        let at_ms = steps[0].at_ms;
        if are_parts {
            spans.extend(since_ms.take().map(|since_ms| (since_ms, at_ms)));
        } else {
            since_ms.get_or_insert(at_ms);
        }
    }
    spans.extend(since_ms.map(|since_ms| (since_ms, u64::MAX)));
    spans
}

/// Whether somebody may not reach everybody from this step on.
const fn parts(action: &Action) -> bool {
    match action {
        Action::Cut(..) | Action::Sleep(..) | Action::Move(_) | Action::Rebind(_) => true,
        Action::Mtu(bytes) | Action::LinkMtu(_, _, bytes) => *bytes < MTU_MIN,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When these cuts between three hosts make no parts of the network. A fourth host never starts, so it belongs to none.
    fn bridged(cuts: &str) -> Vec<(u64, u64)> {
        let starts = "0 start 0 ann 9292 discovery\n0 start 1 bob 9292 discovery\n0 start 2 cy 9292 discovery\n";
        let text = format!("seed 1\nslots 4\nlink 1 0 0 0 0\n{starts}{cuts}calm 99000 15000\n");
        bridged_ms(&text.parse::<Scenario>().unwrap())
    }

    #[test]
    fn hosts_that_reach_the_same_one_and_not_each_other_are_no_parts() {
        let two = "10 cut 0 1\n10 cut 1 0\n";
        let third = "10 cut 0 2\n10 cut 2 0\n";
        assert_eq!(bridged(""), []);
        assert_eq!(bridged(two), [(10, u64::MAX)]);
        assert_eq!(bridged(&format!("{two}{third}")), []);
        // Mended one after the other there is a moment when the third is reached by both.
        let mended = "20 mend 0 2\n20 mend 2 0\n30 mend-all\n";
        assert_eq!(bridged(&format!("{two}{third}{mended}")), [(20, 30)]);
        assert_eq!(bridged(&format!("{two}{third}20 mend-all\n")), []);
        // The only one that reaches both is gone: these are parts now.
        assert_eq!(bridged(&format!("{two}25 crash 2\n30 mend-all\n")), [(10, 25)]);
    }

    #[test]
    fn network_is_in_parts_once_it_was_for_long_enough_before() {
        let scenario = "seed 1\nslots 4\nlink 1 0 0 0 0\n0 start 0 ann 9292 discovery\ncalm 99000 15000\n";
        let mut promises = Promises::of(&scenario.parse().unwrap());
        assert!(promises.were_parts(0, 12));
        promises.bridged_ms = vec![(10, 20)];
        assert_eq!([9, 10, 32, 33].map(|at_ms| promises.were_parts(at_ms, 12)), [true, false, false, true]);
    }
}
