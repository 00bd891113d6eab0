//! The relay server's driver: one socket, one engine, no task per client.
//!
//! It works in rounds: it receives the datagrams that have arrived, then sends those that wait, each up to a bound. So neither
//! starves the other, and messages that arrived together go out together.

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

/// Datagrams that may wait to be sent: at 1,000 clients about 0.4 s of sending. More of them would only be late.
pub const SLOT_COUNT: usize = 128;

/// Datagrams that a batch of arrivals may need in the ring: two for each, because INCOMING is longer than MESSAGE.
const BATCH_SLOTS: usize = 2 * RECEIVE_BATCH;

/// Most datagrams received in one round: a third of a millisecond of work.
const RECEIVE_ROUND: usize = 8 * RECEIVE_BATCH;

/// Most datagrams sent in one round, about two milliseconds of work; in that time 5,000 arrivals fit into the receive
/// buffer.
const SEND_ROUND: usize = 8 * SEND_BATCH;

/// A relay server on its socket.
#[derive(Debug)]
pub struct Driver<'r> {
    /// The socket for all datagrams.
    socket: Socket,
    /// The engine.
    server: Server<'r, GrowingRoster>,
    /// Whether the send buffer was full at the last attempt to send.
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

    /// Receives up to [`RECEIVE_ROUND`] datagrams, and returns whether there may be more.
    ///
    /// While the ring has no room for their messages, arrivals wait in the kernel's buffer, which has room for thousands. But while
    /// the send buffer is full they are received all the same: the network may keep it full for long, and newcomers must be heard.
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
                    // The error counts as a datagram, so that an error that stays ends the round.
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
                        // The network cannot cut bursts up at all.
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

    /// What was counted so far.
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

/// Whether single datagrams may be sent where a burst failed: the network cannot cut the burst up, or the destination takes only
/// shorter packets, or there is no memory for so many bytes at once.
const fn is_about_length(error: Errno) -> bool {
    matches!(error, Errno::EIO | Errno::EINVAL | Errno::EMSGSIZE | Errno::ENOBUFS | Errno::ENOMEM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::datagram::Datagram;
    use chat_core::limits::DATAGRAM_BYTES_MAX;
    use chat_core::relay::{Message, PROTOCOL};
    use std::net::UdpSocket;

    #[test]
    fn arrivals_wait_while_the_ring_is_short_of_room_but_not_while_the_network_takes_nothing() {
        // Of one slot, all are short of room.
        let (mut payloads, mut slots) = ([[0; DATAGRAM_BYTES_MAX]; 1], [Slot::EMPTY; 1]);
        let socket = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut driver = Driver::new(socket, GrowingRoster::new(None), &mut payloads, &mut slots);
        let mut greeting = Datagram::EMPTY;
        greeting.begin(PROTOCOL);
        greeting.push(&Message::Greeting { features: 0 }).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(greeting.as_bytes(), driver.local_address().unwrap()).unwrap();
        assert!(driver.receive().unwrap());
        assert_eq!(driver.counters().clients, 0);
        driver.blocked = true;
        assert!(!driver.receive().unwrap());
        assert_eq!(driver.counters().clients, 1);
    }
}
