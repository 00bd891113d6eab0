//! The relay client's engine (docs/relay-protocol.md section 5).
//!
//! It greets and greets again, knows its own messages by their numbers, and says when the relay falls silent. It never
//! sends a MESSAGE twice, because the relay would pass it on twice.
//!
//! Drain order: after every `handle_*` and [`Client::send`], call [`Client::poll_output`] until `None`. Call
//! [`Client::handle_timeout`] at [`Client::poll_timeout`], which each of these may change.

mod config;
mod greeter;
mod window;

pub use config::Config;
pub use greeter::Presence;

use super::message::{Echo, Message, PROTOCOL};
use crate::address::Address;
use crate::datagram::{self, Datagram, Items};
use crate::limits::{DATAGRAM_BYTES_MAX, Full};
use crate::refusal::RefusalReason;
use crate::text::Text;
use crate::time::Instant;
use core::net::SocketAddr;
use core::ops::Range;
use greeter::Greeter;
use heapless::Vec;
use window::Window;

/// A relay client: what to send, and what to tell the user.
#[derive(Debug)]
pub struct Client {
    /// Timers.
    config: Config,
    /// When to greet, and whether the relay is there.
    greeter: Greeter,
    /// Own messages under way.
    window: Window,
    /// How many own messages were given up and not reported yet.
    given_up: u32,
    /// Whether an INCOMING has come since the relay was last lost or moved; while none has, a GREETING goes with every MESSAGE.
    incoming_heard: bool,
    /// The datagram that is to be sent next.
    outgoing: Outgoing,
    /// The items of the datagram that came last.
    received: Vec<u8, DATAGRAM_BYTES_MAX>,
    /// The part of `received` that has not been read.
    unread: Range<usize>,
    /// When the datagram in `received` came.
    received_at: Instant,
    /// Datagrams and items that were ignored.
    ignored: u64,
}

/// What a client wants to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output<'a> {
    /// Send this datagram to the relay.
    Send(&'a [u8]),
    /// Show what somebody said.
    Incoming {
        /// The number that the sender chose.
        number: u32,
        /// Where the relay saw the sender; IPv4 as IPv4.
        sender: SocketAddr,
        /// What was said.
        text: Text<'a>,
        /// Whether it is a message of this client that was under way.
        own: bool,
    },
    /// The relay does not admit this client.
    Refused(RefusalReason),
    /// The relay has begun or ceased to answer.
    Presence(Presence),
    /// This many messages have not come back and are no longer waited for.
    Unconfirmed(u32),
}

/// Why a text was not taken; it is neither sent nor numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// [`RELAY_WINDOW_MAX`](crate::limits::RELAY_WINDOW_MAX) messages are under way: wait until one comes back or is given up.
    Window,
    /// The datagram that waits to be sent has no room: drain [`Client::poll_output`] first.
    Undrained,
}

impl Client {
    /// A client whose first GREETING is due now. `seed` chooses its message numbers and pauses, so that clients differ in them.
    pub fn new(config: Config, now: Instant, seed: u64) -> Self {
        let [first, second, third, fourth, share, ..] = seed.to_le_bytes();
        Self {
            config,
            greeter: Greeter::new(config, now, share),
            window: Window::new(u32::from_le_bytes([first, second, third, fourth]), now),
            given_up: 0,
            incoming_heard: false,
            outgoing: Outgoing::NOTHING,
            received: Vec::new(),
            unread: 0..0,
            received_at: now,
            ignored: 0,
        }
    }

    /// Sends a text, and returns the number with which it comes back.
    ///
    /// # Errors
    /// [`SendError`] when the text has to wait.
    pub fn send(&mut self, now: Instant, text: Text<'_>) -> Result<u32, SendError> {
        let number = self.window.vacancy().ok_or(SendError::Window)?;
        let greets = !self.incoming_heard;
        self.outgoing.push_message(greets, number, text).map_err(|Full| SendError::Undrained)?;
        if greets {
            self.greeter.handle_greeted(now);
        }
        self.window.enter(now);
        Ok(number)
    }

    /// How many messages are under way.
    pub fn under_way(&self) -> usize {
        self.window.len()
    }

    /// Whether [`Client::send`] would take a text once everything is drained.
    pub fn may_send(&self) -> bool {
        self.window.vacancy().is_some()
    }

    /// Whether the relay is known not to answer, so that what is sent is likely to be lost.
    pub fn is_silent(&self) -> bool {
        self.greeter.is_silent()
    }

    /// Takes one datagram from the relay. If an earlier one has not been drained, its rest is counted as ignored.
    pub fn handle_datagram(&mut self, now: Instant, bytes: &[u8]) {
        if !self.unread.is_empty() {
            self.ignored += 1;
        }
        self.received.clear();
        self.received_at = now;
        match datagram::open(PROTOCOL, bytes).map(|items| self.received.extend_from_slice(items.as_bytes())) {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => self.ignored += 1,
        }
        self.unread = 0..self.received.len();
    }

    /// The network reports that nobody listens at the relay's address or that no route leads to it: the client greets until the
    /// relay answers.
    pub fn handle_unreachable(&mut self, now: Instant) {
        self.incoming_heard = false;
        self.greeter.handle_unreachable(now);
    }

    /// From now on datagrams go to another address of the relay: the next GREETING is due now.
    pub fn handle_moved(&mut self, now: Instant) {
        self.incoming_heard = false;
        self.greeter.handle_moved(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.window.deadline(self.config.progress_max).is_some_and(|deadline| deadline <= now) {
            // At most RELAY_WINDOW_MAX at once.
            self.given_up += u32::try_from(self.window.give_up()).unwrap_or(u32::MAX);
            self.incoming_heard = false;
            self.greeter.handle_loss(now);
        }
        if self.greeter.handle_timeout(now) {
            // The answer to PROBE shows that the relay got the GREETING beside it. If there is no room, the next timeout sends both.
            let _ = self.outgoing.greet().and_then(|()| self.outgoing.push(&Message::Probe { echo: Echo::EMPTY }));
        }
    }

    /// When [`Client::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let greeter = self.greeter.deadline();
        Some(self.window.deadline(self.config.progress_max).map_or(greeter, |window| window.min(greeter)))
    }

    /// What is to be done next; `None` when nothing is. Work is bounded by the length of a datagram.
    pub fn poll_output(&mut self) -> Option<Output<'_>> {
        if let Some((item, own)) = self.read_item() {
            return match Message::decode(&self.received[item]) {
                Ok(Message::Incoming { number, sender, text }) => {
                    let sender = Address::from(sender).into();
                    Some(Output::Incoming { number, sender, text, own })
                }
                Ok(Message::Refused { reason }) => Some(Output::Refused(reason)),
                // Nothing else is given by read_item.
                _ => None,
            };
        }
        if let Some(presence) = self.greeter.take_change() {
            self.incoming_heard &= presence == Presence::Answers;
            return Some(Output::Presence(presence));
        }
        match core::mem::take(&mut self.given_up) {
            0 => self.outgoing.take().map(Output::Send),
            count => Some(Output::Unconfirmed(count)),
        }
    }

    /// Reads up to the next item that is for the user. Returns its range in `received`, and whether it is an own message.
    fn read_item(&mut self) -> Option<(Range<usize>, bool)> {
        while !self.unread.is_empty() {
            let mut items = Items::new(&self.received[self.unread.clone()]);
            let Some(item) = items.next() else {
                // Nothing but padding is left.
                self.unread = 0..0;
                return None;
            };
            let end = self.received.len() - items.as_bytes().len();
            self.unread.start = end;
            let item = item.unwrap_or(&[]);
            let place = end - item.len()..end;
            match Message::decode(item) {
                Ok(Message::Incoming { number, .. }) => {
                    self.incoming_heard = true;
                    self.greeter.handle_answer(self.received_at);
                    return Some((place, self.window.confirm(self.received_at, number)));
                }
                Ok(Message::Refused { .. }) => return Some((place, false)),
                Ok(Message::Probed { .. }) => self.greeter.handle_answer(self.received_at),
                Ok(_) | Err(_) => self.ignored += 1,
            }
        }
        None
    }

    /// Datagrams and items that were ignored: not of this protocol or version, malformed, unknown, or meant for a server.
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }
}

/// The datagram that is to be sent next.
#[derive(Debug)]
struct Outgoing {
    /// The datagram so far, or the one that was sent last.
    datagram: Datagram,
    /// Whether `datagram` has to be sent.
    waiting: bool,
    /// Whether `datagram` holds a GREETING.
    greeting: bool,
}

impl Outgoing {
    /// Nothing is to be sent.
    const NOTHING: Self = Self { datagram: Datagram::EMPTY, waiting: false, greeting: false };

    /// Adds a message.
    fn push(&mut self, message: &Message<'_>) -> Result<(), Full> {
        if !self.waiting {
            self.datagram.begin(PROTOCOL);
            self.waiting = true;
            self.greeting = false;
        }
        self.datagram.push(message)
    }

    /// Adds a GREETING unless the datagram holds one.
    fn greet(&mut self) -> Result<(), Full> {
        if self.waiting && self.greeting {
            return Ok(());
        }
        self.push(&Message::Greeting { features: 0 })?;
        self.greeting = true;
        Ok(())
    }

    /// Adds a MESSAGE, with a GREETING before it if `greets`. If there is no room for all, adds nothing.
    fn push_message(&mut self, greets: bool, number: u32, text: Text<'_>) -> Result<(), Full> {
        let (length, waiting, greeting) = (self.datagram.as_bytes().len(), self.waiting, self.greeting);
        let greeted = if greets { self.greet() } else { Ok(()) };
        let pushed = greeted.and_then(|()| self.push(&Message::Message { number, text }));
        if pushed.is_err() {
            self.datagram.truncate(length);
            (self.waiting, self.greeting) = (waiting, greeting);
        }
        pushed
    }

    /// Takes the datagram that is to be sent; `None` if there is none.
    fn take(&mut self) -> Option<&[u8]> {
        if core::mem::take(&mut self.waiting) { Some(self.datagram.as_bytes()) } else { None }
    }
}

impl core::fmt::Display for SendError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Window => f.write_str("too many messages are under way: wait until one comes back or is given up"),
            Self::Undrained => f.write_str("the datagram that waits has no room: it has to be sent first"),
        }
    }
}

impl core::error::Error for SendError {}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::limits::{RELAY_WINDOW_MAX, TEXT_BYTES_MAX};
    use core::time::Duration;
    use std::string::{String, ToString as _};
    use std::vec::Vec;

    const START: Instant = Instant::from_millis(1_000);

    /// A datagram of the relay with these messages.
    fn datagram(messages: &[Message<'_>]) -> Vec<u8> {
        let mut datagram = Datagram::EMPTY;
        datagram.begin(PROTOCOL);
        messages.iter().for_each(|message| datagram.push(message).unwrap());
        datagram.as_bytes().to_vec()
    }

    fn text(text: &str) -> Text<'_> {
        Text::new(text).unwrap()
    }

    fn incoming(number: u32, said: &str) -> Message<'_> {
        Message::Incoming { number, sender: "192.0.2.1:9".parse().unwrap(), text: text(said) }
    }

    const PROBED: Message<'static> = Message::Probed { echo: Echo::EMPTY };

    /// All outputs of the client, in words.
    fn drain(client: &mut Client) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(output) = client.poll_output() {
            words.push(match output {
                Output::Send(bytes) => {
                    let kinds: Vec<_> = datagram::open(PROTOCOL, bytes)
                        .unwrap()
                        .map(|item| match Message::decode(item.unwrap()).unwrap() {
                            Message::Greeting { .. } => "greeting".to_string(),
                            Message::Probe { .. } => "probe".to_string(),
                            Message::Message { text, .. } => text.as_str().to_string(),
                            other => panic!("a client does not send {other:?}"),
                        })
                        .collect();
                    std::format!("send {}", kinds.join(" "))
                }
                Output::Incoming { text, own: true, .. } => std::format!("own {}", text.as_str()),
                Output::Incoming { text, .. } => std::format!("shown {}", text.as_str()),
                Output::Refused(reason) => std::format!("refused {}", u16::from(reason)),
                Output::Presence(presence) => std::format!("{presence:?}"),
                Output::Unconfirmed(count) => std::format!("unconfirmed {count}"),
            });
        }
        words
    }

    /// A client that has sent its first GREETING.
    fn greeted() -> Client {
        let mut client = Client::new(Config::DEFAULT, START, 5);
        client.handle_timeout(START);
        assert_eq!(drain(&mut client), ["send greeting probe"]);
        client
    }

    /// A client that has heard an INCOMING.
    fn hearing() -> Client {
        let mut client = greeted();
        client.handle_datagram(START, &datagram(&[PROBED, incoming(0, "hi")]));
        assert_eq!(drain(&mut client), ["shown hi", "Answers"]);
        client
    }

    #[test]
    fn greeting_goes_with_messages_until_the_first_incoming() {
        let mut client = greeted();
        client.handle_datagram(START, &datagram(&[PROBED]));
        assert_eq!(drain(&mut client), ["Answers"]);
        client.send(START, text("a")).unwrap();
        assert_eq!(drain(&mut client), ["send greeting a"]);
        client.handle_datagram(START, &datagram(&[incoming(0, "x")]));
        drain(&mut client);
        client.send(START, text("b")).unwrap();
        assert_eq!(drain(&mut client), ["send b"]);
    }

    #[test]
    fn own_message_is_known_by_its_number_and_once_only() {
        let mut client = hearing();
        assert_eq!(client.send(START, text("mine")), Ok(5));
        drain(&mut client);
        client.handle_datagram(START, &datagram(&[incoming(4, "a"), incoming(5, "mine"), incoming(5, "again")]));
        assert_eq!(drain(&mut client), ["shown a", "own mine", "shown again"]);
        assert_eq!(client.under_way(), 0);
    }

    #[test]
    fn text_that_has_to_wait_leaves_no_greeting_behind() {
        let mut client = Client::new(Config::DEFAULT, START, 7);
        let long = "x".repeat(TEXT_BYTES_MAX);
        client.send(START, text(&long)).unwrap();
        assert_eq!(drain(&mut client), [std::format!("send greeting {long}")]);
        // Before the first INCOMING a GREETING goes with each MESSAGE; this datagram has one, and no room for another text.
        client.send(START, text(&long)).unwrap();
        assert_eq!(client.send(START, text(&long)), Err(SendError::Undrained));
        assert_eq!(drain(&mut client), [std::format!("send greeting {long}")]);
        // A datagram that begins with the GREETING of a timer has no room for a second text either.
        client.handle_datagram(START, &datagram(&[incoming(99, "x")]));
        drain(&mut client);
        client.send(START, text(&"y".repeat(TEXT_BYTES_MAX))).unwrap();
        client.handle_unreachable(START);
        assert_eq!(client.send(START, text(&"z".repeat(165))), Err(SendError::Undrained));
        let sent = drain(&mut client).into_iter().find(|words| words.starts_with("send")).unwrap();
        assert!(sent.ends_with('y'), "a GREETING is left behind");
    }

    #[test]
    fn padding_is_not_counted_as_ignored() {
        let mut client = Client::new(Config::DEFAULT, START, 7);
        drain(&mut client);
        let mut padded = datagram(&[incoming(1, "one"), incoming(2, "two")]);
        padded.resize(DATAGRAM_BYTES_MAX, 0);
        client.handle_datagram(START, &padded);
        assert_eq!(drain(&mut client).iter().filter(|words| words.starts_with("shown")).count(), 2);
        assert_eq!(client.ignored(), 0);
    }

    #[test]
    fn relay_at_another_address_is_greeted_at_once_however_long_the_pause_was() {
        let mut client = greeted();
        let mut now = START;
        for _ in 0..4 {
            now = client.poll_timeout().unwrap();
            client.handle_timeout(now);
            drain(&mut client);
        }
        assert!(client.poll_timeout().unwrap() > now);
        client.handle_moved(now);
        client.handle_timeout(now);
        assert_eq!(drain(&mut client), ["send greeting probe"]);
    }

    #[test]
    fn full_window_takes_no_more_until_one_comes_back() {
        let mut client = hearing();
        for _ in 0..RELAY_WINDOW_MAX {
            client.send(START, text("m")).unwrap();
            drain(&mut client);
        }
        assert_eq!((client.send(START, text("m")), client.may_send()), (Err(SendError::Window), false));
        assert_eq!(drain(&mut client), [""; 0]);
        client.handle_datagram(START, &datagram(&[incoming(5, "m")]));
        drain(&mut client);
        assert_eq!(client.send(START, text("m")), Ok(5 + 16));
    }

    #[test]
    fn texts_sent_before_draining_share_a_datagram_until_it_is_full() {
        let mut client = greeted();
        let long = String::from_utf8(std::vec![b'x'; TEXT_BYTES_MAX]).unwrap();
        client.send(START, text("a")).unwrap();
        client.send(START, text("b")).unwrap();
        client.send(START, text(&long)).unwrap();
        assert_eq!(client.send(START, text(&long)), Err(SendError::Undrained));
        assert_eq!(client.under_way(), 3);
        assert_eq!(drain(&mut client), [std::format!("send greeting a b {long}")]);
    }

    #[test]
    fn messages_that_do_not_come_back_are_given_up_and_the_relay_greeted_anew() {
        let mut client = hearing();
        client.send(START, text("a")).unwrap();
        client.send(START, text("b")).unwrap();
        drain(&mut client);
        let later = START + Duration::from_millis(2_000);
        client.handle_datagram(later, &datagram(&[incoming(5, "a")]));
        assert_eq!(drain(&mut client), ["own a"]);
        let due = later + Duration::from_millis(3_000);
        assert_eq!(client.poll_timeout(), Some(due));
        client.handle_timeout(due);
        assert_eq!(drain(&mut client), ["unconfirmed 1", "send greeting probe"]);
        client.send(due, text("c")).unwrap();
        assert_eq!(drain(&mut client), ["send greeting c"]);
        client.handle_datagram(due, &datagram(&[incoming(6, "b, late")]));
        assert_eq!(drain(&mut client), ["shown b, late"]);
    }

    #[test]
    fn silence_is_told_once_and_its_end_too() {
        let mut client = hearing();
        let mut words = Vec::new();
        while client.poll_timeout().unwrap() < START + Duration::from_secs(60) {
            client.handle_timeout(client.poll_timeout().unwrap());
            words.extend(drain(&mut client));
        }
        assert_eq!(words.iter().filter(|word| *word == "Silent").count(), 1);
        assert!(words.iter().filter(|word| word.starts_with("send greeting")).count() > 6);
        client.handle_datagram(START, &datagram(&[PROBED]));
        assert_eq!(drain(&mut client), ["Answers"]);
    }

    #[test]
    fn unreachable_relay_is_greeted_again_at_once_and_with_every_message() {
        let mut client = hearing();
        client.handle_unreachable(START);
        assert_eq!((drain(&mut client), client.is_silent()), (std::vec!["Silent".to_string()], true));
        assert_eq!(client.poll_timeout(), Some(START));
        client.handle_timeout(START);
        assert_eq!(drain(&mut client), ["send greeting probe"]);
        client.send(START, text("a")).unwrap();
        assert_eq!(drain(&mut client), ["send greeting a"]);
        client.handle_datagram(START, &datagram(&[PROBED]));
        assert_eq!((drain(&mut client), client.is_silent()), (std::vec!["Answers".to_string()], false));
    }

    #[test]
    fn greeting_beside_a_message_starts_the_wait_for_an_answer() {
        let mut client = greeted();
        client.handle_datagram(START, &datagram(&[PROBED]));
        drain(&mut client);
        let spoken = START + Duration::from_secs(1);
        client.send(spoken, text("a")).unwrap();
        drain(&mut client);
        let due = spoken + Duration::from_secs(3);
        assert_eq!(client.poll_timeout(), Some(due));
        client.handle_timeout(due);
        assert!(drain(&mut client).contains(&"Silent".to_string()));
    }

    #[test]
    fn mapped_sender_is_shown_as_ipv4() {
        let mut client = greeted();
        let sender = "[::ffff:192.0.2.9]:5".parse().unwrap();
        client.handle_datagram(START, &datagram(&[Message::Incoming { number: 0, sender, text: text("hi") }]));
        let shown = client.poll_output();
        assert!(matches!(shown, Some(Output::Incoming { sender, .. }) if sender.to_string() == "192.0.2.9:5"));
    }

    #[test]
    fn refusal_is_told_with_its_reason() {
        let mut client = greeted();
        client.handle_datagram(START, &datagram(&[Message::Refused { reason: RefusalReason::Full }]));
        assert_eq!(drain(&mut client), ["refused 20"]);
    }

    #[test]
    fn what_is_no_good_is_ignored_and_counted_and_the_next_item_stands() {
        let mut client = greeted();
        client.handle_datagram(START, b"CHX\x01\x02\x05\x00");
        assert_eq!(client.ignored(), 1);
        // Unknown tag, a GREETING, half a MESSAGE, padding, PROBED, a length past the end.
        client.handle_datagram(START, b"CHR\x01\x01\x09\x02\x00\x00\x01\x01\x00\x00\x02\x05\x00\x07");
        assert_eq!(drain(&mut client), ["Answers"]);
        assert_eq!(client.ignored(), 5);
    }

    #[test]
    fn datagram_that_was_not_drained_is_counted_as_ignored() {
        let mut client = greeted();
        client.handle_datagram(START, &datagram(&[incoming(1, "a"), incoming(2, "b")]));
        assert!(client.poll_output().is_some());
        client.handle_datagram(START, &datagram(&[incoming(3, "c")]));
        assert_eq!(drain(&mut client), ["shown c", "Answers"]);
        assert_eq!(client.ignored(), 1);
    }

    #[test]
    fn longest_datagram_is_read_and_any_garbage_survived() {
        let mut client = greeted();
        for length in [0, 1, 4, 5, DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MAX + 1] {
            for fill in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut bytes = std::vec![fill; length];
                let header = datagram(&[]);
                let known = header.len().min(length);
                bytes[..known].copy_from_slice(&header[..known]);
                client.handle_datagram(START, &bytes);
                drain(&mut client);
            }
        }
        assert!(client.ignored() > 20);
    }
}
