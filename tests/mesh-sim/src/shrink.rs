//! Makes a scenario that breaks a rule smaller: fewer steps, fewer peers, a kinder network, as long as it breaks the same rule.

use crate::run::{Runner, run};
use crate::scenario::{Action, Scenario};
use crate::violation::Violation;

/// Most runs that a scenario is shrunk with.
const RUNS_MAX: usize = 600;

/// The smallest scenario found that breaks the rule of `violation`, and how it does.
pub fn shrink(runner: &mut Runner, scenario: &Scenario, violation: Violation) -> (Scenario, Violation) {
    let mut best = Best { scenario: scenario.clone(), violation, runs: 0 };
    loop {
        let before = best.scenario.clone();
        best.end(runner);
        best.drop_slots(runner);
        best.drop_steps(runner);
        best.calm_links(runner);
        if best.scenario == before || best.runs >= RUNS_MAX {
            return (best.scenario, best.violation);
        }
    }
}

/// The smallest scenario so far.
struct Best {
    /// It.
    scenario: Scenario,
    /// How it breaks the rule.
    violation: Violation,
    /// How many runs were made.
    runs: usize,
}

impl Best {
    /// Takes the candidate if it breaks the same rule.
    fn offer(&mut self, runner: &mut Runner, candidate: Scenario) -> bool {
        if candidate == self.scenario || self.runs >= RUNS_MAX {
            return false;
        }
        self.runs += 1;
        match run(runner, &candidate, false) {
            Err(violation) if violation.rule == self.violation.rule => {
                (self.scenario, self.violation) = (candidate, violation);
                true
            }
            _ => false,
        }
    }

    /// Leaves out what comes after the fault, and lets the calm begin earlier.
    fn end(&mut self, runner: &mut Runner) {
        let mut candidate = self.scenario.clone();
        candidate.steps.retain(|step| step.at_ms <= self.violation.at_ms);
        candidate.calm_ms = candidate.calm_ms.min(self.violation.at_ms + 1);
        self.offer(runner, candidate);
        let last_ms = self.scenario.steps.last().map_or(0, |step| step.at_ms);
        let mut candidate = self.scenario.clone();
        candidate.calm_ms = candidate.calm_ms.min(last_ms + 1_000);
        self.offer(runner, candidate);
    }

    /// Leaves out whole hosts.
    fn drop_slots(&mut self, runner: &mut Runner) {
        for slot in (0..self.scenario.slots).rev() {
            let mut candidate = self.scenario.clone();
            candidate.steps.retain(|step| !step.action.slots().contains(&slot));
            self.offer(runner, candidate);
        }
    }

    /// Leaves out steps, many at a time first.
    fn drop_steps(&mut self, runner: &mut Runner) {
        let mut width = self.scenario.steps.len().div_ceil(2);
        while width > 0 {
            let mut first = 0;
            while first < self.scenario.steps.len() {
                let mut candidate = self.scenario.clone();
                let last = (first + width).min(candidate.steps.len());
                candidate.steps.drain(first..last);
                if !self.offer(runner, candidate) {
                    first += width;
                }
            }
            width /= 2;
        }
    }

    /// Makes links simpler.
    fn calm_links(&mut self, runner: &mut Runner) {
        let changes: [fn(&mut Scenario); 5] = [
            |scenario| scenario.link.loss = 0,
            |scenario| scenario.link.duplicates = 0,
            |scenario| scenario.link.jitter_ms = 0,
            |scenario| scenario.link.spread_ms = 0,
            |scenario| scenario.steps.retain(|step| !matches!(step.action, Action::Loss(_))),
        ];
        for change in changes {
            let mut candidate = self.scenario.clone();
            change(&mut candidate);
            self.offer(runner, candidate);
        }
    }
}
