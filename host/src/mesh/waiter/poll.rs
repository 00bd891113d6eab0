//! Waiting by `poll`, which every Unix has.

use super::{SOCKETS_MAX, Woken};
use crate::clock;
use chat_core::time::Instant;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A socket that a waiter can wait for. It does not block.
#[derive(Debug)]
pub(in super::super) struct Socket(UdpSocket);

impl Socket {
    /// Takes a socket that does not block.
    ///
    /// # Errors
    /// None here.
    pub(in super::super) const fn new(socket: UdpSocket) -> io::Result<Self> {
        Ok(Self(socket))
    }

    /// The socket.
    pub(in super::super) const fn get_ref(&self) -> &UdpSocket {
        &self.0
    }
}

/// Waits for a future, sockets and a deadline.
#[derive(Debug)]
pub(in super::super) struct Waiter {
    /// Where the bell is heard.
    heard: UnixStream,
    /// The bell that a future's waker rings.
    bell: Arc<Bell>,
}

/// Ends a wait, from whatever thread.
#[derive(Debug)]
struct Bell {
    /// Where it is rung.
    rung: UnixStream,
    /// Whether it was rung and not heard yet.
    rings: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rings.swap(true, Ordering::AcqRel) {
            // There is always room for one byte: the next is written only when this one was read.
            let _ = (&self.rung).write(&[1]);
        }
    }
}

impl Waiter {
    /// A waiter.
    ///
    /// # Errors
    /// There is no file descriptor left.
    pub(in super::super) fn new() -> io::Result<Self> {
        let (heard, rung) = UnixStream::pair()?;
        heard.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        Ok(Self { heard, bell: Arc::new(Bell { rung, rings: AtomicBool::new(false) }) })
    }

    /// Waits until the future is ready, one of the sockets is readable, or the deadline has come; in this order, if there is more
    /// than one of them. The future is dropped.
    pub(in super::super) fn wait<T>(
        &mut self,
        sockets: [Option<&Socket>; SOCKETS_MAX],
        deadline: Option<Instant>,
        future: impl Future<Output = T>,
    ) -> Woken<T> {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::clone(&self.bell));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Woken::Ready(output);
            }
            let (readable, has_rung) = self.poll(sockets, deadline);
            if readable.contains(&true) {
                return Woken::Readable(readable);
            }
            if deadline.is_some_and(|deadline| deadline <= clock::now()) {
                return Woken::Due;
            }
            if has_rung {
                self.hear();
            }
        }
    }

    /// Waits once, without the future: which sockets are readable, and whether the bell has rung. None of it after an interruption.
    fn poll(&self, sockets: [Option<&Socket>; SOCKETS_MAX], deadline: Option<Instant>) -> ([bool; SOCKETS_MAX], bool) {
        let entry = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let bell = entry(self.heard.as_fd());
        // Where there is no socket, the bell stands twice.
        let entries = sockets.map(|socket| socket.map_or_else(|| entry(self.heard.as_fd()), |it| entry(it.0.as_fd())));
        let [first, second, third, fourth] = entries;
        let mut entries = [bell, first, second, third, fourth];
        let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
            let millis = (deadline - clock::now()).as_millis();
            PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
        });
        match nix::poll::poll(&mut entries, timeout) {
            Ok(_) => {}
            // Without memory there is nothing else to do than to try all.
            Err(error) if error != Errno::EINTR => return (sockets.map(|socket| socket.is_some()), true),
            Err(_) => return ([false; SOCKETS_MAX], false),
        }
        let came = |entry: &PollFd<'_>| entry.any().unwrap_or(true);
        let mut readable = sockets.map(|socket| socket.is_some());
        for (readable, entry) in readable.iter_mut().zip(&entries[1..]) {
            *readable &= came(entry);
        }
        (readable, came(&entries[0]))
    }

    /// Takes what the bell has written. From then on it may ring again.
    fn hear(&mut self) {
        let mut byte = [0];
        // Where the byte is not there yet, it comes in a moment.
        if self.heard.read_exact(&mut byte).is_ok() {
            // Whoever rings from here on writes again; whoever rang before has left what the future finds now.
            self.bell.rings.swap(false, Ordering::AcqRel);
        }
    }
}
