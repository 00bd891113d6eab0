//! The relay server's engine (docs/relay-protocol.md section 6).
//!
//! It has no clock and no timers: nothing in it depends on time. What is to be sent is looked at first
//! ([`Server::outputs`]) and taken off when it has been sent ([`Server::handle_sent`]), so that a batch can borrow many
//! datagrams at once and a full socket loses nothing.
//!
//! Invariants: an INCOMING is encoded once, whatever the number of clients. A datagram is answered at most once, with no
//! more bytes than it had.

mod counters;
mod ring;
mod roster;

pub use counters::Counters;
pub use ring::Slot;
pub use roster::{Admission, FixedRoster, Local, Recipient, Roster};

use super::message::{Message, PROTOCOL};
use crate::address::Address;
use crate::datagram::{self, Datagram, Items, Payload, Rejected};
use crate::limits::{DATAGRAM_HEADER_BYTES, RELAY_ANSWERS_MAX, RELAY_ECHO_BYTES_MAX};
use crate::refusal::RefusalReason;
use core::net::SocketAddr;
use heapless::{Deque, Vec};
use ring::{Cursor, Ring};

/// Longest answer, in bytes: header, length, tag, length of the echo, echo.
const ANSWER_BYTES_MAX: usize = DATAGRAM_HEADER_BYTES + 1 + 1 + 1 + RELAY_ECHO_BYTES_MAX;

/// A relay server: takes datagrams, and says what is to be sent to whom.
#[derive(Debug)]
pub struct Server<'r, R> {
    /// The clients that have greeted.
    roster: R,
    /// INCOMINGs that wait to be sent to all.
    ring: Ring<'r>,
    /// PROBED and REFUSED that wait to be sent to one.
    answers: Deque<Answer, RELAY_ANSWERS_MAX>,
    /// What was counted so far.
    counters: Counters,
}

/// A datagram for one address.
#[derive(Debug)]
struct Answer {
    /// The client whose datagram it answers.
    to: Recipient,
    /// The whole datagram.
    bytes: Vec<u8, ANSWER_BYTES_MAX>,
}

/// One datagram, or one burst of them, to be sent to one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// The destination; an IPv4 address is never in its IPv4-mapped form.
    pub to: SocketAddr,
    /// The own address that it leaves from.
    pub local: Local,
    /// The UDP payload of one datagram, or of several in a row if [`Server::set_burst_max`] allows it: then each but the last has
    /// [`DATAGRAM_BYTES_MAX`](crate::limits::DATAGRAM_BYTES_MAX) bytes.
    pub bytes: &'a [u8],
}

impl<'r, R: Roster> Server<'r, R> {
    /// A server with this roster. As many datagrams for all clients may wait at once as both `payloads` and `slots` have room for.
    /// Each is sent by itself, without bursts.
    pub const fn new(roster: R, payloads: &'r mut [Payload], slots: &'r mut [Slot]) -> Self {
        Self { roster, ring: Ring::new(payloads, slots), answers: Deque::new(), counters: Counters::ZERO }
    }

    /// From now on [`Server::outputs`] gives up to `datagrams` datagrams for one address in one *burst*, for a network stack that can
    /// cut it up. All datagrams of a burst but the last are filled up with padding.
    pub const fn set_burst_max(&mut self, datagrams: usize) {
        self.ring.set_burst_max(datagrams);
    }

    /// Takes one datagram that came from `source` to the own address `local`. Work is bounded by its length.
    ///
    /// A datagram or item that cannot be served is counted and changes nothing else.
    pub fn handle_datagram(&mut self, source: SocketAddr, local: Local, bytes: &[u8]) {
        self.counters.datagrams += 1;
        let source = Recipient { address: Address::from(source), local };
        let counter = match datagram::open(PROTOCOL, bytes) {
            Ok(_) if !source.address.is_answerable() => &mut self.counters.unanswerable,
            Ok(items) => return self.handle_items(source, bytes.len(), items),
            Err(Rejected::Foreign | Rejected::Empty) => &mut self.counters.foreign,
            Err(Rejected::Version(_)) => &mut self.counters.other_version,
            Err(Rejected::Overlong) => &mut self.counters.overlong,
        };
        *counter += 1;
    }

    /// Takes the items of one datagram, each for itself.
    fn handle_items(&mut self, source: Recipient, length: usize, items: Items<'_>) {
        // The one answer that this datagram may have.
        let mut answer = None;
        for item in items {
            match item.map(Message::decode) {
                Ok(Ok(Message::Greeting { .. })) => {
                    if let Some(refused) = self.handle_greeting(source) {
                        self.choose_answer(&mut answer, refused);
                    }
                }
                Ok(Ok(Message::Message { number, text })) => {
                    let incoming = Message::Incoming { number, sender: source.address.into(), text };
                    self.handle_message(&source.address, &incoming);
                }
                Ok(Ok(Message::Probe { echo })) => self.choose_answer(&mut answer, Message::Probed { echo }),
                Ok(Ok(Message::Incoming { .. } | Message::Refused { .. } | Message::Probed { .. })) => {
                    self.counters.items_misdirected += 1;
                }
                Ok(Err(datagram::ItemError::Unknown)) => self.counters.items_unknown += 1,
                Ok(Err(datagram::ItemError::Malformed)) => self.counters.items_malformed += 1,
                Err(datagram::Truncated) => self.counters.items_truncated += 1,
            }
        }
        if let Some(answer) = answer {
            self.answer(source, length, &answer);
        }
    }

    /// Admits the sender, or gives the refusal.
    fn handle_greeting(&mut self, source: Recipient) -> Option<Message<'static>> {
        match self.roster.admit(source) {
            Ok(Admission::New) => self.counters.clients += 1,
            Ok(Admission::Known) => self.counters.greetings_repeated += 1,
            Err(_) => {
                self.counters.greetings_refused += 1;
                return Some(Message::Refused { reason: RefusalReason::Full });
            }
        }
        None
    }

    /// Puts what a client says into the ring, for all who have greeted by now.
    fn handle_message(&mut self, source: &Address, incoming: &Message<'_>) {
        if !self.roster.contains(source) {
            self.counters.messages_unregistered += 1;
        } else if self.ring.append(incoming, self.roster.count()).is_ok() {
            self.counters.messages += 1;
        } else {
            self.counters.messages_dropped += 1;
        }
    }

    /// Keeps the first answer to a datagram and counts the others as dropped. An answer behind a REFUSED is not counted: a client
    /// sends PROBE beside its GREETING, and the REFUSED answers both.
    fn choose_answer<'a>(&mut self, answer: &mut Option<Message<'a>>, message: Message<'a>) {
        match answer {
            None => *answer = Some(message),
            Some(Message::Refused { .. }) => {}
            Some(_) => self.counters.answers_dropped += 1,
        }
    }

    /// Queues an answer, unless it is longer than the datagram that it answers or too many answers wait.
    fn answer(&mut self, to: Recipient, length_max: usize, message: &Message<'_>) {
        let mut datagram = Datagram::EMPTY;
        datagram.begin(PROTOCOL);
        let bytes = match datagram.push(message) {
            Ok(()) if datagram.as_bytes().len() <= length_max => Vec::from_slice(datagram.as_bytes()).ok(),
            _ => None,
        };
        let queued = bytes.is_some_and(|bytes| self.answers.push_back(Answer { to, bytes }).is_ok());
        match message {
            Message::Probed { .. } if queued => self.counters.probes += 1,
            _ if queued => {}
            _ => self.counters.answers_dropped += 1,
        }
    }

    /// How many datagrams more the ring has room for. Without room MESSAGEs are dropped: a caller that can leave arrivals in the
    /// network's receive buffer should wait until there is room.
    pub const fn vacancy(&self) -> usize {
        self.ring.vacancy()
    }

    /// What is to be sent, in this order: answers, then INCOMINGs. Changes nothing; what has been sent or given up is
    /// taken off by [`Server::handle_sent`] and [`Server::handle_unreachable`]. Each step takes constant time.
    pub fn outputs(&self) -> Outputs<'_, R> {
        Outputs { answers: self.answers.iter(), ring: &self.ring, cursor: self.ring.cursor(), roster: &self.roster }
    }

    /// The first `count` of [`Server::outputs`] have been sent. No datagram may have been handled since [`Server::outputs`] was
    /// called. Returns how many datagrams were sent. Work: one step for each of them.
    pub fn handle_sent(&mut self, count: usize) -> usize {
        let datagrams = self.take_off(count);
        self.counters.sent += u64::try_from(datagrams).unwrap_or(u64::MAX);
        datagrams
    }

    /// The first of [`Server::outputs`] cannot be sent: it is dropped for this destination, and counted.
    pub fn handle_unreachable(&mut self) {
        self.counters.unreachable += u64::try_from(self.take_off(1)).unwrap_or(u64::MAX);
    }

    /// The first of [`Server::outputs`] is a burst that cannot be sent as one: its datagrams are given one by one from here on.
    /// Returns false, and changes nothing, if it is a single datagram. Work: one step for each datagram.
    pub fn handle_unsegmented(&mut self) -> bool {
        self.answers.is_empty() && self.ring.split()
    }

    /// This many datagrams were lost before they could be read.
    pub fn handle_receive_dropped(&mut self, count: u32) {
        self.counters.receive_dropped += u64::from(count);
    }

    /// Takes the first `count` of [`Server::outputs`] off, and returns how many datagrams they were.
    fn take_off(&mut self, count: usize) -> usize {
        let answered = count.min(self.answers.len());
        for _ in 0..answered {
            self.answers.pop_front();
        }
        answered + self.ring.advance(count - answered)
    }

    /// What was counted so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// What a server has to send, in order.
pub struct Outputs<'a, R> {
    /// Answers not yet given out.
    answers: heapless::deque::Iter<'a, Answer>,
    /// INCOMINGs.
    ring: &'a Ring<'a>,
    /// The burst and recipient that come next.
    cursor: Cursor,
    /// The roster in which the cursor counts positions.
    roster: &'a R,
}

impl<'a, R: Roster> Iterator for Outputs<'a, R> {
    type Item = Transmit<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(answer) = self.answers.next() {
            let Recipient { address, local } = answer.to;
            return Some(Transmit { to: address.into(), local, bytes: &answer.bytes });
        }
        let (bytes, position) = self.ring.get(self.cursor)?;
        self.cursor = self.ring.after(self.cursor);
        // The roster never forgets, so each recipient that the ring counts is in it.
        let Recipient { address, local } = self.roster.client(position)?;
        Some(Transmit { to: address.into(), local, bytes })
    }
}
