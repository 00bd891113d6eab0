//! One connection of a worker: bytes in, requests out, and what it lacks of the journal written to it.
//!
//! Nothing here waits: reading and writing say `WouldBlock`, and the worker waits.

use super::addresses::{Addresses, Origin};
use super::counters::{Counters, add, count};
use super::poller::Interest;
use super::reader::Reader;
use super::registry::{Pace, Registry, Ring};
use chat_core::frame::{Decoder, Frame, Partial};
use chat_core::limits::PAGE_BYTES_MAX;
use chat_core::refusal::RefusalReason;
use chat_core::room::server::{Admission, Config, Cursor, Request, SayError, Session, WallTime};
use chat_core::room::{Message, Names};
use chat_core::time::Instant;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::TcpStream;

/// With so many bytes waiting to be written, nothing more is taken from a connection: it could ask for more and more.
const REST_BYTES_MAX: usize = 4_096;

/// What the connections of one worker share, at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'w> {
    /// The room.
    pub(super) registry: &'w Registry,
    /// Timers and limits.
    pub(super) config: &'w Config,
    /// What is counted.
    pub(super) counters: &'w Counters,
    /// What every address has taken.
    pub(super) addresses: &'w Addresses,
    /// Which worker it is.
    pub(super) worker: usize,
    /// The time.
    pub(super) now: Instant,
    /// The server's clock.
    pub(super) wall_time: WallTime,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// Where it comes from.
    origin: Option<Origin>,
    /// What it is and is owed.
    session: Session,
    /// How far it has got in the journal.
    reader: Reader,
    /// The beginning of a frame that is not whole.
    partial: Vec<u8>,
    /// Whether what comes is thrown away up to the next frame.
    discarding: bool,
    /// What was read and comes too fast to be taken yet.
    unread: Vec<u8>,
    /// What has to be written before anything else.
    rest: Vec<u8>,
    /// Whether the other side takes no more at this moment.
    blocked: bool,
    /// Whether publishing pauses until the workers have caught up.
    paused: bool,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waits {
    /// Of its socket.
    pub(super) interest: Interest,
    /// For this instant, to go on with what came too fast.
    pub(super) until: Option<Instant>,
}

impl Connection {
    /// A connection that has just been accepted.
    pub(super) fn new(now: Instant, origin: Option<Origin>) -> Self {
        Self {
            origin,
            session: Session::new(now),
            reader: Reader::new(Cursor::default()),
            partial: Vec::new(),
            discarding: false,
            unread: Vec::new(),
            rest: Vec::new(),
            blocked: false,
            paused: false,
        }
    }

    /// What it waits for. A connection that has something unread reads no more.
    pub(super) fn waits(&self, config: &Config, now: Instant) -> Waits {
        let (readable, until) = match self.session.may_read(config, now) {
            // Without a token, nothing is read before there is one.
            Err(until) => (false, until),
            Ok(()) if self.may_take() => (self.unread.is_empty(), (!self.unread.is_empty()).then_some(now)),
            Ok(()) => (false, None),
        };
        Waits { interest: Interest { readable, writable: self.blocked }, until }
    }

    /// Whether frames may be taken, as far as this connection is concerned. One that takes its bytes slowly may still speak.
    fn may_take(&self) -> bool {
        !self.paused && self.rest.len() < REST_BYTES_MAX
    }

    /// Reads once and takes what came. The end of the stream is a leave.
    ///
    /// # Errors
    /// The connection is gone, or `WouldBlock`.
    pub(super) fn read(
        &mut self,
        context: Context<'_>,
        decoder: &mut Decoder,
        stream: &TcpStream,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let mut stream = stream;
        let length = stream.read(buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.session.handle_heard(context.now);
        self.take(context, decoder, &buffer[..length]);
        Ok(())
    }

    /// Goes on with what came too fast, as far as that may be taken now.
    pub(super) fn take_unread(&mut self, context: Context<'_>, decoder: &mut Decoder) {
        self.paused = self.paused && context.registry.pace(context.worker) == Pace::Pause;
        let unread = std::mem::take(&mut self.unread);
        if !unread.is_empty() {
            // What was said is a sign of life also when it is taken later, and nothing newer is read before.
            self.session.handle_heard(context.now);
        }
        self.take(context, decoder, &unread);
    }

    /// Takes the frames of what was read, as far as they may be taken now; the others stay unread.
    fn take(&mut self, context: Context<'_>, decoder: &mut Decoder, bytes: &[u8]) {
        decoder.resume(Partial { bytes: &self.partial, discarding: self.discarding });
        let mut input = bytes;
        while self.may_take() && self.session.may_read(context.config, context.now).is_ok() {
            let Some(frame) = decoder.next_frame(&mut input) else { break };
            if let Some(request) = self.session.handle_frame(context.config, context.now, frame) {
                self.handle_request(context, request);
            }
        }
        self.unread = input.to_vec();
        let Partial { bytes, discarding } = decoder.partial();
        self.discarding = discarding;
        self.partial = bytes.to_vec();
    }

    /// Does what a frame asks for.
    fn handle_request(&mut self, context: Context<'_>, request: Request<'_>) {
        let Context { registry, counters, worker, wall_time, .. } = context;
        match request {
            Request::Join(_) | Request::Observe { .. } if !context.addresses.join(self.origin, context.now) => {
                count(&counters.joins_refused);
                self.session.refuse(RefusalReason::AddressJoins);
            }
            Request::Join(join) => {
                let mut history = Vec::new();
                match registry.join(worker, wall_time, &join, &mut history) {
                    Ok((id, admission)) => {
                        count(&counters.joins);
                        self.session.handle_joined(context.now, id);
                        self.welcome(context, &admission, &history);
                    }
                    Err(reason) => {
                        count(&counters.joins_refused);
                        self.session.refuse(reason);
                    }
                }
            }
            Request::Observe { seen } => {
                let mut history = Vec::new();
                let admission = registry.observe(wall_time, seen, &mut history);
                count(&counters.joins);
                self.session.handle_observing(context.now);
                self.welcome(context, &admission, &history);
            }
            Request::Say { id, number, kind, text } => match registry.say(worker, wall_time, id, number, kind, text) {
                Ok(pace) => {
                    count(&counters.messages);
                    self.paused = pace == Pace::Pause;
                }
                Err(SayError::Doubled) => count(&counters.messages_doubled),
                Err(SayError::Stale) => self.session.refuse(RefusalReason::Replaced),
                Err(SayError::Refused(reason)) => {
                    count(&counters.messages_refused);
                    self.session.handle_unsaid(number, reason);
                }
            },
            Request::Who { page } => {
                let mut buffer = [0; PAGE_BYTES_MAX];
                let (length, more) = registry.page(page, &mut buffer);
                if let Some(names) = Names::new(&buffer[..length]) {
                    self.owe(&Message::Members { page, more, names });
                }
            }
        }
    }

    /// Owes the welcome and the history; live frames begin behind them.
    fn welcome(&mut self, context: Context<'_>, admission: &Admission, history: &[u8]) {
        self.reader = Reader::new(admission.cursor);
        self.owe(&Message::Welcome(admission.welcome));
        self.rest.extend_from_slice(history);
        self.owe(&Message::HistoryEnd);
        add(&context.counters.messages_lagged, admission.lagged);
        self.session.handle_lagged(admission.lagged);
    }

    /// Adds a frame to what is written before anything else.
    fn owe(&mut self, message: &Message<'_>) {
        // None is longer than a frame may be.
        let mut frame = Frame::EMPTY;
        if let Ok(frame) = frame.encode(message) {
            self.rest.extend_from_slice(frame);
        }
    }

    /// Writes what the connection lacks, as far as it takes it.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) fn flush(&mut self, context: Context<'_>, ring: &Ring, stream: &TcpStream) -> io::Result<()> {
        let mut taken = false;
        self.blocked = loop {
            if !self.rest.is_empty() {
                let length = write(stream, &self.rest, &[])?;
                taken |= length > 0;
                self.rest.drain(..length);
                if !self.rest.is_empty() {
                    break true;
                }
            }
            if self.session.owes() {
                let mut frame = Frame::EMPTY;
                self.rest.extend_from_slice(self.session.poll_frame(&mut frame).unwrap_or_default());
                continue;
            }
            if !self.session.is_listening() {
                break false;
            }
            match self.reader.read(ring) {
                Err(lost) => {
                    add(&context.counters.messages_lagged, lost);
                    self.session.handle_lagged(lost);
                }
                Ok((&[], &[])) => break false,
                Ok((first, second)) => {
                    let length = write(stream, first, second)?;
                    taken |= length > 0;
                    if length == first.len() + second.len() {
                        self.reader.finish(ring);
                        break false;
                    }
                    let (first, second) = self.reader.advance(ring, length);
                    self.rest.extend_from_slice(first);
                    self.rest.extend_from_slice(second);
                    break true;
                }
            }
        };
        if self.blocked {
            self.session.handle_blocked(context.now, taken);
        } else {
            self.session.handle_drained();
            // An idle connection keeps no memory for what it was once owed.
            self.rest = Vec::new();
        }
        Ok(())
    }

    /// The member went on from another connection: nothing more is taken from this one, and it is put out.
    pub(super) fn replace(&mut self) {
        self.unread = Vec::new();
        self.session.refuse(RefusalReason::Replaced);
    }

    /// Its socket is closed: its address may have another.
    pub(super) fn forget(&self, context: Context<'_>) {
        context.addresses.disconnect(self.origin, context.now);
    }

    /// Its timers and states.
    pub(super) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Whether the other side takes no more at this moment.
    pub(super) const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Publishing pauses until the workers have caught up, so nothing is read.
    pub(super) const fn pause(&mut self) {
        self.paused = true;
    }

    /// Whether publishing pauses until the workers have caught up.
    pub(super) const fn is_paused(&self) -> bool {
        self.paused
    }

    /// The connection is gone or is closed now: the name is free. Says whether it was put out with a reason, and counts that.
    pub(super) fn close(&mut self, context: Context<'_>) -> bool {
        if let Some(id) = self.session.member() {
            context.registry.leave(id);
        }
        let reason = self.session.put_out();
        match reason {
            Some(RefusalReason::Malformed | RefusalReason::Overlong) => count(&context.counters.put_out_malformed),
            Some(RefusalReason::JoinTimeout | RefusalReason::Silent) => count(&context.counters.put_out_silent),
            Some(RefusalReason::Stalled) => count(&context.counters.put_out_stalled),
            _ => {}
        }
        reason.is_some() && !self.blocked
    }
}

/// Writes what fits of two slices, and says how much that is. `send` of one slice is cheaper than `writev`.
fn write(stream: &TcpStream, first: &[u8], second: &[u8]) -> io::Result<usize> {
    let mut stream = stream;
    let written = match second {
        [] => stream.write(first),
        _ => stream.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]),
    };
    match written {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
        outcome => outcome,
    }
}
