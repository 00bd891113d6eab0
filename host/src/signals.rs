//! The signals that a program of ours reacts to.
//!
//! They are taken by a thread of their own, so that a program whose standard output nobody reads, and which therefore waits in a
//! write, ends all the same.

use crate::failure::{Failure, cause};
use async_signal::{Signal, Signals};
use smol::Timer;
use smol::channel::{Receiver, unbounded};
use smol::future;
use smol::stream::StreamExt as _;
use std::time::Duration;

/// How long a program may take to leave properly once it has been asked to.
const LEAVE_TIME: Duration = Duration::from_secs(3);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// SIGINT, SIGTERM, and a server's SIGHUP: leave properly.
    End,
    /// SIGUSR1: show the counters.
    ShowCounters,
}

/// Signals that have come and not been taken.
#[derive(Debug)]
pub(crate) struct Requests(Receiver<Request>);

impl Requests {
    /// Takes over SIGINT, SIGTERM and SIGUSR1.
    #[cfg(feature = "client")]
    pub(crate) fn new() -> Result<Self, Failure> {
        Self::of(&[Signal::Int, Signal::Term, Signal::Usr1])
    }

    /// Takes over SIGHUP too, unless whoever has started the server wants it ignored (nohup(1)).
    pub(crate) fn of_server() -> Result<Self, Failure> {
        let hangup = if is_hangup_ignored() { None } else { Some(Signal::Hup) };
        let signals = [Signal::Int, Signal::Term, Signal::Usr1].into_iter().chain(hangup);
        Self::of(&signals.collect::<Vec<_>>())
    }

    /// Takes over these signals.
    fn of(signals: &[Signal]) -> Result<Self, Failure> {
        let failure = |error| Failure::lost(format!("cannot wait for signals: {}", cause(&error)));
        let mut signals = Signals::new(signals).map_err(failure)?;
        let (sender, receiver) = unbounded();
        let watch = async move {
            loop {
                let request = next(&mut signals).await;
                // Fails when the program ends already.
                let _ = sender.try_send(request);
                if request == Request::End {
                    // Whoever is asked twice, or does not come to leave, is ended.
                    future::or(async { _ = Timer::after(LEAVE_TIME).await }, again(&mut signals)).await;
                    std::process::exit(1);
                }
            }
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(|| smol::block_on(watch)).map_err(failure)?;
        Ok(Self(receiver))
    }

    /// Waits for the next. Cancelling loses nothing.
    pub(crate) async fn next(&mut self) -> Request {
        match self.0.recv().await {
            Ok(request) => request,
            Err(_) => future::pending().await,
        }
    }
}

/// Whether SIGHUP is ignored, as Linux tells it: a mask in hexadecimal, whose lowest bit is signal 1.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// The next signal.
async fn next(signals: &mut Signals) -> Request {
    loop {
        match signals.next().await {
            Some(Ok(Signal::Usr1)) => return Request::ShowCounters,
            Some(Ok(_)) => return Request::End,
            Some(Err(_)) => {}
            None => future::pending().await,
        }
    }
}

/// Waits until the end is asked for once more.
async fn again(signals: &mut Signals) {
    while next(signals).await != Request::End {}
}
