//! The room client's engine (docs/room-protocol.md).
//!
//! It joins, says, and joins again when the connection is lost: with the same token, behind the last frame that it has seen.
//! What it says is numbered and kept until it comes back or the server tells that it was taken, so nothing is lost or doubled.
//!
//! Drain order: after every `handle_*` and command, call [`Client::poll_output`] until `None`; then write what
//! [`Client::poll_frame`] gives, one frame after the other. [`Client::handle_bytes`] takes nothing while outputs wait. Call
//! [`Client::handle_timeout`] at [`Client::poll_timeout`], which each of these may change.

use super::message::{DecodeError, VERSION};
use super::notice::{Notice, Notices};
use super::outbox::OutboxFull;
use super::output::{Break, ClientCounts, Output, Return};
use super::place::{Age, Gap};
use super::retry::{Retry, pause_min};
use super::transcript::Transcript;
use super::watch::Watch;
use super::{ClientConfig, Kind, Message, Token, Welcome};
use crate::frame::{Decoder, Frame};
use crate::limits::FRAME_BYTES_MAX;
use crate::refusal::RefusalReason;
use crate::text::Text;
use crate::time::Instant;
use crate::username::Username;
use core::time::Duration;
use heapless::Vec;

/// A room client: what to send, and what to tell the user.
#[derive(Debug)]
pub struct Client {
    /// Timers.
    config: ClientConfig,
    /// By which the server knows it again.
    token: Token,
    /// How its connection stands.
    state: State,
    /// What it has seen and said.
    transcript: Transcript,
    /// When to open the next connection.
    retry: Retry,
    /// Since when there is no connection, if there was to be one.
    broken_at: Option<Instant>,
    /// How many connections in a row have brought something that cannot be understood.
    malformed_in_a_row: u32,
    /// When an own message was last taken, or the client let in.
    progress_at: Instant,
    /// What the server is to be sent, besides messages.
    due: Due,
    /// What the caller is to be told, oldest first.
    notices: Notices,
    /// Finds the frames in what comes.
    decoder: Decoder,
    /// The frame that came last.
    received: Vec<u8, FRAME_BYTES_MAX>,
    /// The frame that goes out.
    frame: Frame,
    /// What was ignored.
    counts: ClientCounts,
}

/// How the connection stands.
#[derive(Debug)]
enum State {
    /// It is to be opened then.
    Waiting(Instant),
    /// It is being opened.
    Connecting,
    /// It is open, and the answer to Join is due then.
    Joining(Instant),
    /// The client is in.
    Member {
        /// Since when.
        since: Instant,
        /// Whether the server is there.
        watch: Watch,
    },
    /// There will be none any more.
    Ended,
}

/// What the server is to be sent, in the order in which it is.
#[derive(Debug, Default)]
struct Due {
    /// To be let in.
    join: bool,
    /// That the client is there.
    pong: bool,
    /// A page of the members.
    who: Option<u32>,
    /// That the client leaves.
    leave: bool,
}

impl Client {
    /// A client whose first connection is due now. `token` is 128 bits of the operating system's randomness; the seed makes
    /// the client's pauses its own.
    pub fn new(config: ClientConfig, now: Instant, seed: u64, name: Username, token: Token) -> Self {
        Self {
            config,
            token,
            state: State::Waiting(now),
            transcript: Transcript::new(name),
            retry: Retry::new(seed),
            broken_at: None,
            malformed_in_a_row: 0,
            progress_at: now,
            due: Due::default(),
            notices: Notices::new(),
            decoder: Decoder::new(),
            received: Vec::new(),
            frame: Frame::EMPTY,
            counts: ClientCounts::default(),
        }
    }

    /// Says something, now or once the client is in, and gives the number by which it comes back.
    ///
    /// # Errors
    /// [`OutboxFull`] when it has to wait.
    pub fn say(&mut self, kind: Kind, text: Text<'_>) -> Result<u32, OutboxFull> {
        self.transcript.outbox_mut().push(kind, text)
    }

    /// Whether [`Client::say`] would take a text, however long.
    pub fn may_say(&self) -> bool {
        self.transcript.outbox().may_push()
    }

    /// How many own messages are not known to have been taken.
    pub fn under_way(&self) -> usize {
        self.transcript.outbox().waiting_count()
    }

    /// When an own message was last taken, or the client last let in; when it was made, if neither has happened.
    pub const fn progress_at(&self) -> Instant {
        self.progress_at
    }

    /// Asks for a page of the members, 0 the first. Nothing happens while the client is not in.
    pub fn who(&mut self, page: u32) {
        self.due.who = Some(page);
    }

    /// Leaves, once all that was said is sent. [`Client::poll_frame`] gives the Leave if the client is in.
    pub fn leave(&mut self) {
        match self.state {
            State::Member { .. } => self.due.leave = true,
            _ => self.state = State::Ended,
        }
    }

    /// Whether the client is in.
    pub const fn is_member(&self) -> bool {
        matches!(self.state, State::Member { .. })
    }

    /// Whether there will be no connection any more: it has left, or is refused.
    pub const fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// What was ignored.
    pub const fn counts(&self) -> ClientCounts {
        self.counts
    }

    /// The connection is open.
    pub fn handle_connected(&mut self, now: Instant) {
        if matches!(self.state, State::Connecting) {
            self.decoder = Decoder::new();
            self.due = Due { join: true, ..Due::default() };
            self.state = State::Joining(now + self.config.welcome_max);
        }
    }

    /// The connection is closed by the other side, or could not be opened.
    pub fn handle_disconnected(&mut self, now: Instant) {
        self.break_off(now, Break::Closed, Duration::ZERO);
    }

    /// Takes the bytes of one frame off `input`, or all if none ends there. Takes nothing while outputs wait. Work is bounded
    /// by the length of `input`.
    pub fn handle_bytes(&mut self, now: Instant, input: &mut &[u8]) {
        if !self.notices.is_empty() {
            return;
        }
        match &mut self.state {
            State::Member { watch, .. } => watch.handle_heard(now),
            State::Joining(_) => {}
            State::Waiting(_) | State::Connecting | State::Ended => {
                *input = &[];
                return;
            }
        }
        let Some(frame) = self.decoder.next_frame(input) else { return };
        // Taken out, so that what the message borrows is not the client.
        let mut received = core::mem::take(&mut self.received);
        received.clear();
        // A frame is never longer than the buffer.
        let whole = frame.is_ok_and(|frame| received.extend_from_slice(frame).is_ok());
        match Message::decode(&received) {
            Ok(message) if whole => self.handle_message(now, message),
            Err(DecodeError::Unknown { .. }) if whole => self.counts.ignored += 1,
            _ => self.handle_malformed(now),
        }
        self.received = received;
    }

    /// Takes what the server says.
    fn handle_message(&mut self, now: Instant, message: Message<'_>) {
        let count = self.under_way();
        match (&mut self.state, message) {
            (State::Joining(_), Message::Welcome(welcome)) => self.handle_welcome(now, &welcome),
            (_, Message::Refused { reason }) => self.handle_refused(now, reason),
            (State::Member { watch, .. }, message) => match message {
                Message::Said { sequence, number, name, text, .. } => {
                    let (age, own) = self.transcript.handle_said(sequence, number, name, text);
                    self.tell_lost();
                    match age {
                        Age::Seen => self.counts.ignored += 1,
                        Age::History | Age::Live => {
                            self.notices.push(Notice::Received { own, history: age == Age::History });
                        }
                    }
                }
                Message::Joined { sequence, name } | Message::Left { sequence, name } => {
                    let news = self.transcript.handle_announced(sequence, name);
                    self.tell_lost();
                    if news {
                        self.notices.push(Notice::RECEIVED);
                    }
                }
                Message::HistoryEnd => self.transcript.handle_history_end(),
                Message::Lagged { messages } => {
                    self.transcript.handle_lagged(messages);
                    if self.transcript.outbox().has_sent() {
                        // An own message may be among those lost. The answer tells that the server has read it.
                        watch.ask();
                    }
                }
                Message::Unsaid { number, .. } => {
                    self.transcript.outbox_mut().handle_unsaid(number);
                    self.notices.push(Notice::RECEIVED);
                }
                Message::Members { .. } => self.notices.push(Notice::RECEIVED),
                Message::Ping => self.due.pong = true,
                Message::Pong => {
                    if let Some(number) = watch.handle_pong() {
                        self.transcript.outbox_mut().handle_taken(number);
                    }
                }
                // A kind that only clients send, a second Welcome, or Unsupported, which nothing that is sent here can be.
                _ => self.counts.ignored += 1,
            },
            _ => self.counts.ignored += 1,
        }
        if self.transcript.take_history_end() {
            self.notices.push(Notice::HistoryEnd);
        }
        if self.under_way() < count {
            self.progress_at = now;
        }
    }

    /// Tells what was lost in front of the frame that came last.
    fn tell_lost(&mut self) {
        match self.transcript.take_lost() {
            0 => {}
            lost => self.notices.push(Notice::Lagged(lost)),
        }
    }

    /// The client is let in.
    fn handle_welcome(&mut self, now: Instant, welcome: &Welcome) {
        if welcome.version != VERSION {
            return self.handle_refused(now, RefusalReason::Version);
        }
        let after = self.broken_at.take().map_or(Duration::ZERO, |broken_at| now - broken_at);
        let notice = match self.transcript.handle_welcome(welcome) {
            Some(Gap { missed, restarted }) => Notice::Back(Return { after, missed, restarted }),
            None => Notice::RECEIVED,
        };
        self.notices.push(notice);
        self.state = State::Member { since: now, watch: Watch::new(now, welcome) };
        self.progress_at = now;
    }

    /// The server refuses the client, or puts it out.
    fn handle_refused(&mut self, now: Instant, reason: RefusalReason) {
        match pause_min(&self.config, reason, self.transcript.has_begun()) {
            Some(pause_min) => self.break_off(now, Break::Refused(reason), pause_min),
            None => {
                self.end();
                self.notices.push(Notice::Refused(reason));
            }
        }
    }

    /// What the server says cannot be understood.
    fn handle_malformed(&mut self, now: Instant) {
        self.counts.malformed += 1;
        self.malformed_in_a_row += 1;
        if self.malformed_in_a_row < self.config.malformed_max {
            self.break_off(now, Break::Malformed, Duration::ZERO);
        } else {
            self.end();
            self.notices.push(Notice::GivenUp);
        }
    }

    /// Gives the connection up; the next is due after `pause_min` at the earliest.
    fn break_off(&mut self, now: Instant, cause: Break, pause_min: Duration) {
        match &self.state {
            State::Waiting(_) | State::Ended => return,
            State::Member { since, .. } if now - *since >= self.config.steady_after => {
                self.retry.handle_steady();
                self.malformed_in_a_row = 0;
            }
            State::Connecting | State::Joining(_) | State::Member { .. } => {}
        }
        self.counts.broken += 1;
        if self.due.leave {
            return self.end();
        }
        self.state = State::Waiting(now + self.retry.pause(&self.config).max(pause_min));
        self.notices.push(Notice::Disconnect);
        if self.broken_at.is_none() {
            self.broken_at = Some(now);
            self.notices.push(Notice::Broken(cause));
        }
    }

    /// There will be no connection any more.
    fn end(&mut self) {
        self.state = State::Ended;
        self.notices.push(Notice::Disconnect);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Waiting(due) if *due <= now => {
                self.state = State::Connecting;
                self.notices.push(Notice::Connect);
            }
            State::Joining(due) if *due <= now => self.break_off(now, Break::Silent, Duration::ZERO),
            State::Member { watch, .. } => {
                if watch.handle_timeout(now) {
                    self.break_off(now, Break::Silent, Duration::ZERO);
                }
            }
            State::Waiting(_) | State::Connecting | State::Joining(_) | State::Ended => {}
        }
    }

    /// When [`Client::handle_timeout`] is to be called; `None` while a connection is being opened, and at the end.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting(due) | State::Joining(due) => Some(*due),
            State::Member { watch, .. } => Some(watch.deadline()),
            State::Connecting | State::Ended => None,
        }
    }

    /// What is to be done next; `None` when nothing is.
    pub fn poll_output(&mut self) -> Option<Output<'_>> {
        self.notices.take(&self.received)
    }

    /// The next frame to write to the connection; `None` when there is none. A frame counts as sent when it is given.
    pub fn poll_frame(&mut self) -> Option<&[u8]> {
        let Self { token, state, transcript, due, frame, .. } = self;
        let message = match state {
            State::Joining(_) if core::mem::take(&mut due.join) => {
                let (seen, name) = (transcript.seen(), transcript.name().as_str());
                Message::Join { version: VERSION, token: *token, seen, name }
            }
            State::Member { watch, .. } => {
                if core::mem::take(&mut due.pong) {
                    Message::Pong
                } else if watch.take_ping(transcript.sent_last()) {
                    Message::Ping
                } else if let Some(page) = due.who.take() {
                    Message::Who { page }
                } else if let Some(say) = transcript.send() {
                    say
                } else if due.leave {
                    *state = State::Ended;
                    Message::Leave
                } else {
                    return None;
                }
            }
            _ => return None,
        };
        // None of these is longer than a frame may be.
        frame.encode(&message).ok()
    }
}
