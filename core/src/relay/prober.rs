//! A health check of a relay: PROBE, until it is answered (docs/relay-protocol.md section 4).
//!
//! It never greets, so it leaves nothing behind at the relay.
//!
//! Drain order: after [`Prober::handle_timeout`], which is due at once, send what [`Prober::poll_output`] gives until `None`.

use super::{Echo, Message, PROTOCOL};
use crate::datagram::{Datagram, open};
use crate::time::Instant;
use core::time::Duration;

/// Pause between two PROBEs: one of them, or its answer, may be lost.
const PROBE_PAUSE: Duration = Duration::from_secs(1);

/// Asks one relay whether it is there.
#[derive(Debug)]
pub struct Prober {
    /// The echo of its PROBEs, by which it knows the answer.
    echo: [u8; 8],
    /// The datagram with the PROBE.
    datagram: Datagram,
    /// When the next PROBE is due; `None` once one was answered.
    due_at: Option<Instant>,
    /// Whether a PROBE is to be sent now.
    due: bool,
    /// Datagrams that came and were no answer.
    ignored: u32,
}

impl Prober {
    /// A prober whose first PROBE is due now; `seed` must be hard to guess, so that nobody else can forge the answer.
    pub fn new(now: Instant, seed: u64) -> Self {
        Self { echo: seed.to_le_bytes(), datagram: Datagram::EMPTY, due_at: Some(now), due: false, ignored: 0 }
    }

    /// Takes a datagram that came from the relay. Work is bounded by its length.
    pub fn handle_datagram(&mut self, bytes: &[u8]) {
        let mut items = open(PROTOCOL, bytes).into_iter().flatten();
        let answers =
            |item| matches!(Message::decode(item), Ok(Message::Probed { echo }) if echo.as_bytes() == self.echo);
        if items.any(|item| item.is_ok_and(answers)) {
            (self.due_at, self.due) = (None, false);
        } else {
            self.ignored = self.ignored.saturating_add(1);
        }
    }

    /// Makes a PROBE due, if it is time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.due_at.is_some_and(|due_at| due_at <= now) {
            (self.due_at, self.due) = (Some(now + PROBE_PAUSE), true);
        }
    }

    /// When [`Prober::handle_timeout`] is to be called; `None` once a PROBE was answered.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.due_at
    }

    /// The datagram that is to be sent, if there is one.
    pub fn poll_output(&mut self) -> Option<&[u8]> {
        if !core::mem::take(&mut self.due) {
            return None;
        }
        self.datagram.begin(PROTOCOL);
        // An echo of 8 bytes is allowed, and the item fits into an empty datagram.
        self.datagram.push(&Message::Probe { echo: Echo::new(&self.echo)? }).ok()?;
        Some(self.datagram.as_bytes())
    }

    /// Whether the relay has answered.
    pub const fn is_answered(&self) -> bool {
        self.due_at.is_none()
    }

    /// How many datagrams came that were no answer.
    pub const fn ignored(&self) -> u32 {
        self.ignored
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const NOW: Instant = Instant::from_millis(1_000);

    /// A prober whose first PROBE was taken, and this PROBE.
    fn begun() -> (Prober, Vec<u8>) {
        let mut prober = Prober::new(NOW, 0x0102_0304_0506_0708);
        prober.handle_timeout(NOW);
        let probe = prober.poll_output().unwrap().to_vec();
        assert_eq!(prober.poll_output(), None);
        (prober, probe)
    }

    /// A datagram of these messages.
    fn datagram(messages: &[Message<'_>]) -> Vec<u8> {
        let mut datagram = Datagram::EMPTY;
        datagram.begin(PROTOCOL);
        messages.iter().for_each(|message| datagram.push(message).unwrap());
        datagram.as_bytes().to_vec()
    }

    #[test]
    fn probe_is_sent_at_once_and_then_every_second() {
        let (mut prober, probe) = begun();
        assert_eq!(probe, b"CHR\x01\x0a\x04\x08\x08\x07\x06\x05\x04\x03\x02\x01");
        for second in 1..4 {
            let due = NOW + PROBE_PAUSE * second;
            assert_eq!(prober.poll_timeout(), Some(due));
            prober.handle_timeout(Instant::from_millis(due.millis() - 1));
            assert_eq!(prober.poll_output(), None);
            prober.handle_timeout(due);
            assert_eq!(prober.poll_output(), Some(&probe[..]));
        }
    }

    #[test]
    fn answer_is_known_by_its_echo_among_other_items() {
        let echo = [8, 7, 6, 5, 4, 3, 2, 1];
        let (own, other) = (Echo::new(&echo).unwrap(), Echo::new(&echo[1..]).unwrap());
        for (messages, answered) in [
            (&[Message::Probed { echo: own }][..], true),
            (&[Message::Greeting { features: 0 }, Message::Probed { echo: own }], true),
            (&[Message::Probed { echo: other }], false),
            (&[Message::Probe { echo: own }], false),
            (&[], false),
        ] {
            let (mut prober, _) = begun();
            prober.handle_datagram(&datagram(messages));
            assert_eq!(prober.is_answered(), answered, "{messages:?}");
            assert_eq!(prober.ignored(), u32::from(!answered), "{messages:?}");
            prober.handle_timeout(NOW + PROBE_PAUSE);
            assert_eq!(prober.poll_output().is_none(), answered, "{messages:?}");
        }
    }

    #[test]
    fn rubbish_is_counted_and_does_not_end_the_probing() {
        let (mut prober, probe) = begun();
        for length in 0..probe.len() {
            prober.handle_datagram(&probe[..length]);
        }
        prober.handle_datagram(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        assert_eq!((prober.is_answered(), prober.ignored()), (false, 16));
        assert!(prober.poll_timeout().is_some());
    }
}
