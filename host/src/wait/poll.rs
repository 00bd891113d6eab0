//! Waiting by `poll`, which every Unix has.

use super::deadline;
use crate::clock;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{self, Read as _, Write as _};
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The main thread runs its future.
const AWAKE: u8 = 0;
/// It sleeps, or is about to.
const ASLEEP: u8 = 1;
/// Its future is to be run again.
const RUNG: u8 = 2;

/// Bytes of the bell that are taken at once. There is one for each sleep that it has ended.
const BELL_BYTES: usize = 16;

thread_local! {
    /// The sockets that this thread's future waits for, and whether each was readable after the last sleep.
    static SOCKETS: RefCell<Vec<(Arc<UdpSocket>, Cell<bool>)>> = const { RefCell::new(Vec::new()) };
}

/// A socket that can be waited for. It does not block.
#[derive(Debug)]
pub(crate) struct Socket(Arc<UdpSocket>);

impl Socket {
    /// Takes a socket that does not block.
    ///
    /// # Errors
    /// None here.
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        Ok(Self(Arc::new(socket)))
    }

    /// The socket.
    pub(crate) fn get_ref(&self) -> &UdpSocket {
        &self.0
    }
}

/// Keeps sockets in [`SOCKETS`].
struct Listed<'s, const N: usize>([Option<&'s Socket>; N]);

impl<'s, const N: usize> Listed<'s, N> {
    /// Puts these there.
    fn new(sockets: [Option<&'s Socket>; N]) -> Self {
        let wanted = sockets.iter().flatten().map(|socket| (Arc::clone(&socket.0), Cell::new(false)));
        SOCKETS.with_borrow_mut(|listed| listed.extend(wanted));
        Self(sockets)
    }

    /// Which of them were readable after the last sleep.
    fn readable(&self) -> [bool; N] {
        SOCKETS.with_borrow(|listed| {
            let is_readable =
                |socket: &Socket| listed.iter().any(|(it, readable)| readable.get() && Arc::ptr_eq(it, &socket.0));
            self.0.map(|socket| socket.is_some_and(is_readable))
        })
    }
}

impl<const N: usize> Drop for Listed<'_, N> {
    fn drop(&mut self) {
        SOCKETS.with_borrow_mut(|listed| {
            for socket in self.0.iter().flatten() {
                let index = listed.iter().position(|(it, _)| Arc::ptr_eq(it, &socket.0));
                index.map(|index| listed.swap_remove(index));
            }
        });
    }
}

/// Waits until some of these sockets may have something to receive, and gives which.
pub(crate) async fn readable<const N: usize>(sockets: [Option<&Socket>; N]) -> [bool; N] {
    let listed = Listed::new(sockets);
    poll_fn(|_| {
        let readable = listed.readable();
        if readable.contains(&true) { Poll::Ready(readable) } else { Poll::Pending }
    })
    .await
}

/// Runs futures on the thread that has it.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// Where the bell is heard.
    heard: UnixStream,
    /// The bell that a future's waker rings.
    bell: Arc<Bell>,
}

/// Ends a sleep, from whatever thread.
#[derive(Debug)]
struct Bell {
    /// Where it is rung.
    rung: UnixStream,
    /// [`AWAKE`], [`ASLEEP`] or [`RUNG`]. Only a sleep needs a byte to end it.
    state: AtomicU8,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(RUNG, Ordering::AcqRel) == ASLEEP {
            // Where there is no room, enough waits to be heard.
            let _ = (&self.rung).write(&[0]);
        }
    }
}

impl Waiter {
    /// A waiter.
    ///
    /// # Errors
    /// There is no file descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let (heard, rung) = UnixStream::pair()?;
        heard.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        Ok(Self { heard, bell: Arc::new(Bell { rung, state: AtomicU8::new(AWAKE) }) })
    }

    /// Runs a future on this thread.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::clone(&self.bell));
        let mut context = Context::from_waker(&waker);
        loop {
            // Whoever rings from here on makes the future run again; whoever rang before has left what it finds now.
            self.bell.state.swap(AWAKE, Ordering::AcqRel);
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            SOCKETS.with_borrow(|sockets| self.sleep(sockets));
        }
    }

    /// Sleeps until the bell rings, one of the sockets is readable, or the first deadline has come. After an interruption there may be
    /// none of it.
    fn sleep(&self, sockets: &[(Arc<UdpSocket>, Cell<bool>)]) {
        let has_rung = self.bell.state.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_err();
        let timeout = match deadline() {
            // A future that wakes without end keeps nobody from the sockets.
            _ if has_rung => PollTimeout::ZERO,
            Some(deadline) => PollTimeout::try_from((deadline - clock::now()).as_millis()).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        let entry = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let bell = entry(self.heard.as_fd());
        let mut entries: Vec<_> = sockets.iter().map(|(socket, _)| entry(socket.as_fd())).chain([bell]).collect();
        let outcome = nix::poll::poll(&mut entries, timeout);
        let came = |entry: &PollFd<'_>| match outcome {
            Ok(_) => entry.any().unwrap_or(true),
            // Without memory there is nothing else to do than to try all.
            Err(error) => error != Errno::EINTR,
        };
        for ((_, readable), entry) in sockets.iter().zip(&entries) {
            readable.set(came(entry));
        }
        if entries.last().is_some_and(came) {
            // Where the byte is not there yet, it ends the next sleep at once.
            let _ = (&self.heard).read(&mut [0; BELL_BYTES]);
        }
    }
}
