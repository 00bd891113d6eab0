//! How a worker waits: an epoll of its own for its sockets and its alarm.
//!
//! It does not use smol's reactor, because all threads share that: one thread finds the events that another waits for, and wakes it.
//! For a single message this costs more than all other work on it (docs/ARCHITECTURE.md, "The room's server").

use super::alarm::{Alarm, Bell};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// Sockets served in one round: about two milliseconds of work.
pub(super) const ROUND_EVENTS: usize = 1_024;

/// The alarm's number among the sockets.
const ALARM: u64 = u64::MAX;

/// The events that a connection waits for. The failure of a connection (a reset, say) is reported to a connection that waits for none too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Interest {
    /// There is something to read, or the stream has ended.
    pub(super) readable: bool,
    /// There is room to write.
    pub(super) writable: bool,
}

/// What has happened to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    /// There is something to read, or the stream has ended, or the connection has failed.
    pub(super) readable: bool,
    /// The connection has failed, or both of its directions have ended. This is reported again and again until the socket is closed.
    pub(super) failed: bool,
}

/// An epoll with an alarm.
#[derive(Debug)]
pub(super) struct Poller {
    /// The sockets and the alarm's bell.
    epoll: Epoll,
    /// The alarm, by which other threads wake the worker.
    alarm: Arc<Alarm<EventFd>>,
    /// The buffer for events.
    events: Vec<EpollEvent>,
}

impl Bell for EventFd {
    fn ring(&self) {
        // This can only fail if the bell was rung 2^64 times and never read.
        let _ = self.write(1);
    }
}

impl Poller {
    /// A poller that waits for its alarm alone.
    ///
    /// # Errors
    /// There is no file descriptor left.
    pub(super) fn new() -> nix::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&bell, EpollEvent::new(EpollFlags::EPOLLIN, ALARM))?;
        Ok(Self { epoll, alarm: Arc::new(Alarm::new(bell)), events: vec![EpollEvent::empty(); ROUND_EVENTS] })
    }

    /// A poller whose system calls all fail, as if the system had no memory left for it.
    #[cfg(test)]
    pub(super) fn broken() -> Self {
        let no_epoll = std::fs::File::open("/dev/null").unwrap();
        Self { epoll: Epoll(no_epoll.into()), ..Self::new().unwrap() }
    }

    /// The alarm, by which other threads wake the worker.
    pub(super) const fn alarm(&self) -> &Arc<Alarm<EventFd>> {
        &self.alarm
    }

    /// Waits for a socket too. When it is closed, the system forgets it.
    ///
    /// # Errors
    /// The system has no memory for the socket.
    pub(super) fn add(&self, stream: &TcpStream, key: usize, interest: Interest) -> nix::Result<()> {
        self.epoll.add(stream, EpollEvent::new(interest.flags(), key as u64))
    }

    /// Changes the events that a socket is waited for.
    ///
    /// # Errors
    /// The system has no memory for the socket.
    pub(super) fn change(
        &self,
        stream: &TcpStream,
        key: usize,
        before: Interest,
        interest: Interest,
    ) -> nix::Result<()> {
        if before == interest {
            return Ok(());
        }
        self.epoll.modify(stream, &mut EpollEvent::new(interest.flags(), key as u64))
    }

    /// Waits at most for `timeout`, or without end; hands the key of each socket that is ready to `ready`, with its events.
    ///
    /// # Errors
    /// The sockets cannot be waited for any more.
    pub(super) fn wait(&mut self, timeout: Option<Duration>, mut ready: impl FnMut(usize, Event)) -> nix::Result<()> {
        // A timeout that does not fit is cut: the worker wakes once in between.
        let timeout =
            timeout.map_or(EpollTimeout::NONE, |time| EpollTimeout::try_from(time).unwrap_or(EpollTimeout::MAX));
        let count = match self.epoll.wait(&mut self.events, timeout) {
            Err(Errno::EINTR) => 0,
            outcome => outcome?,
        };
        self.alarm.stop();
        for event in &self.events[..count] {
            match usize::try_from(event.data()) {
                Ok(key) if event.data() != ALARM => ready(key, Event::of(event.events())),
                // Reading sets the bell back to zero.
                _ => _ = self.alarm.bell().read(),
            }
        }
        Ok(())
    }
}

impl Interest {
    /// To read, and nothing else.
    pub(super) const READABLE: Self = Self { readable: true, writable: false };

    /// The events as epoll's flags.
    fn flags(self) -> EpollFlags {
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLIN, self.readable);
        flags.set(EpollFlags::EPOLLOUT, self.writable);
        flags
    }
}

impl Event {
    /// The event of epoll's flags. What has failed shows when the socket is read or written.
    fn of(flags: EpollFlags) -> Self {
        let failed = flags.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP);
        Self { readable: failed || flags.contains(EpollFlags::EPOLLIN), failed }
    }
}
