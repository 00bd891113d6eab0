//! The alarm that wakes a worker from its sleep in a system call, and that costs no system call while the worker is awake.
//!
//! Invariant: a thread that has news for a worker stores the news first, then wakes the worker. The worker says first that it sleeps,
//! then looks for news. So either the worker sees the news, or the other thread sees that the worker sleeps.

use super::sync::AtomicBool;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Wake;

/// A worker's alarm. Ringing its bell ends the worker's sleep, or its next sleep if the worker is about to sleep.
#[derive(Debug)]
pub struct Alarm<R> {
    /// Whether the worker sleeps, or is about to.
    asleep: AtomicBool,
    /// The bell that ends the worker's sleep.
    ring: R,
}

impl<R> Alarm<R> {
    /// The alarm of a worker that is awake.
    pub fn new(ring: R) -> Self {
        Self { asleep: AtomicBool::new(false), ring }
    }

    /// Sets the alarm, then looks for `news`. Returns whether the worker may sleep: there are no news, and the alarm stays set.
    pub fn set_unless(&self, news: impl FnOnce() -> bool) -> bool {
        self.asleep.swap(true, Ordering::AcqRel);
        let sleeps = !news();
        if !sleeps {
            self.stop();
        }
        sleeps
    }

    /// The worker is awake.
    pub fn stop(&self) {
        self.asleep.swap(false, Ordering::AcqRel);
    }

    /// The bell.
    pub const fn bell(&self) -> &R {
        &self.ring
    }
}

/// A bell that can be rung from any thread.
pub trait Bell: Send + Sync + 'static {
    /// Rings.
    fn ring(&self);
}

impl<R: Bell> Wake for Alarm<R> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.asleep.swap(false, Ordering::AcqRel) {
            self.ring.ring();
        }
    }
}
