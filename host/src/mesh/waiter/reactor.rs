//! Waiting by smol's reactor, where there is no `poll`.

use super::{SOCKETS_MAX, Woken};
use crate::clock;
use async_io::{Async, Timer};
use chat_core::time::Instant;
use smol::future;
use std::future::Future;
use std::io;
use std::net::UdpSocket;

/// A socket that a waiter can wait for.
pub(in super::super) type Socket = Async<UdpSocket>;

/// Waits for a future, sockets and a deadline.
#[derive(Debug)]
pub(in super::super) struct Waiter;

impl Waiter {
    /// A waiter.
    ///
    /// # Errors
    /// None here.
    pub(in super::super) const fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits until the future is ready, one of the sockets is readable, or the deadline has come; in this order, if there is more
    /// than one of them. The future is dropped.
    pub(in super::super) fn wait<T>(
        &mut self,
        sockets: [Option<&Socket>; SOCKETS_MAX],
        deadline: Option<Instant>,
        future: impl Future<Output = T>,
    ) -> Woken<T> {
        let [first, second, third, fourth] = sockets;
        let own = future::or(readable(first, 0), readable(second, 1));
        let shared = future::or(readable(third, 2), readable(fourth, 3));
        let due = async {
            match deadline {
                Some(deadline) => drop(Timer::after(deadline - clock::now()).await),
                None => future::pending().await,
            }
            Woken::Due
        };
        let ready = async { Woken::Ready(future.await) };
        future::block_on(future::or(ready, future::or(future::or(own, shared), due)))
    }
}

/// Waits until a socket has something to receive; for ever if there is none. A failure shows when it is read.
async fn readable<T>(socket: Option<&Socket>, index: usize) -> Woken<T> {
    match socket {
        Some(socket) => drop(socket.readable().await),
        None => future::pending().await,
    }
    let mut readable = [false; SOCKETS_MAX];
    readable[index] = true;
    Woken::Readable(readable)
}
