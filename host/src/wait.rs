//! How a client waits: its one future runs on the main thread, which sleeps until something wakes it or a deadline comes.
//!
//! A timer of the reactor would do the same with seven system calls of the reactor's thread, and an idle client hardly does anything
//! else (docs/performance.md).

use crate::clock;
use chat_core::time::Instant;
use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

thread_local! {
    /// The deadlines that this thread's future waits for.
    static DEADLINES: RefCell<Vec<Instant>> = const { RefCell::new(Vec::new()) };
}

/// Waits until a time. Only for the future that [`block_on`] runs, whose thread looks at the time.
pub(crate) struct Until {
    /// The time.
    deadline: Instant,
    /// Whether it stands in [`DEADLINES`].
    listed: bool,
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        match DEADLINES.with_borrow(|deadlines| deadlines.iter().min().copied()) {
            Some(deadline) => thread::park_timeout(deadline - clock::now()),
            None => thread::park(),
        }
    }
}

/// Waits until this time.
pub(crate) const fn until(deadline: Instant) -> Until {
    Until { deadline, listed: false }
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.deadline <= clock::now() {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut self.listed, true) {
            DEADLINES.with_borrow_mut(|deadlines| deadlines.push(self.deadline));
        }
        Poll::Pending
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        if self.listed {
            DEADLINES.with_borrow_mut(|deadlines| {
                let index = deadlines.iter().position(|&deadline| deadline == self.deadline);
                index.map(|index| deadlines.swap_remove(index))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future;
    use std::time::Duration;

    #[test]
    fn the_earlier_of_two_deadlines_ends_the_wait() {
        let start = clock::now();
        let (soon, late) = (start + Duration::from_millis(20), start + Duration::from_secs(3_600));
        for (first, second) in [(soon, late), (late, soon)] {
            let ended = block_on(future::or(
                async {
                    until(first).await;
                    first
                },
                async {
                    until(second).await;
                    second
                },
            ));
            assert_eq!(ended, soon);
            assert!(clock::now() >= soon);
            assert!(DEADLINES.with_borrow(Vec::is_empty));
        }
    }

    #[test]
    fn what_another_thread_sends_wakes_before_the_deadline() {
        let (sender, receiver) = smol::channel::bounded(1);
        let other = thread::spawn(move || sender.send_blocking(7));
        let late = async {
            until(clock::now() + Duration::from_secs(3_600)).await;
            None
        };
        assert_eq!(block_on(future::or(async { receiver.recv().await.ok() }, late)), Some(7));
        other.join().unwrap().unwrap();
        assert_eq!(block_on(async { 8 }), 8);
    }
}
