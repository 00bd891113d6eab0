//! What a worker waits with: its sockets in an epoll of its own, and its alarm among them.
//!
//! Not the reactor that all threads of smol share: there, what one thread waits for is found by another, which wakes it; for a
//! single message that costs more than all other work on it (docs/ARCHITECTURE.md, "Decisions").

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

/// What a connection waits for. One that waits for nothing is not asked about at all: the system would tell again and again of
/// an end that nobody takes note of yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Interest {
    /// Something to read, or its end.
    pub(super) readable: bool,
    /// Room to write.
    pub(super) writable: bool,
}

/// An epoll and an alarm.
#[derive(Debug)]
pub(super) struct Poller {
    /// The sockets.
    epoll: Epoll,
    /// Wakes from other threads.
    alarm: Arc<Alarm<EventFd>>,
    /// Where events are written to.
    events: Vec<EpollEvent>,
}

impl Bell for EventFd {
    fn ring(&self) {
        // It can only fail if it has been rung 2^64 times and not been heard.
        let _ = self.write(1);
    }
}

impl Poller {
    /// Nothing to wait for but the alarm.
    ///
    /// # Errors
    /// There is no file descriptor left.
    pub(super) fn new() -> nix::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&bell, EpollEvent::new(EpollFlags::EPOLLIN, ALARM))?;
        Ok(Self { epoll, alarm: Arc::new(Alarm::new(bell)), events: vec![EpollEvent::empty(); ROUND_EVENTS] })
    }

    /// One whose system calls all fail, as if the system had no memory left for it.
    #[cfg(test)]
    pub(super) fn broken() -> Self {
        let no_epoll = std::fs::File::open("/dev/null").unwrap();
        Self { epoll: Epoll(no_epoll.into()), ..Self::new().unwrap() }
    }

    /// What wakes from other threads.
    pub(super) const fn alarm(&self) -> &Arc<Alarm<EventFd>> {
        &self.alarm
    }

    /// Waits for another thing than before. A socket that is closed is forgotten without this.
    ///
    /// # Errors
    /// The system has no memory for it.
    pub(super) fn change(
        &self,
        stream: &TcpStream,
        key: usize,
        before: Interest,
        interest: Interest,
    ) -> nix::Result<()> {
        let mut event = EpollEvent::new(interest.flags(), key as u64);
        let nothing = Interest::default();
        match (before == nothing, interest == nothing) {
            _ if before == interest => Ok(()),
            (true, _) => self.epoll.add(stream, event),
            (_, true) => self.epoll.delete(stream),
            _ => self.epoll.modify(stream, &mut event),
        }
    }

    /// Waits for so long at most, or without end; hands each socket's number and what it is ready for to `ready`.
    ///
    /// # Errors
    /// The sockets cannot be waited for any more.
    pub(super) fn wait(
        &mut self,
        timeout: Option<Duration>,
        mut ready: impl FnMut(usize, Interest),
    ) -> nix::Result<()> {
        // Longer than can be said is as good as waking once in between.
        let timeout =
            timeout.map_or(EpollTimeout::NONE, |time| EpollTimeout::try_from(time).unwrap_or(EpollTimeout::MAX));
        let count = match self.epoll.wait(&mut self.events, timeout) {
            Err(Errno::EINTR) => 0,
            outcome => outcome?,
        };
        self.alarm.stop();
        for event in &self.events[..count] {
            match usize::try_from(event.data()) {
                Ok(key) if event.data() != ALARM => ready(key, Interest::of(event.events())),
                // Read back to zero.
                _ => _ = self.alarm.bell().read(),
            }
        }
        Ok(())
    }
}

impl Interest {
    /// As the system wants it.
    fn flags(self) -> EpollFlags {
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLIN, self.readable);
        flags.set(EpollFlags::EPOLLOUT, self.writable);
        flags
    }

    /// What the system says. An error shows when the socket is used, whatever for.
    fn of(flags: EpollFlags) -> Self {
        let failed = flags.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP);
        let readable = failed || flags.contains(EpollFlags::EPOLLIN);
        Self { readable, writable: failed || flags.contains(EpollFlags::EPOLLOUT) }
    }
}
