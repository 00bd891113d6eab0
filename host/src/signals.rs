//! The signals that a program of ours reacts to.
//!
//! A thread of its own takes them, so that a program also ends while it waits in a write because nobody reads its standard output.

use crate::failure::{Failure, cause};
use async_io::Timer;
use async_signal::{Signal, Signals};
use smol::channel::{Receiver, unbounded};
use smol::future;
use smol::stream::StreamExt as _;
use std::time::Duration;

/// How long a program may take to leave properly after a signal has asked for its end.
const LEAVE_TIME: Duration = Duration::from_secs(3);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignalRequest {
    /// SIGINT, SIGTERM, and SIGHUP of a server or at a person's terminal: leave properly.
    End,
    /// SIGUSR1: show the counters.
    ShowCounters,
    /// SIGCONT at a person's terminal: the program was stopped, and others may have used the terminal.
    Continued,
}

/// The signals that every program of ours takes.
#[cfg(unix)]
const SIGNALS: &[Signal] = &[Signal::Int, Signal::Term, Signal::Usr1];

/// The signals that a program at a person's terminal takes. SIGHUP ends it: a client that shall survive its terminal (nohup) does
/// not read keys, and takes [`SIGNALS`] alone.
#[cfg(all(unix, feature = "client"))]
const SIGNALS_AT_TERMINAL: &[Signal] = &[Signal::Int, Signal::Term, Signal::Usr1, Signal::Hup, Signal::Cont];

/// The signals that every program of ours takes: other systems have the interruption alone.
#[cfg(not(unix))]
const SIGNALS: &[Signal] = &[Signal::Int];

/// The signals that a program at a person's terminal takes: the same.
#[cfg(all(not(unix), feature = "client"))]
const SIGNALS_AT_TERMINAL: &[Signal] = SIGNALS;

/// The requests of signals that have come and were not taken.
#[derive(Debug)]
pub(crate) struct SignalRequests(Receiver<SignalRequest>);

impl SignalRequests {
    /// Takes over SIGINT, SIGTERM and SIGUSR1.
    #[cfg(feature = "peer")]
    pub(crate) fn new() -> Result<Self, Failure> {
        Self::of(SIGNALS)
    }

    /// Takes over [`SIGNALS_AT_TERMINAL`]: SIGHUP and SIGCONT too.
    #[cfg(feature = "client")]
    pub(crate) fn at_terminal() -> Result<Self, Failure> {
        Self::of(SIGNALS_AT_TERMINAL)
    }

    /// Takes over SIGHUP too, unless the server was started with SIGHUP ignored (nohup(1)).
    #[cfg(target_os = "linux")]
    pub(crate) fn of_server() -> Result<Self, Failure> {
        let hangup = if is_hangup_ignored() { None } else { Some(Signal::Hup) };
        Self::of(&SIGNALS.iter().copied().chain(hangup).collect::<Vec<_>>())
    }

    /// Takes over these signals.
    fn of(signals: &[Signal]) -> Result<Self, Failure> {
        let failure = |error| Failure::lost(format!("cannot wait for signals: {}", cause(&error)));
        let mut signals = Signals::new(signals).map_err(failure)?;
        let (sender, receiver) = unbounded();
        let watch = async move {
            loop {
                let request = next(&mut signals).await;
                // This fails when the program is ending already.
                let _ = sender.try_send(request);
                if request == SignalRequest::End {
                    // A second signal, or `LEAVE_TIME` without an exit, ends the process.
                    future::or(async { _ = Timer::after(LEAVE_TIME).await }, again(&mut signals)).await;
                    #[cfg(feature = "client")]
                    crate::terminal::restore();
                    std::process::exit(1);
                }
            }
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(|| future::block_on(watch)).map_err(failure)?;
        Ok(Self(receiver))
    }

    /// Whether an end is asked for within this time; blocks until then.
    #[cfg(feature = "client")]
    pub(crate) fn ends_within(&self, time_max: Duration) -> bool {
        let asked = async {
            while let Ok(request) = self.0.recv().await {
                if request == SignalRequest::End {
                    return true;
                }
            }
            false
        };
        let late = async {
            Timer::after(time_max).await;
            false
        };
        future::block_on(future::or(asked, late))
    }

    /// Waits for the next request. Cancelling loses nothing.
    pub(crate) async fn next(&mut self) -> SignalRequest {
        match self.0.recv().await {
            Ok(request) => request,
            Err(_) => future::pending().await,
        }
    }
}

/// Whether SIGHUP is ignored. Linux shows the ignored signals as a mask in hexadecimal; its lowest bit is signal 1, SIGHUP.
#[cfg(target_os = "linux")]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Waits for the next signal, and returns its request.
async fn next(signals: &mut Signals) -> SignalRequest {
    loop {
        match signals.next().await {
            Some(Ok(Signal::Usr1)) => return SignalRequest::ShowCounters,
            Some(Ok(Signal::Cont)) => return SignalRequest::Continued,
            Some(Ok(_)) => return SignalRequest::End,
            Some(Err(_)) => {}
            None => future::pending().await,
        }
    }
}

/// Waits until a second signal asks for the end.
async fn again(signals: &mut Signals) {
    while next(signals).await != SignalRequest::End {}
}
