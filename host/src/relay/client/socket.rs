//! The socket of a relay's client: a thread of its own receives. For an idle client that is half the system calls of the reactor.

use crate::relay::connect_to;
use atomic_waker::AtomicWaker;
use chat_core::limits::DATAGRAM_BYTES_MAX;
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::task::Poll;
use std::thread;
use std::time::Duration;

/// Datagrams that may wait to be taken; while there are as many, further ones wait in the system, which drops those that find no room.
const WAITING_MAX: usize = 64;

/// The longest UDP datagram, in bytes. Windows takes none that is longer than the buffer.
const BUFFER_BYTES: usize = 65_536;

/// How long the system may keep a datagram for want of room; then it is lost.
const SEND_MAX: Duration = Duration::from_millis(10);

/// How often a thread looks whether its socket is still wanted, on systems that do not wake it.
const LOOK_PAUSE: Duration = Duration::from_secs(60);

/// A socket that sends to one relay and receives from it alone. Dropping it ends its thread.
pub(super) struct Socket {
    /// What the thread has too.
    shared: Arc<Shared>,
    /// What the thread has received.
    received: Receiver<io::Result<Vec<u8>>>,
}

/// What both threads have. (A channel of futures does the same under a lock, for which they wait for each other.)
struct Shared {
    /// The socket.
    socket: UdpSocket,
    /// Wakes who waits for what the thread receives.
    waker: AtomicWaker,
    /// Whether nobody wants the socket any more.
    closed: AtomicBool,
}

impl Socket {
    /// Opens a socket to this relay.
    ///
    /// # Errors
    /// There is no route, or there can be no more files or threads.
    pub(super) fn open(server: SocketAddr) -> io::Result<Self> {
        let socket = connect_to(server)?;
        socket.set_write_timeout(Some(SEND_MAX))?;
        socket.set_read_timeout(Some(LOOK_PAUSE))?;
        let (sender, received) = sync_channel(WAITING_MAX);
        let shared = Arc::new(Shared { socket, waker: AtomicWaker::new(), closed: AtomicBool::new(false) });
        let receiver = Arc::clone(&shared);
        thread::Builder::new().name("receive".to_owned()).spawn(move || receiver.receive(&sender))?;
        Ok(Self { shared, received })
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// What the system says, perhaps about an earlier one.
    pub(super) fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.shared.socket.send(datagram)
    }

    /// Waits for a datagram. Of one that is too long, only a byte more than it may have is given. Cancelling loses nothing.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn receive(&self) -> io::Result<Vec<u8>> {
        poll_fn(|context| {
            if let Some(received) = self.take() {
                return Poll::Ready(received);
            }
            self.shared.waker.register(context.waker());
            // The thread may have received something before it could know of the waker.
            self.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// What the thread has received next, if it has.
    fn take(&self) -> Option<io::Result<Vec<u8>>> {
        match self.received.try_recv() {
            Ok(received) => Some(received),
            Err(TryRecvError::Empty) => None,
            // The thread ends only with this socket.
            Err(TryRecvError::Disconnected) => Some(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // Should the system not wake the thread, it looks by itself after a while.
        let _ = SockRef::from(&self.shared.socket).shutdown(Shutdown::Both);
    }
}

impl Shared {
    /// Receives until nobody wants it any more.
    fn receive(&self, sender: &SyncSender<io::Result<Vec<u8>>>) {
        let mut buffer = vec![0; BUFFER_BYTES];
        while !self.closed.load(Ordering::Relaxed) {
            let received = match self.socket.recv(&mut buffer) {
                Ok(length) => Ok(buffer[..length.min(DATAGRAM_BYTES_MAX + 1)].to_vec()),
                Err(error) if is_nothing(&error) => continue,
                Err(error) => Err(error),
            };
            if sender.send(received).is_err() {
                return;
            }
            self.waker.wake();
        }
    }
}

/// Whether an error says that nothing has come.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_in_their_order_and_one_that_is_too_long_is_cut_behind_its_limit() {
        let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = Socket::open(relay.local_addr().unwrap()).unwrap();
        socket.send(b"hello").unwrap();
        let (mut buffer, reader) = ([0; 8], Arc::clone(&socket.shared));
        let (length, client) = relay.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"hello");
        for datagram in [&b"one"[..], b"", &[b'x'; DATAGRAM_BYTES_MAX + 100]] {
            relay.send_to(datagram, client).unwrap();
        }
        let receive = || smol::block_on(socket.receive()).unwrap();
        assert_eq!((receive(), receive(), receive().len()), (b"one".to_vec(), Vec::new(), DATAGRAM_BYTES_MAX + 1));
        drop(socket);
        // The thread holds the socket until it ends.
        while Arc::strong_count(&reader) > 1 {
            thread::yield_now();
        }
    }
}
