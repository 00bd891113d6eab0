//! When a relay client greets, and whether the relay is there.

use super::Config;
use crate::time::Instant;
use core::time::Duration;

/// Whether the relay is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has answered, so it has heard a GREETING of this client.
    Answers,
    /// It has not answered for [`Config::progress_max`].
    Silent,
}

/// The timers behind GREETING.
#[derive(Debug)]
pub(super) struct Greeter {
    /// Timers.
    config: Config,
    /// The pause while GREETINGs are answered.
    pause_usual: Duration,
    /// When the next GREETING is due.
    due_at: Instant,
    /// The pause after the next GREETING, if it is not answered.
    pause: Duration,
    /// When the first GREETING was sent that has not been answered; `None` while there is none.
    unanswered_since: Option<Instant>,
    /// Whether the relay is there; `None` until that is known.
    presence: Option<Presence>,
    /// Whether `presence` has changed since it was last taken.
    changed: bool,
}

impl Greeter {
    /// A greeter whose first GREETING is due now. `share` (0 to 255) shortens the usual pause by up to a quarter.
    pub(super) fn new(config: Config, now: Instant, share: u8) -> Self {
        let pause_usual = config.greeting_pause_max - config.greeting_pause_max / 1_024 * u32::from(share);
        Self {
            config,
            pause_usual,
            due_at: now,
            pause: config.greeting_pause_min,
            unanswered_since: None,
            presence: None,
            changed: false,
        }
    }

    /// When [`Greeter::handle_timeout`] has something to do.
    pub(super) fn deadline(&self) -> Instant {
        self.silent_at().map_or(self.due_at, |silent_at| silent_at.min(self.due_at))
    }

    /// When the relay will count as silent unless it answers; `None` if no GREETING is unanswered or it counts as silent already.
    fn silent_at(&self) -> Option<Instant> {
        let since = self.unanswered_since.filter(|_| self.presence != Some(Presence::Silent));
        since.map(|since| since + self.config.progress_max)
    }

    /// Returns whether a GREETING is to be sent now.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.silent_at().is_some_and(|silent_at| silent_at <= now) {
            self.note(Presence::Silent);
        }
        let due = self.due_at <= now;
        if due {
            self.handle_greeted(now);
            self.due_at = now + self.pause;
            self.pause = (self.pause * 2).min(self.pause_usual);
        }
        due
    }

    /// The relay has answered.
    pub(super) fn handle_answer(&mut self, now: Instant) {
        self.note(Presence::Answers);
        if self.unanswered_since.take().is_some() {
            self.pause = self.config.greeting_pause_min;
            self.due_at = now + self.pause_usual;
        }
    }

    /// A GREETING is sent now.
    pub(super) fn handle_greeted(&mut self, now: Instant) {
        self.unanswered_since.get_or_insert(now);
    }

    /// Nobody listens where the relay should be, or there is no way to it.
    pub(super) fn handle_unreachable(&mut self, now: Instant) {
        self.note(Presence::Silent);
        self.handle_loss(now);
    }

    /// The relay is to be greeted at another address, with pauses that grow from the shortest again.
    pub(super) fn handle_moved(&mut self, now: Instant) {
        self.due_at = now;
        self.pause = self.config.greeting_pause_min;
    }

    /// Whether the relay is known not to answer.
    pub(super) fn is_silent(&self) -> bool {
        self.presence == Some(Presence::Silent)
    }

    /// The relay is gone or has forgotten this client: the next GREETING is due now. If an earlier GREETING is unanswered, nothing
    /// changes: the next one comes after its growing pause.
    pub(super) fn handle_loss(&mut self, now: Instant) {
        if self.unanswered_since.is_none() {
            self.due_at = now;
        }
    }

    /// Remembers whether the relay is there.
    fn note(&mut self, presence: Presence) {
        self.changed |= self.presence != Some(presence);
        self.presence = Some(presence);
    }

    /// Whether the relay is there, if that has changed since the last call.
    pub(super) fn take_change(&mut self) -> Option<Presence> {
        if core::mem::take(&mut self.changed) { self.presence } else { None }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const START: Instant = Instant::from_millis(0);

    /// A greeter whose first GREETING was sent at `START`.
    fn greeted() -> Greeter {
        let mut greeter = Greeter::new(Config::DEFAULT, START, 0);
        assert!(greeter.handle_timeout(START));
        greeter
    }

    /// The milliseconds at which it greets, until `count` have come or the clock passes a minute.
    fn greetings(greeter: &mut Greeter, count: usize) -> Vec<u64> {
        let mut times = Vec::new();
        while times.len() < count && greeter.deadline().millis() < 60_000 {
            let now = greeter.deadline();
            if greeter.handle_timeout(now) {
                times.push(now.millis());
            }
        }
        times
    }

    #[test]
    fn unanswered_greeting_is_repeated_with_growing_pauses() {
        assert_eq!(greetings(&mut greeted(), 7), [500, 1_500, 3_500, 7_500, 15_500, 25_500, 35_500]);
    }

    #[test]
    fn answered_greeting_is_repeated_after_the_usual_pause() {
        let mut greeter = greeted();
        greeter.handle_answer(Instant::from_millis(40));
        assert_eq!(greetings(&mut greeter, 2), [10_040, 10_540]);
    }

    #[test]
    fn share_shortens_the_usual_pause_by_at_most_a_quarter() {
        let mut greeter = Greeter::new(Config::DEFAULT, START, u8::MAX);
        greeter.handle_timeout(START);
        greeter.handle_answer(START);
        let pause = (greeter.deadline() - START).as_millis();
        assert!((7_500..7_550).contains(&pause), "{pause}");
    }

    #[test]
    fn silence_and_answer_are_told_once_each() {
        let mut greeter = greeted();
        assert_eq!(greeter.take_change(), None);
        greeter.handle_timeout(Instant::from_millis(2_999));
        assert_eq!(greeter.take_change(), None);
        greeter.handle_timeout(Instant::from_millis(3_000));
        assert_eq!(greeter.take_change(), Some(Presence::Silent));
        greeter.handle_timeout(Instant::from_millis(9_000));
        assert_eq!(greeter.take_change(), None);
        greeter.handle_answer(Instant::from_millis(9_001));
        greeter.handle_answer(Instant::from_millis(9_002));
        assert_eq!(greeter.take_change(), Some(Presence::Answers));
        assert_eq!(greeter.take_change(), None);
    }

    #[test]
    fn loss_greets_at_once_but_not_faster_and_faster() {
        let mut greeter = greeted();
        greeter.handle_answer(Instant::from_millis(10));
        greeter.handle_loss(Instant::from_millis(100));
        assert_eq!(greetings(&mut greeter, 1), [100]);
        greeter.handle_loss(Instant::from_millis(101));
        assert_eq!(greetings(&mut greeter, 2), [600, 1_600]);
    }
}
