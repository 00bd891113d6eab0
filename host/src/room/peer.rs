//! One connection on its socket, as its task sees it: what it waits for, and how it is closed.

use super::connection::{Connection, Waits};
use crate::clock;
use chat_core::time::Instant;
use smol::{Async, Timer, future};
use std::cell::{Cell, RefCell};
use std::io::Read as _;
use std::net::{Shutdown, TcpStream};
use std::task::{Poll, Waker};
use std::time::Duration;

/// How long a connection that was put out may take to read why.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// How much it may still send in that time.
const LINGER_BYTES: usize = 64 << 10;

/// One connection and its socket.
pub(super) struct Peer {
    /// The socket.
    pub(super) stream: Async<TcpStream>,
    /// The connection.
    pub(super) connection: RefCell<Connection>,
    /// Whether its task is to look again at what the connection waits for.
    poked: Cell<bool>,
    /// Wakes its task.
    waker: Cell<Option<Waker>>,
}

/// Why a connection's task goes on.
pub(super) enum Event {
    /// There may be something to read.
    Readable,
    /// There may be room to write, or what came too fast may be taken, or something else has changed.
    Changed,
}

impl Peer {
    /// A connection on its socket.
    pub(super) fn new(stream: Async<TcpStream>, connection: Connection) -> Self {
        let connection = RefCell::new(connection);
        Self { stream, connection, poked: Cell::new(false), waker: Cell::new(None) }
    }

    /// Closes so that the other side can read why it was put out: a socket closed with something unread resets the connection,
    /// and what was sent last may be lost.
    pub(super) async fn linger(&self) {
        let stream = self.stream.get_ref();
        let reading = async {
            if stream.shutdown(Shutdown::Write).is_err() {
                return;
            }
            let mut buffer = [0; 256];
            let mut bytes_left = LINGER_BYTES;
            while let Ok(length) = self.stream.read_with(|mut stream| stream.read(&mut buffer)).await {
                bytes_left = bytes_left.saturating_sub(length);
                if length == 0 || bytes_left == 0 {
                    break;
                }
            }
        };
        future::or(reading, async { _ = Timer::after(LINGER_TIME).await }).await;
    }

    /// Waits for what the connection waits for, or until it is poked. Cancelling loses nothing.
    pub(super) async fn wait(&self, waits: Waits) -> Event {
        match waits.until {
            // Rare, so it costs memory only then.
            Some(until) => future::or(self.ready(waits), Box::pin(timeout(until))).await,
            None => self.ready(waits).await,
        }
    }

    /// Waits until the socket is ready as the connection wants it, or until it is poked. An error shows when the socket is used.
    async fn ready(&self, waits: Waits) -> Event {
        future::poll_fn(|context| {
            if self.poked.take() {
                return Poll::Ready(Event::Changed);
            }
            self.waker.set(Some(context.waker().clone()));
            if waits.readable && self.stream.poll_readable(context).is_ready() {
                return Poll::Ready(Event::Readable);
            }
            if waits.writable && self.stream.poll_writable(context).is_ready() {
                return Poll::Ready(Event::Changed);
            }
            Poll::Pending
        })
        .await
    }

    /// Makes the connection's task look again.
    pub(super) fn poke(&self) {
        self.poked.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Waits until then; for ever without a time.
pub(super) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => _ = Timer::at(clock::system_instant(at)).await,
        None => future::pending().await,
    }
}

/// Something has changed: this instant has come.
async fn timeout(at: Instant) -> Event {
    sleep_until(Some(at)).await;
    Event::Changed
}
