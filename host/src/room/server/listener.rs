//! A listening socket, of the room or of the page. It goes on accepting after every error that may pass, and pauses before it tries again.

use super::dispatcher::Dispatcher;
use crate::serve::dual_stack;
use chat_core::room::server::Origin;
use nix::errno::Errno;
use nix::sys::socket::{self, Backlog, SockType, SockaddrStorage, sockopt};
use smol::{Async, Timer, future};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

/// Connections that may wait to be accepted: as many as the kernel allows (`net.core.somaxconn`, 4,096 since Linux 5.4). With the
/// usual 128, a class that joins at once waits for seconds. A number cannot be used: nix compares it with the C library's constant,
/// and refuses a larger one, and with musl that is 128.
const BACKLOG: Backlog = Backlog::MAXALLOWABLE;

/// Bytes of send buffer that the kernel is asked for; it takes twice as much. By default it takes megabytes for a client that does
/// not read.
const SEND_BUFFER_BYTES: usize = 64 << 10;

/// Connections accepted before other tasks get their turn.
const ACCEPT_ROUND: usize = 64;

/// Pause after an error that may come again at once, such as no file descriptor or memory for one more connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Most waiting connections that are accepted at the server's end, only to tell them that it ends.
const TURNED_AWAY_MAX: usize = 4_096;

/// A bound and listening socket.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    inner: Async<TcpListener>,
    /// A spare file descriptor. It is closed when there is no other left, so that a newcomer can be accepted and told why it must go.
    spare: Option<File>,
}

/// A connection that is not served.
#[derive(Debug)]
pub(crate) enum Unserved {
    /// There are too many from its address.
    Refused(TcpStream),
    /// There is no file descriptor for it; it is to be closed at once.
    Shed(TcpStream),
    /// The server ends.
    Late(TcpStream),
    /// It was gone before it was accepted.
    Failed,
}

impl Listener {
    /// Listens on an address of this machine; port 0 takes any free port. An IPv6 address serves IPv4 too.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = dual_stack::open(address, SockType::Stream)?;
        // A server that was restarted must not wait for its old connections to be forgotten.
        socket::setsockopt(&socket, sockopt::ReuseAddr, &true)?;
        // Accepted connections inherit both.
        socket::setsockopt(&socket, sockopt::TcpNoDelay, &true)?;
        socket::setsockopt(&socket, sockopt::SndBuf, &SEND_BUFFER_BYTES)?;
        socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
        socket::listen(&socket, BACKLOG)?;
        Ok(Self { inner: Async::new(TcpListener::from(socket))?, spare: File::open("/dev/null").ok() })
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.inner.get_ref().local_addr()
    }

    /// Accepts for ever, and hands each connection with its origin to `serve`, or to `turn_away`.
    ///
    /// # Errors
    /// The socket cannot be used any more.
    pub(crate) async fn run(
        &mut self,
        dispatcher: &Dispatcher,
        turn_away: impl Fn(Unserved),
        mut serve: impl FnMut(TcpStream, Option<Origin>),
    ) -> io::Result<()> {
        loop {
            for _ in 0..ACCEPT_ROUND {
                match self.inner.get_ref().accept() {
                    Ok((stream, peer)) => {
                        let origin = Origin::of(peer.ip());
                        if dispatcher.connect(origin) {
                            serve(stream, origin);
                        } else {
                            turn_away(Unserved::Refused(stream));
                        }
                    }
                    Err(error) => match Trouble::of(&error) {
                        Trouble::Nobody => {
                            self.inner.readable().await?;
                            break;
                        }
                        Trouble::Shortage => {
                            self.shed(&turn_away);
                            Timer::after(PAUSE).await;
                        }
                        Trouble::Gone => turn_away(Unserved::Failed),
                        Trouble::Unknown => {
                            turn_away(Unserved::Failed);
                            Timer::after(PAUSE).await;
                        }
                        Trouble::Broken => return Err(error),
                    },
                }
            }
            future::yield_now().await;
        }
    }

    /// Accepts the connections that wait, and hands them to `turn_away`: the server ends.
    pub(crate) fn turn_all_away(&self, turn_away: impl Fn(Unserved)) {
        for _ in 0..TURNED_AWAY_MAX {
            let Ok((stream, _)) = self.inner.get_ref().accept() else { break };
            turn_away(Unserved::Late(stream));
        }
    }

    /// Closes the spare descriptor, and uses it to accept the connections that wait and to hand them to `turn_away`.
    fn shed(&mut self, turn_away: impl Fn(Unserved)) {
        self.spare = None;
        for _ in 0..ACCEPT_ROUND {
            let Ok((stream, _)) = self.inner.get_ref().accept() else { break };
            turn_away(Unserved::Shed(stream));
        }
        self.spare = File::open("/dev/null").ok();
    }
}

/// Why no connection was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// No connection waits.
    Nobody,
    /// There is no file descriptor or memory for one more connection.
    Shortage,
    /// The connection that waited is gone.
    Gone,
    /// An error that accept(2) does not list.
    Unknown,
    /// The listening socket cannot be used any more.
    Broken,
}

impl Trouble {
    /// What an error of accept(2) means.
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EAGAIN) => Self::Nobody,
            Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => Self::Shortage,
            Some(Errno::EBADF | Errno::EINVAL | Errno::ENOTSOCK | Errno::EFAULT) => Self::Broken,
            // Linux passes on errors of the new connection's network, and a firewall's refusal.
            Some(
                Errno::ECONNABORTED
                | Errno::EHOSTDOWN
                | Errno::EHOSTUNREACH
                | Errno::EINTR
                | Errno::ENETDOWN
                | Errno::ENETUNREACH
                | Errno::ENONET
                | Errno::ENOPROTOOPT
                | Errno::EOPNOTSUPP
                | Errno::EPERM
                | Errno::EPROTO,
            ) => Self::Gone,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_accept_are_told_apart() {
        for (errno, trouble) in [
            (Errno::EAGAIN, Trouble::Nobody),
            (Errno::EMFILE, Trouble::Shortage),
            (Errno::ECONNABORTED, Trouble::Gone),
            (Errno::ENETDOWN, Trouble::Gone),
            (Errno::EBADF, Trouble::Broken),
            (Errno::ENOSYS, Trouble::Unknown),
        ] {
            assert_eq!(Trouble::of(&io::Error::from(errno)), trouble, "{errno}");
        }
        assert_eq!(Trouble::of(&io::Error::other("no number")), Trouble::Unknown);
    }
}
