//! The room client's driver: standard input, connection, timer and signals, whichever is ready first.

mod connection;
mod event;
mod outcome;
mod stamp;
mod typed;
mod view;

use crate::client::input::{Line, standard_input};
use crate::client::screen::Screen;
use crate::clock;
use crate::endpoint::Endpoint;
use crate::failure::{Failure, cause};
use crate::signals::{Request, Requests};
use chat_core::limits::TEXT_BYTES_MAX;
use chat_core::room::client::{Client, Config, OutboxFull};
use chat_core::room::{Kind, Token};
use chat_core::text::Text;
use chat_core::time::Instant;
use chat_core::username::Username;
use connection::Connection;
use event::Event;
use outcome::{Stop, Tally, conclude};
use smol::{Timer, future};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;
use typed::{HINT, Typed};
use view::{Next, View};

/// Bytes of the connection read at once.
const READ_BYTES: usize = 4_096;

/// How long a script waits without any progress for its messages to come back.
const PROGRESS_MAX: Duration = Duration::from_secs(3);

/// How long leaving may take.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// A connection that is being opened.
type Opening<'e> = Pin<Box<dyn Future<Output = Result<Connection, Failure>> + 'e>>;

/// One client and its connection.
struct Driver<'s> {
    /// What to send and to tell.
    client: Client,
    /// Where the server is.
    endpoint: &'s Endpoint,
    /// The connection, while there is one.
    connection: Option<Connection>,
    /// The next connection, while it is being opened.
    opening: Option<Opening<'s>>,
    /// Whether there was a connection.
    connected: bool,
    /// What the user is shown.
    view: View<'s>,
    /// When there was last progress besides the client's own.
    progress_at: Instant,
    /// A line of input that waits until it may be said.
    waiting: Option<Line>,
    /// Whether the input has come to its end.
    input_ended: bool,
    /// What became of the lines of input.
    tally: Tally,
}

/// What happened next.
enum Input {
    /// The connection is open, or cannot be.
    Opened(Result<Connection, Failure>),
    /// The connection has brought so many bytes, or an error.
    Read(io::Result<usize>),
    /// The connection takes more, or has an error.
    Writable(io::Result<()>),
    /// A line of standard input, or its end.
    Line(io::Result<Option<Line>>),
    /// A timer is due.
    Timeout,
    /// A signal came.
    Signal(Request),
}

/// Talks in the room until the end of input or a signal.
///
/// # Errors
/// The server is not found, refuses, or has not confirmed every message at the end of input.
pub async fn run(endpoint: &Endpoint, name: Username, screen: &mut Screen) -> Result<(), Failure> {
    let mut requests = Requests::new()?;
    let token: Token = random()?;
    let seed = u64::from_le_bytes(random()?);
    let mut driver = Driver {
        client: Client::new(Config::DEFAULT, clock::now(), seed, name.clone(), token),
        endpoint,
        connection: None,
        opening: None,
        connected: false,
        view: View::new(screen, name, endpoint.host.clone()),
        progress_at: clock::now(),
        waiting: None,
        input_ended: false,
        tally: Tally::default(),
    };
    let outcome = driver.run(&mut requests).await;
    driver.leave().await;
    driver.view.screen.close();
    let under_way = u64::try_from(driver.client.under_way()).unwrap_or(u64::MAX);
    let tally = Tally { under_way, waiting: driver.waiting.is_some(), ..driver.tally };
    conclude(outcome, driver.view.screen, &driver.view.server, tally)
}

/// Bytes from the operating system's source of randomness.
fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Failure::lost(format!("the system gives no random numbers: {error}"))),
    }
}

impl Driver<'_> {
    /// Serves input and connection until the end of input, when nothing is under way any more, or a signal.
    async fn run(&mut self, requests: &mut Requests) -> Result<(), Stop> {
        let mut lines = standard_input();
        let mut buffer = [0; READ_BYTES];
        self.client.handle_timeout(clock::now());
        self.view.screen.prompt()?;
        loop {
            self.drain()?;
            if self.client.may_say()
                && let Some(line) = self.waiting.take()
            {
                self.handle_line(&line)?;
                continue;
            }
            let idle = self.waiting.is_none() && self.client.under_way() == 0;
            // Own messages that were taken while the connection was broken have not been shown yet.
            if self.input_ended && idle && self.view.has_history() && !self.client.is_behind() {
                return Ok(());
            }
            let give_up_at = self.give_up_at(idle);
            if give_up_at.is_some_and(|due| due <= clock::now()) {
                if idle && self.view.is_in() {
                    // What was to come is lost, but no message of this client.
                    return Ok(());
                }
                return Err(if self.view.is_in() { Stop::Unconfirmed } else { Stop::Unanswered });
            }
            let wants_line = !self.input_ended && self.waiting.is_none();
            let deadline = [self.client.poll_timeout(), give_up_at].into_iter().flatten().min();
            let input = future::or(
                async { Input::Signal(requests.next().await) },
                future::or(
                    timeout(deadline),
                    future::or(traffic(&mut self.opening, self.connection.as_ref(), &mut buffer), async {
                        if wants_line { Input::Line(lines.next().await) } else { future::pending().await }
                    }),
                ),
            );
            match input.await {
                Input::Signal(Request::End) => return Ok(()),
                Input::Signal(Request::ShowCounters) => self.show_counters(),
                Input::Opened(outcome) => self.handle_opened(outcome)?,
                Input::Read(Ok(0)) => self.handle_broken(None),
                Input::Read(Ok(length)) => self.handle_bytes(&buffer[..length])?,
                Input::Writable(Ok(())) => {}
                Input::Read(Err(error)) | Input::Writable(Err(error)) => self.handle_broken(Some(&error)),
                Input::Timeout => self.client.handle_timeout(clock::now()),
                Input::Line(Ok(Some(line))) => self.waiting = Some(line),
                Input::Line(Ok(None)) => self.handle_input_end(),
                Input::Line(Err(error)) => {
                    self.unsent(&format!("standard input cannot be read: {}", cause(&error)))?;
                    self.handle_input_end();
                }
            }
        }
    }

    /// When the user is told that nothing gets through: at the end of input, or if a script was never let in. Else messages
    /// wait until the server is back.
    fn give_up_at(&self, idle: bool) -> Option<Instant> {
        let hopeless = !self.view.is_in() && !self.view.screen.is_terminal() && !idle;
        let progress_at = self.progress_at.max(self.client.progress_at());
        // The first connection has a time limit of its own, and a better reason to tell.
        ((self.input_ended || hopeless) && self.connected).then(|| progress_at + PROGRESS_MAX)
    }

    /// There will be no more lines.
    fn handle_input_end(&mut self) {
        self.input_ended = true;
        self.progress_at = clock::now();
    }

    /// The connection is open, or cannot be. The first has to come about.
    fn handle_opened(&mut self, outcome: Result<Connection, Failure>) -> Result<(), Stop> {
        self.opening = None;
        match outcome {
            Ok(connection) => {
                self.view.server = connection.server().to_string();
                if !std::mem::replace(&mut self.connected, true) {
                    self.progress_at = clock::now();
                }
                self.connection = Some(connection);
                self.client.handle_connected(clock::now());
            }
            Err(failure) if !self.connected => return Err(Stop::Unreachable(failure)),
            Err(failure) => {
                self.view.cause = Some(failure.to_string());
                self.client.handle_disconnected(clock::now());
            }
        }
        Ok(())
    }

    /// The connection has ended, for this reason if the system knows one.
    fn handle_broken(&mut self, error: Option<&io::Error>) {
        self.connection = None;
        self.view.cause = error.map(cause);
        self.client.handle_disconnected(clock::now());
    }

    /// Takes what the connection has brought.
    fn handle_bytes(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            self.client.handle_bytes(clock::now(), &mut bytes);
            self.drain_outputs()?;
        }
        Ok(())
    }

    /// Does one line of input, or says why not.
    fn handle_line(&mut self, line: &Line) -> Result<(), Stop> {
        self.tally.lines += 1;
        match line {
            Line::Empty => {}
            Line::NotUtf8 => self.unsent("it is not UTF-8")?,
            Line::Overlong(length) => {
                self.unsent(&format!("it has {length} bytes; a message has at most {TEXT_BYTES_MAX}"))?;
            }
            Line::Text(text) if self.view.screen.is_terminal() => match Typed::new(text) {
                Typed::Say(kind, text) => self.say(kind, text)?,
                Typed::Who if self.client.is_member() => self.client.who(0),
                Typed::Who => self.view.screen.show(&Event::Hint { hint: "not in the room at this moment" })?,
                Typed::Quit => return Err(Stop::Quit),
                Typed::Unknown => self.view.screen.show(&Event::Hint { hint: HINT })?,
            },
            Line::Text(text) => self.say(Kind::Plain, text)?,
        }
        Ok(self.view.screen.prompt()?)
    }

    /// Says something, now or once the client is in.
    fn say(&mut self, kind: Kind, text: &str) -> io::Result<()> {
        match Text::new(text).map(|text| self.client.say(kind, text)) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(OutboxFull)) => self.unsent("too many messages are under way"),
            Err(error) => self.unsent(&error.to_string()),
        }
    }

    /// Says that the line that came last is not sent.
    fn unsent(&mut self, cause: &str) -> io::Result<()> {
        self.tally.lost += 1;
        self.view.screen.show(&Event::Unsent { line: self.tally.lines, cause })
    }

    /// Does all that the engine wants done.
    fn drain(&mut self) -> Result<(), Stop> {
        self.drain_outputs()?;
        if let Err(error) = self.write() {
            self.handle_broken(Some(&error));
            self.drain_outputs()?;
        }
        Ok(())
    }

    /// Writes what the engine wants written, as far as that is possible at once.
    fn write(&mut self) -> io::Result<()> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        loop {
            while connection.has_room()
                && let Some(frame) = self.client.poll_frame()
            {
                connection.push(frame);
            }
            if connection.is_written() {
                return Ok(());
            }
            connection.write()?;
            if !connection.is_written() {
                // The system takes no more at this moment.
                return Ok(());
            }
        }
    }

    /// Shows what there is to show, and opens and closes connections.
    fn drain_outputs(&mut self) -> Result<(), Stop> {
        while let Some(output) = self.client.poll_output() {
            match self.view.show(output)? {
                Next::Go => {}
                Next::Connect => self.opening = Some(Box::pin(Connection::open(self.endpoint))),
                Next::Disconnect => self.connection = None,
                Next::Who(page) => self.client.who(page),
                Next::Lost => self.tally.lost += 1,
            }
        }
        Ok(())
    }

    /// Leaves the room if the client is in, so that its name is free at once. What was said before is written first.
    async fn leave(&mut self) {
        self.client.leave();
        let leaving = async {
            while self.write().is_ok() && self.connection.as_ref().is_some_and(|open| !open.is_written()) {
                if let Some(connection) = &self.connection
                    && connection.writable().await.is_err()
                {
                    return;
                }
            }
            if let Some(connection) = self.connection.take() {
                connection.close().await;
            }
        };
        let limit = async {
            Timer::after(LEAVE_MAX).await;
        };
        future::or(leaving, limit).await;
    }

    /// Shows what was counted.
    fn show_counters(&mut self) {
        let counts = self.client.counts();
        Failure::lost(format!(
            "client: lines={} lost={} broken={} ignored={} malformed={}",
            self.tally.lines, self.tally.lost, counts.broken, counts.ignored, counts.malformed
        ))
        .report();
    }
}

/// Waits for the connection that is being opened, or for something to do on that which is open.
async fn traffic(opening: &mut Option<Opening<'_>>, connection: Option<&Connection>, buffer: &mut [u8]) -> Input {
    match (opening, connection) {
        (Some(opening), _) => Input::Opened(opening.await),
        (None, Some(connection)) => {
            let read = async { Input::Read(connection.read(buffer).await) };
            future::or(read, async { Input::Writable(connection.writable().await) }).await
        }
        (None, None) => future::pending().await,
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
