//! Members that find each other and spread what is said by foca, a crate for SWIM with gossip, as its documentation has it.

use crate::address;
use crate::line::{DATAGRAM_BYTES_MAX, Lines, receive, show, wait};
use foca::{AccumulatingRuntime, BroadcastHandler, Config, Foca, Invalidates, PostcardCodec, Timer};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::net::{SocketAddrV4, UdpSocket};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// Bytes of a message's number.
const NUMBER_BYTES: usize = 8;

/// Pause between two announcements while nobody answers: the first member may not be there yet, and foca announces once.
const ANNOUNCE_PAUSE: Duration = Duration::from_millis(200);

/// What was said so far.
#[derive(Debug, Default)]
struct Said(HashSet<u64>);

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Number(u64);

/// A message without a number.
#[derive(Debug)]
struct TooShort;

impl fmt::Display for TooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message without a number")
    }
}

impl Error for TooShort {}

impl Invalidates for Number {
    fn invalidates(&self, other: &Self) -> bool {
        self == other
    }
}

impl BroadcastHandler<SocketAddrV4> for Said {
    type Key = Number;
    type Error = TooShort;

    fn receive_item(&mut self, data: &[u8], _: Option<&SocketAddrV4>) -> Result<Option<Number>, TooShort> {
        let (number, text) = data.split_first_chunk::<NUMBER_BYTES>().ok_or(TooShort)?;
        let number = u64::from_le_bytes(*number);
        if !self.0.insert(number) {
            return Ok(None);
        }
        // Whoever measures misses a line that could not be printed.
        let _ = show(text);
        Ok(Some(Number(number)))
    }
}

/// Runs the member of this number of so many, until the end of its input.
pub(crate) fn run(index: u16, members: u16) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind(address(index))?;
    socket.set_nonblocking(true)?;
    let config = Config::new_lan(NonZeroU32::new(members.into()).unwrap_or(NonZeroU32::MIN));
    let random = SmallRng::seed_from_u64(index.into());
    let mut foca = Foca::with_custom_broadcast(address(index), config, random, PostcardCodec, Said::default());
    let mut runtime = AccumulatingRuntime::new();
    let mut timers: Vec<(Instant, Timer<SocketAddrV4>)> = Vec::new();
    let mut announce_at = Instant::now();
    let (mut lines, mut buffer, mut count) = (Lines::default(), [0; DATAGRAM_BYTES_MAX], 0);
    loop {
        let now = Instant::now();
        let is_alone = index > 0 && foca.iter_members().next().is_none();
        if is_alone && announce_at <= now {
            foca.announce(address(0), &mut runtime)?;
            announce_at = now + ANNOUNCE_PAUSE;
        }
        while let Some((to, bytes)) = runtime.to_send() {
            // Nobody may be there yet.
            let _ = socket.send_to(&bytes, to);
        }
        while let Some((after, timer)) = runtime.to_schedule() {
            timers.push((Instant::now() + after, timer));
        }
        while runtime.to_notify().is_some() {}
        let due = timers.iter().map(|(due, _)| *due).chain(is_alone.then_some(announce_at)).min();
        let pause = due.map(|due| due.saturating_duration_since(Instant::now()));
        let ready = wait(&socket, pause)?;
        if ready.socket {
            while let Some(length) = receive(&socket, &mut buffer)? {
                // What it does not like is what another member did not mean for it.
                drop(foca.handle_data(&buffer[..length], &mut runtime));
            }
        }
        if ready.input {
            let Some(lines) = lines.read()? else { return Ok(()) };
            for line in lines {
                let number = (u64::from(index) << 32) + count;
                count += 1;
                foca.add_broadcast(&[&number.to_le_bytes()[..], &line].concat())?;
                foca.gossip(&mut runtime)?;
            }
        }
        let now = Instant::now();
        while let Some(place) = timers.iter().position(|(due, _)| *due <= now) {
            let (_, timer) = timers.swap_remove(place);
            foca.handle_timer(timer, &mut runtime)?;
        }
    }
}
