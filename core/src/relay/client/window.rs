//! A relay client's own messages that have not come back yet.

use crate::limits::RELAY_WINDOW_MAX;
use crate::time::Instant;
use core::time::Duration;
use heapless::Vec;

/// The numbers of the messages under way, and when there was last progress.
#[derive(Debug)]
pub(super) struct Window {
    /// The number of the next message.
    number_next: u32,
    /// Numbers of the messages under way, oldest first.
    numbers: Vec<u32, RELAY_WINDOW_MAX>,
    /// When a message was last sent or came back.
    progress_at: Instant,
}

impl Window {
    /// Nothing is under way; the first message gets this number.
    pub(super) const fn new(number_first: u32, now: Instant) -> Self {
        Self { number_next: number_first, numbers: Vec::new(), progress_at: now }
    }

    /// How many messages are under way.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The number for one more message; `None` if [`RELAY_WINDOW_MAX`] are under way.
    pub(super) fn vacancy(&self) -> Option<u32> {
        if self.numbers.is_full() { None } else { Some(self.number_next) }
    }

    /// A message is sent with the number that [`Window::vacancy`] gave.
    pub(super) fn enter(&mut self, now: Instant) {
        if self.numbers.push(self.number_next).is_ok() {
            self.number_next = self.number_next.wrapping_add(1);
            self.progress_at = now;
        }
    }

    /// A message of this number has come; says whether it was under way.
    pub(super) fn confirm(&mut self, now: Instant, number: u32) -> bool {
        let found = self.numbers.iter().position(|&under_way| under_way == number);
        if let Some(index) = found {
            self.numbers.remove(index);
            self.progress_at = now;
        }
        found.is_some()
    }

    /// When the messages under way are to be given up, unless one is sent or comes back before.
    pub(super) fn deadline(&self, progress_max: Duration) -> Option<Instant> {
        if self.numbers.is_empty() { None } else { Some(self.progress_at + progress_max) }
    }

    /// Forgets the messages under way, and returns how many they were.
    pub(super) fn give_up(&mut self) -> usize {
        let count = self.numbers.len();
        self.numbers.clear();
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(1_000);
    const SOON: Instant = Instant::from_millis(1_500);

    #[test]
    fn full_window_has_no_vacancy_until_one_is_confirmed() {
        let mut window = Window::new(u32::MAX, NOW);
        for _ in 0..RELAY_WINDOW_MAX {
            assert!(window.vacancy().is_some());
            window.enter(NOW);
        }
        assert_eq!(window.vacancy(), None);
        assert!(window.confirm(NOW, u32::MAX));
        assert_eq!(window.vacancy(), Some(15));
    }

    #[test]
    fn number_confirmed_twice_is_confirmed_once() {
        let mut window = Window::new(7, NOW);
        window.enter(NOW);
        assert!(!window.confirm(NOW, 8));
        assert!(window.confirm(NOW, 7));
        assert!(!window.confirm(NOW, 7));
        assert_eq!(window.len(), 0);
    }

    #[test]
    fn deadline_moves_with_every_progress_and_ends_with_the_last() {
        let progress_max = Duration::from_millis(3_000);
        let mut window = Window::new(0, NOW);
        assert_eq!(window.deadline(progress_max), None);
        window.enter(NOW);
        window.enter(NOW);
        assert_eq!(window.deadline(progress_max), Some(NOW + progress_max));
        window.confirm(SOON, 0);
        assert_eq!(window.deadline(progress_max), Some(SOON + progress_max));
        assert_eq!(window.give_up(), 1);
        assert_eq!(window.deadline(progress_max), None);
    }
}
