//! How a client or a peer waits: its one future runs on the main thread, which sleeps until something wakes it, a socket has something
//! to receive, or a deadline comes.
//!
//! A timer of smol's reactor would do the same with seven system calls of the reactor's thread, and a socket of it with two wake-ups
//! for each datagram; an idle client hardly does anything else (docs/performance.md). So the main thread waits by `poll` itself.
//! Windows has no `poll` for this: there it is woken by the reactor for a socket.
//!
//! [`until`] and [`readable`] work only in the future that [`Waiter::block_on`] runs: they do not wake anything by themselves.

#[cfg(unix)]
mod poll;
#[cfg(not(unix))]
mod reactor;

use crate::clock;
use chat_core::time::Instant;
#[cfg(unix)]
pub(crate) use poll::{Socket, Waiter, readable};
#[cfg(not(unix))]
pub(crate) use reactor::{Socket, Waiter, readable};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    /// The deadlines that this thread's future waits for.
    static DEADLINES: RefCell<Vec<Instant>> = const { RefCell::new(Vec::new()) };
}

/// Waits until a time.
pub(crate) struct Until {
    /// The time; `None` never comes.
    deadline: Option<Instant>,
    /// Whether it stands in [`DEADLINES`].
    listed: bool,
}

/// Waits until this time; for ever if there is none.
pub(crate) fn until(deadline: impl Into<Option<Instant>>) -> Until {
    Until { deadline: deadline.into(), listed: false }
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        // Not before the first sleep, which looks at the sockets: a deadline that has always passed keeps nobody from them.
        if std::mem::replace(&mut self.listed, true) {
            return if deadline <= clock::now() { Poll::Ready(()) } else { Poll::Pending };
        }
        DEADLINES.with_borrow_mut(|deadlines| deadlines.push(deadline));
        Poll::Pending
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        if let Some(deadline) = self.deadline.filter(|_| self.listed) {
            DEADLINES.with_borrow_mut(|deadlines| {
                let index = deadlines.iter().position(|&listed| listed == deadline);
                index.map(|index| deadlines.swap_remove(index))
            });
        }
    }
}

/// The first deadline that this thread's future waits for.
fn deadline() -> Option<Instant> {
    DEADLINES.with_borrow(|deadlines| deadlines.iter().min().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future;
    use std::net::UdpSocket;
    use std::thread;
    use std::time::Duration;

    /// Runs a future with a waiter of its own.
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        Waiter::new().unwrap().block_on(future)
    }

    /// Waits so long, and gives the number.
    async fn after(span: Duration, number: u8) -> u8 {
        until(clock::now() + span).await;
        number
    }

    /// A socket of the loopback.
    fn socket() -> Socket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        Socket::new(socket).unwrap()
    }

    #[test]
    fn the_earlier_of_two_deadlines_ends_the_wait() {
        let start = clock::now();
        let (soon, late) = (Duration::from_millis(20), Duration::from_secs(3_600));
        for (first, second) in [(soon, late), (late, soon)] {
            let ended = block_on(future::or(after(first, 1), after(second, 2)));
            assert_eq!(ended, if first == soon { 1 } else { 2 });
            assert!(clock::now() >= start + soon);
            assert_eq!(deadline(), None);
        }
    }

    #[test]
    fn future_that_another_thread_wakes_ends_the_wait_before_the_deadline() {
        let waiter = Waiter::new().unwrap();
        for number in 0..100 {
            let (sender, receiver) = smol::channel::bounded(1);
            let other = thread::spawn(move || sender.try_send(number).unwrap());
            let late = after(Duration::from_secs(3_600), 255);
            let received = async { receiver.recv().await.unwrap() };
            assert_eq!(waiter.block_on(future::or(received, late)), number);
            other.join().unwrap();
        }
        assert_eq!(waiter.block_on(async { 8 }), 8);
    }

    #[test]
    fn only_the_socket_is_readable_that_something_has_come_to() {
        let (ann, bob) = (socket(), socket());
        ann.get_ref().send_to(b"hi", bob.get_ref().local_addr().unwrap()).unwrap();
        assert_eq!(block_on(readable([Some(&ann), None, Some(&bob)])), [false, false, true]);
        let mut buffer = [0; 3];
        assert_eq!(bob.get_ref().recv(&mut buffer).unwrap(), 2);
        let nothing = async {
            readable([Some(&bob)]).await;
            1
        };
        assert_eq!(block_on(future::or(nothing, after(Duration::from_millis(20), 2))), 2);
    }

    #[test]
    fn readable_socket_comes_before_a_deadline_that_has_passed() {
        let socket = socket();
        socket.get_ref().send_to(b"hi", socket.get_ref().local_addr().unwrap()).unwrap();
        let came = async {
            readable([Some(&socket)]).await;
            1
        };
        assert_eq!(block_on(future::or(came, after(Duration::ZERO, 2))), 1);
    }

    #[test]
    fn deadline_and_socket_are_not_missed_for_a_future_that_wakes_without_end() {
        let restless = || async {
            future::poll_fn::<(), _>(|context| {
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            0
        };
        assert_eq!(block_on(future::or(restless(), after(Duration::from_millis(20), 1))), 1);
        let socket = socket();
        socket.get_ref().send_to(b"hi", socket.get_ref().local_addr().unwrap()).unwrap();
        let came = async {
            readable([Some(&socket)]).await;
            2
        };
        assert_eq!(block_on(future::or(restless(), came)), 2);
    }
}
