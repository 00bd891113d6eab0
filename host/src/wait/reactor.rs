//! Waiting where there is no `poll`: the thread is parked, and smol's reactor wakes it for a socket.

use super::deadline;
use crate::clock;
use async_io::Async;
use std::future::{Future, poll_fn};
use std::io;
use std::net::UdpSocket;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// A socket that can be waited for.
pub(crate) type Socket = Async<UdpSocket>;

/// Waits until some of these sockets may have something to receive, and gives which. A failure shows when it is read.
pub(crate) async fn readable<const N: usize>(sockets: [Option<&Socket>; N]) -> [bool; N] {
    poll_fn(|context| {
        let readable = sockets.map(|socket| socket.is_some_and(|socket| socket.poll_readable(context).is_ready()));
        if readable.contains(&true) { Poll::Ready(readable) } else { Poll::Pending }
    })
    .await
}

/// Runs futures on a thread.
#[derive(Debug)]
pub(crate) struct Waiter;

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

impl Waiter {
    /// A waiter.
    ///
    /// # Errors
    /// None here.
    pub(crate) const fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Runs a future on this thread.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            match deadline() {
                Some(deadline) => thread::park_timeout(deadline - clock::now()),
                None => thread::park(),
            }
        }
    }
}
