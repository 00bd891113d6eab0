//! How a peer waits: for its user, its sockets and a deadline at once, on one thread.
//!
//! Not by smol's reactor, where a thread of its own finds each event and wakes this one: that is two wake-ups for each datagram, and
//! more for each timer. Windows has no `poll` for this, so there the reactor waits.

#[cfg(unix)]
mod poll;
#[cfg(not(unix))]
mod reactor;

#[cfg(unix)]
pub(super) use poll::{Socket, Waiter};
#[cfg(not(unix))]
pub(super) use reactor::{Socket, Waiter};

/// Sockets that a waiter waits for.
pub(super) const SOCKETS_MAX: usize = 4;

/// What has ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken<T> {
    /// The future is ready.
    Ready(T),
    /// These sockets may have something to receive.
    Readable([bool; SOCKETS_MAX]),
    /// The deadline has come.
    Due,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use smol::future;
    use std::net::UdpSocket;
    use std::time::Duration;

    /// A socket of the loopback.
    fn socket() -> Socket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        Socket::new(socket).unwrap()
    }

    #[test]
    fn ready_future_comes_before_a_readable_socket_and_that_before_the_deadline() {
        let (mut waiter, socket) = (Waiter::new().unwrap(), socket());
        let to = socket.get_ref().local_addr().unwrap();
        let sockets = [None, Some(&socket), None, None];
        let past = Some(clock::now());
        assert_eq!(waiter.wait(sockets, past, future::pending::<()>()), Woken::Due);
        socket.get_ref().send_to(b"hi", to).unwrap();
        assert_eq!(waiter.wait(sockets, None, future::pending::<()>()), Woken::Readable([false, true, false, false]));
        assert_eq!(waiter.wait(sockets, None, future::ready(7)), Woken::Ready(7));
    }

    #[test]
    fn future_that_another_thread_wakes_ends_the_wait() {
        let mut waiter = Waiter::new().unwrap();
        for number in 0..100 {
            let (sender, receiver) = smol::channel::bounded(1);
            let other = std::thread::spawn(move || sender.try_send(number).unwrap());
            assert_eq!(waiter.wait([None; SOCKETS_MAX], None, receiver.recv()), Woken::Ready(Ok(number)));
            other.join().unwrap();
        }
    }

    #[test]
    fn deadline_is_not_missed_by_a_future_that_wakes_without_end() {
        let mut waiter = Waiter::new().unwrap();
        let until = clock::now() + Duration::from_millis(20);
        let restless = future::poll_fn::<(), _>(|context| {
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        });
        assert_eq!(waiter.wait([None; SOCKETS_MAX], Some(until), restless), Woken::Due);
        assert!(clock::now() >= until);
    }
}
