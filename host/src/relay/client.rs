//! The relay client's driver: standard input, socket, timer and signals, whichever is ready first.

use super::connect_to;
use crate::client::input::{Line, standard_input};
use crate::client::screen::{Event, Screen, refusal};
use crate::clock;
use crate::endpoint::Endpoint;
use crate::failure::{Failure, cause};
use crate::signals::{Request, Requests};
use chat_core::limits::{DATAGRAM_BYTES_MAX, TEXT_BYTES_MAX};
use chat_core::refusal::RefusalReason;
use chat_core::relay::client::{Client, Config, Output, Presence, SendError};
use chat_core::text::Text;
use chat_core::time::Instant;
use smol::{Async, Timer, future};
use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// How long a script's line waits for a relay that has answered before and is silent now.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// One client on its connected socket.
struct Driver<'s> {
    /// What to send and to tell.
    client: Client,
    /// Connected to the relay, so that nothing else is heard.
    socket: Async<UdpSocket>,
    /// The relay.
    server: SocketAddr,
    /// Where things are shown.
    screen: &'s mut Screen,
    /// Whether the relay has ever answered.
    answered: bool,
    /// Whether it was last reported as not answering.
    reported_silent: bool,
    /// Why nothing gets through, if the system has said so since the relay last answered.
    cause: Option<String>,
    /// When something last came from the relay, or the client started.
    progress_at: Instant,
    /// Lines of input that wait until they may be sent: one, and one more to see whether the input has ended behind it.
    waiting: VecDeque<Line>,
    /// Whether the input has ended.
    input_ended: bool,
    /// The relay's other addresses, to be tried while nobody listens at this one.
    other_addresses: Vec<SocketAddr>,
    /// How many own messages were given up, or lines not sent.
    lost: u64,
    /// Which line of input came last, from 1.
    line_number: u64,
}

/// What happened next.
enum Input {
    /// The socket has a datagram of this length, or an error.
    Datagram(io::Result<usize>),
    /// A line of standard input, or its end.
    Line(io::Result<Option<Line>>),
    /// A timer is due.
    Timeout,
    /// A signal came.
    Signal(Request),
}

/// Why the driver stops short of the end of input.
enum Stop {
    /// Standard output cannot be written; with a broken pipe, whoever read it does not want any more.
    Output(io::Error),
    /// The relay refuses this client.
    Refused(RefusalReason),
    /// The relay does not answer, and lines of input wait.
    NoAnswer,
    /// Standard input cannot be read.
    Input(io::Error),
}

/// Talks through the relay until the end of input or a signal.
///
/// # Errors
/// The relay is not found, refuses, or has not confirmed every message at the end of input.
pub async fn run(endpoint: &Endpoint, screen: &mut Screen) -> Result<(), Failure> {
    let mut requests = Requests::new()?;
    let (socket, server, other_addresses) =
        match future::or(async { Ok(requests.next().await) }, async { Err(connect(endpoint).await) }).await {
            // Nothing was begun that there would be to leave.
            Ok(_) => return Ok(()),
            Err(connected) => connected?,
        };
    let mut driver = Driver {
        client: Client::new(Config::DEFAULT, clock::now(), RandomState::new().hash_one(std::process::id())),
        socket,
        server,
        screen,
        answered: false,
        reported_silent: false,
        cause: None,
        progress_at: clock::now(),
        waiting: VecDeque::new(),
        input_ended: false,
        other_addresses,
        lost: 0,
        line_number: 0,
    };
    let outcome = driver.run(&mut requests).await;
    driver.screen.close();
    match outcome {
        Err(Stop::Refused(reason)) => {
            // If nobody reads the event, the line on standard error still tells.
            let _ = driver.screen.show_json(&Event::Refused { server, reason });
            Err(Failure::lost(refusal(server, reason)))
        }
        Err(Stop::Input(error)) => Err(Failure::lost(format!("cannot read standard input: {}", cause(&error)))),
        Err(Stop::NoAnswer) => Err(Failure::lost(format!(
            "the relay at {server} does not answer; of the input, line {} and what follows was not sent",
            driver.line_number + 1
        ))),
        Ok(()) if driver.lost > 0 => Err(Failure::lost(format!(
            "{} of {} lines did not reach the relay at {server} or were not confirmed",
            driver.lost, driver.line_number
        ))),
        Err(Stop::Output(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::lost(format!("cannot write standard output: {}", cause(&error))))
        }
        Ok(()) | Err(Stop::Output(_)) => Ok(()),
    }
}

/// Connects to the first of the host's addresses that there is a way to; gives the others too.
async fn connect(endpoint: &Endpoint) -> Result<(Async<UdpSocket>, SocketAddr, Vec<SocketAddr>), Failure> {
    let mut last = None;
    let addresses = endpoint.resolve(chat_core::relay::PORT).await?;
    for &server in &addresses {
        match connect_to(server).and_then(Async::new) {
            Ok(socket) => {
                let others = addresses.into_iter().filter(|&other| other != server).collect();
                return Ok((socket, server, others));
            }
            Err(error) => last = Some((server, error)),
        }
    }
    let (server, reason) = last.map_or_else(
        || (endpoint.host.clone(), "it has no address".to_owned()),
        |(server, error)| (server.to_string(), cause(&error)),
    );
    Err(Failure::lost(format!("cannot reach the relay at {server}: {reason}; check the address and the network")))
}

impl Driver<'_> {
    /// Serves input and socket until the end of input, when nothing is under way any more, or a signal.
    async fn run(&mut self, requests: &mut Requests) -> Result<(), Stop> {
        let mut lines = standard_input();
        let mut buffer = [0; DATAGRAM_BYTES_MAX + 1];
        self.client.handle_timeout(clock::now());
        self.drain()?;
        self.screen.prompt()?;
        loop {
            if self.may_send()
                && let Some(line) = self.waiting.pop_front()
            {
                self.handle_line(&line)?;
                self.drain()?;
            }
            if self.input_ended && self.waiting.is_empty() && self.client.under_way() == 0 {
                return Ok(());
            }
            let give_up_at = self.give_up_at();
            if give_up_at.is_some_and(|due| due <= clock::now()) {
                return Err(Stop::NoAnswer);
            }
            let wants_line = !self.input_ended && self.waiting.len() < 2;
            let deadline = [self.client.poll_timeout(), give_up_at].into_iter().flatten().min();
            // In any order but for signals: a busy relay must not keep lines and timers from their turn.
            let input = future::or(
                async { Input::Signal(requests.next().await) },
                future::race(
                    async { Input::Datagram(self.socket.recv(&mut buffer).await) },
                    future::race(timeout(deadline), async {
                        if wants_line { Input::Line(lines.next().await) } else { future::pending().await }
                    }),
                ),
            );
            match input.await {
                Input::Signal(Request::End) => return Ok(()),
                Input::Signal(Request::ShowCounters) => self.show_counters(),
                Input::Datagram(Ok(length)) => self.client.handle_datagram(clock::now(), &buffer[..length]),
                Input::Datagram(Err(error)) => self.handle_unreachable(&error),
                Input::Timeout => self.client.handle_timeout(clock::now()),
                Input::Line(Ok(Some(line))) => self.waiting.push_back(line),
                Input::Line(Ok(None)) => self.input_ended = true,
                Input::Line(Err(error)) => return Err(Stop::Input(error)),
            }
            self.drain()?;
        }
    }

    /// Whether a line of input is sent now. A script's line waits while the relay is silent; a person sees that it is, and
    /// decides.
    fn may_send(&self) -> bool {
        self.client.may_send() && (self.screen.is_terminal() || !self.client.is_silent())
    }

    /// When a script is told that its lines get nowhere: soon at the end of input, or if the relay has never answered, else after
    /// time enough to restart a relay.
    fn give_up_at(&self) -> Option<Instant> {
        let hopeless = self.input_ended || !self.answered;
        let patience = if hopeless { Config::DEFAULT.progress_max } else { SILENCE_MAX };
        let waits = !self.waiting.is_empty() && !self.may_send() && !self.screen.is_terminal();
        waits.then(|| self.progress_at + patience)
    }

    /// Sends one line, or says why not.
    fn handle_line(&mut self, line: &Line) -> io::Result<()> {
        self.line_number += 1;
        match line {
            Line::Empty => self.screen.prompt(),
            Line::NotUtf8 => self.unsent("it is not UTF-8"),
            Line::Overlong(length) => {
                self.unsent(&format!("it has {length} bytes; a message has at most {TEXT_BYTES_MAX}"))
            }
            Line::Text(text) => match Text::new(text).map(|text| self.client.send(clock::now(), text)) {
                Ok(Ok(_)) => self.screen.prompt(),
                Ok(Err(SendError::Window | SendError::Undrained)) => self.unsent("too many messages are under way"),
                Err(error) => self.unsent(&error.to_string()),
            },
        }
    }

    /// Says that the line that came last is not sent.
    fn unsent(&mut self, cause: &str) -> io::Result<()> {
        self.lost += 1;
        self.screen.show(&Event::Unsent { line: self.line_number, cause })
    }

    /// Tells the engine that nothing gets through; that tells the user. Then takes a new socket where the old one may be at fault:
    /// its own address may be gone, or nobody listens at this address of the relay's host and it has others.
    fn handle_unreachable(&mut self, error: &io::Error) {
        self.cause = Some(cause(error));
        self.client.handle_unreachable(clock::now());
        let refused = error.kind() == io::ErrorKind::ConnectionRefused;
        if refused && !self.answered && !self.other_addresses.is_empty() {
            self.other_addresses.push(self.server);
            self.server = self.other_addresses.remove(0);
        } else if refused {
            return;
        }
        // Without a way at this moment the old socket stays, and the next GREETING comes here again.
        if let Ok(socket) = connect_to(self.server).and_then(Async::new) {
            self.socket = socket;
        }
    }

    /// Does all that the engine wants done.
    fn drain(&mut self) -> Result<(), Stop> {
        let mut unreachable: Option<io::Error> = None;
        loop {
            let Some(output) = self.client.poll_output() else {
                // A full send buffer is a lost datagram like any other.
                match unreachable.take() {
                    Some(error) if error.kind() != io::ErrorKind::WouldBlock => self.handle_unreachable(&error),
                    _ => return Ok(()),
                }
                continue;
            };
            match output {
                Output::Send(bytes) => {
                    let socket = self.socket.get_ref();
                    // The first error may be about an earlier datagram; then this one was not sent at all.
                    unreachable = socket.send(bytes).or_else(|_| socket.send(bytes)).err().or(unreachable);
                }
                Output::Incoming { number, sender, text, own } => {
                    self.progress_at = clock::now();
                    self.screen.show(&Event::Incoming { from: sender, number, own, text: text.as_str() })?;
                }
                Output::Refused(reason) => return Err(Stop::Refused(reason)),
                Output::Presence(Presence::Answers) => {
                    self.progress_at = clock::now();
                    self.cause = None;
                    // A relay that was never missed needs no line for a script.
                    if self.reported_silent || self.screen.is_terminal() {
                        self.screen.show(&Event::Presence { answers: true, server: self.server, cause: None })?;
                    }
                    (self.answered, self.reported_silent) = (true, false);
                }
                Output::Presence(Presence::Silent) => {
                    let cause = self.cause.as_deref();
                    self.screen.show(&Event::Presence { answers: false, server: self.server, cause })?;
                    self.reported_silent = true;
                }
                Output::Unconfirmed(count) => {
                    self.lost += u64::from(count);
                    self.screen.show(&Event::Unconfirmed { count, server: self.server })?;
                }
            }
        }
    }

    /// Shows what was counted.
    fn show_counters(&mut self) {
        Failure::lost(format!(
            "client: lines={} lost={} ignored={}",
            self.line_number,
            self.lost,
            self.client.ignored()
        ))
        .report();
    }
}

/// Waits for the deadline, or for ever if there is none.
async fn timeout(deadline: Option<Instant>) -> Input {
    match deadline {
        Some(deadline) => Timer::at(clock::system_instant(deadline)).await,
        None => future::pending().await,
    };
    Input::Timeout
}

/// Only standard output is written to while the driver runs, so that is what has failed.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
