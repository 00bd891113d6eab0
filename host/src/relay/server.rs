//! The relay server's driver: one socket, one engine, no task per client.
//!
//! It works in rounds: receive what has arrived, then send what waits, each up to a bound, so that neither starves the
//! other and what arrived together goes out together.

mod roster;
mod socket;

pub use roster::GrowingRoster;
pub use socket::Socket;

use chat_core::datagram::Payload;
use chat_core::relay::server::{Counters, Server, Slot};
use nix::errno::Errno;
use socket::{RECEIVE_BATCH, SEND_BATCH};
use std::io;
use std::net::SocketAddr;

/// Datagrams that may wait to be sent: at 1,000 clients about 0.4 s of sending, more would only be late.
pub const SLOT_COUNT: usize = 128;

/// Room that a batch of arrivals may need: two datagrams for each, because INCOMING is longer than MESSAGE.
const BATCH_SLOTS: usize = 2 * RECEIVE_BATCH;

/// Most datagrams received in one round: a third of a millisecond of work.
const RECEIVE_ROUND: usize = 8 * RECEIVE_BATCH;

/// Most datagrams sent in one round, about two milliseconds of work; in that time 5,000 arrivals fit into the receive
/// buffer.
const SEND_ROUND: usize = 8 * SEND_BATCH;

/// A relay server on its socket.
#[derive(Debug)]
pub struct Driver<'r> {
    /// Where datagrams come and go.
    socket: Socket,
    /// What is done with them.
    server: Server<'r, GrowingRoster>,
    /// Whether the send buffer was full when it was last tried.
    blocked: bool,
}

/// What a round has left undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Nothing: wait for something to arrive.
    Nothing,
    /// There is more to receive or to send at once.
    More,
    /// There is more to send, but the send buffer is full.
    Blocked,
}

impl<'r> Driver<'r> {
    /// A server on this socket, with storage for the datagrams that wait.
    pub const fn new(
        socket: Socket,
        roster: GrowingRoster,
        payloads: &'r mut [Payload],
        slots: &'r mut [Slot],
    ) -> Self {
        let mut server = Server::new(roster, payloads, slots);
        server.set_burst_max(socket.burst_max());
        Self { socket, server, blocked: false }
    }

    /// Serves until something on this machine fails. Cancelling loses nothing that [`Driver::run`] called again would not
    /// go on with.
    ///
    /// # Errors
    /// The socket cannot be used any more.
    pub async fn run(&mut self) -> io::Result<()> {
        loop {
            match self.round()? {
                Rest::More => smol::future::yield_now().await,
                Rest::Nothing => self.socket.readable().await?,
                Rest::Blocked => smol::future::or(self.socket.readable(), self.socket.writable()).await?,
            }
        }
    }

    /// Receives, then sends.
    fn round(&mut self) -> io::Result<Rest> {
        let more_to_receive = self.receive()?;
        let rest = self.send()?;
        self.blocked = rest == Rest::Blocked;
        Ok(if more_to_receive && !self.blocked { Rest::More } else { rest })
    }

    /// Receives up to [`RECEIVE_ROUND`] datagrams, and says whether there may be more.
    ///
    /// While there is no room for what they may hold, arrivals wait in the kernel's buffer, which has room for thousands. Not while
    /// the send buffer is full: how long that lasts is up to the network, and newcomers are to be heard.
    fn receive(&mut self) -> io::Result<bool> {
        let Self { socket, server, blocked } = self;
        let mut count = 0;
        while count < RECEIVE_ROUND && (*blocked || server.vacancy() >= BATCH_SLOTS) {
            match socket.receive(|source, local, bytes| server.handle_datagram(source, local, bytes)) {
                Ok(received) => {
                    server.handle_receive_dropped(received.dropped);
                    count += received.count;
                    if received.count < RECEIVE_BATCH {
                        return Ok(false);
                    }
                }
                Err(Errno::EAGAIN) => return Ok(false),
                Err(error) => {
                    // Counted as received, so that an error that stays ends the round.
                    skip_unless_fatal(error)?;
                    count += 1;
                }
            }
        }
        Ok(true)
    }

    /// Sends up to [`SEND_ROUND`] datagrams. A destination that cannot be reached is skipped and counted.
    fn send(&mut self) -> io::Result<Rest> {
        let Self { socket, server, .. } = self;
        let mut count = 0;
        while count < SEND_ROUND {
            match socket.send(server.outputs()) {
                Ok(0) => return Ok(Rest::Nothing),
                Ok(sent) => count += server.handle_sent(sent),
                Err(Errno::EAGAIN) => return Ok(Rest::Blocked),
                Err(Errno::EINTR) => count += 1,
                Err(error) => {
                    skip_unless_fatal(error)?;
                    if !(is_about_length(error) && server.handle_unsegmented()) {
                        server.handle_unreachable();
                    }
                    if error == Errno::EIO {
                        // This network cannot cut datagrams up at all.
                        server.set_burst_max(1);
                    }
                    count += 1;
                }
            }
        }
        Ok(Rest::More)
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_address()
    }

    /// What has happened so far.
    pub const fn counters(&self) -> &Counters {
        self.server.counters()
    }
}

/// Passes on an error that says the socket itself cannot be used; all others are about one datagram or destination.
fn skip_unless_fatal(error: Errno) -> io::Result<()> {
    match error {
        Errno::EBADF | Errno::ENOTSOCK | Errno::EFAULT | Errno::ENOSYS => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether single datagrams may go where a burst does not: the network cannot cut it up, or not for this destination because that takes
/// only shorter packets, or there is no memory for so much at once.
const fn is_about_length(error: Errno) -> bool {
    matches!(error, Errno::EIO | Errno::EINVAL | Errno::EMSGSIZE | Errno::ENOBUFS | Errno::ENOMEM)
}
