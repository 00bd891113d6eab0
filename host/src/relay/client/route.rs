//! The route to a relay: the address of its host that is used, and a socket that receives from this address alone.
//!
//! While the relay does not answer, its name is looked up again and again, because the relay may have moved. If it has several
//! addresses, they are tried in turn.

use super::socket::Socket;
use crate::endpoint::Endpoint;
use crate::failure::{Failure, cause};
use crate::{clock, wait};
use chat_core::relay::PORT;
use smol::future;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

/// Pause between two look-ups of the name while the relay does not answer.
const LOOK_UP_PAUSE: Duration = Duration::from_secs(5);

/// A look-up of a host's addresses.
type LookUp<'e> = Pin<Box<dyn Future<Output = Result<Vec<SocketAddr>, Failure>> + 'e>>;

/// The route to a relay.
pub(super) struct Route<'e> {
    /// The relay as the user has named it.
    endpoint: &'e Endpoint,
    /// The socket, connected to the relay so that it receives from nobody else.
    pub(super) socket: Socket,
    /// The relay's address in use.
    pub(super) server: SocketAddr,
    /// The look-up of the name that runs now, or that begins after a pause.
    look_up: Option<LookUp<'e>>,
}

impl<'e> Route<'e> {
    /// Takes the first of the host's addresses to which the system has a route.
    ///
    /// # Errors
    /// The name is not found, or there is no route.
    pub(super) async fn find(endpoint: &'e Endpoint) -> Result<Self, Failure> {
        let mut failure = None;
        for server in endpoint.resolve(PORT).await? {
            match Socket::open(server) {
                Ok(socket) => return Ok(Self { endpoint, socket, server, look_up: None }),
                Err(error) => failure = Some((server.to_string(), cause(&error))),
            }
        }
        let (server, reason) = failure.unwrap_or_else(|| (endpoint.host.clone(), "it has no address".to_owned()));
        Err(Failure::lost(format!("cannot reach the relay at {server}: {reason}; check the address and the network")))
    }

    /// The relay does not answer: its name is looked up at once, then after pauses until [`Route::handle_answer`].
    pub(super) fn handle_silence(&mut self) {
        if self.look_up.is_none() {
            self.look_up = Some(Box::pin(self.endpoint.resolve(PORT)));
        }
    }

    /// The relay answers.
    pub(super) fn handle_answer(&mut self) {
        self.look_up = None;
    }

    /// The own address may be gone: opens a new socket, or keeps the old one if there is no route at this moment.
    pub(super) fn open_again(&mut self) {
        if let Ok(socket) = Socket::open(self.server) {
            self.socket = socket;
        }
    }

    /// Waits for a datagram; `None` if the relay is now tried at another address. Cancelling loses nothing.
    ///
    /// # Errors
    /// What the socket says.
    pub(super) async fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Self { socket, look_up, .. } = self;
        let found = async {
            match look_up {
                Some(look_up) => Err(look_up.await),
                None => future::pending().await,
            }
        };
        match future::race(async { Ok(socket.receive().await) }, found).await {
            Ok(received) => received.map(Some),
            Err(found) => {
                // A name that is not found now may be found later.
                self.try_next(&found.unwrap_or_default());
                let endpoint = self.endpoint;
                self.look_up = Some(Box::pin(async move {
                    wait::until(clock::now() + LOOK_UP_PAUSE).await;
                    endpoint.resolve(PORT).await
                }));
                Ok(None)
            }
        }
    }

    /// Takes the address behind the present one, or the first if the present one is not among them.
    fn try_next(&mut self, addresses: &[SocketAddr]) {
        let next = addresses.iter().position(|&address| address == self.server).map_or(0, |index| index + 1);
        let in_turn = addresses[next.min(addresses.len())..].iter().chain(addresses);
        for &server in in_turn.take(addresses.len()) {
            if let Ok(socket) = Socket::open(server) {
                (self.socket, self.server) = (socket, server);
                return;
            }
        }
    }
}
