//! The signals that a program of ours reacts to.

use crate::failure::Failure;
use async_signal::{Signal, Signals};
use smol::stream::StreamExt as _;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// SIGINT, SIGTERM: leave properly.
    End,
    /// SIGUSR1: show the counters.
    ShowCounters,
}

/// Signals that have come and not been taken.
#[derive(Debug)]
pub(crate) struct Requests(Signals);

impl Requests {
    /// Takes over SIGINT, SIGTERM and SIGUSR1.
    pub(crate) fn new() -> Result<Self, Failure> {
        let signals = Signals::new([Signal::Int, Signal::Term, Signal::Usr1]);
        signals.map(Self).map_err(|error| Failure::lost(format!("cannot wait for signals: {error}")))
    }

    /// Waits for the next. Cancelling loses nothing.
    pub(crate) async fn next(&mut self) -> Request {
        loop {
            match self.0.next().await {
                Some(Ok(Signal::Usr1)) => return Request::ShowCounters,
                Some(Ok(_)) => return Request::End,
                Some(Err(_)) => {}
                None => smol::future::pending().await,
            }
        }
    }
}
