//! What wakes a worker that sleeps in a system call, and costs nothing while it is awake.
//!
//! Invariant: whoever has news for a worker stores them first and wakes then; the worker goes to sleep in the opposite order. So
//! either the worker sees the news, or the other sees that it sleeps.

use super::sync::AtomicBool;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Wake;

/// A worker's alarm; `ring` ends its sleep, also one that has not begun yet.
#[derive(Debug)]
pub struct Alarm<R> {
    /// Whether it sleeps, or is about to.
    asleep: AtomicBool,
    /// Ends its sleep.
    ring: R,
}

impl<R> Alarm<R> {
    /// Of a worker that is awake.
    pub fn new(ring: R) -> Self {
        Self { asleep: AtomicBool::new(false), ring }
    }

    /// Goes to sleep unless there are `news`, which are looked for while the alarm is set. Says whether to sleep.
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

    /// What rings.
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
