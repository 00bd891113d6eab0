//! The room client's driver: it serves the engine, the user and the connection, whichever is ready first.

mod connection;
mod event;
mod view;

use crate::clock;
use crate::endpoint::Endpoint;
use crate::failure::{Failure, cause};
use crate::script::{Contact, Said, Step, Stop, Talk, Task};
use crate::wait;
use chat_core::room::client::{Client, Config, Counts, OutboxFull};
use chat_core::room::{Kind, Token};
use chat_core::text::Text;
use chat_core::username::Username;
use connection::{Connection, Unreached};
use smol::future;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;
use view::{Next, View};

/// Bytes of the connection read at once.
const READ_BYTES: usize = 4_096;

/// How long leaving may take.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// A connection that is being opened.
type Opening<'e> = Pin<Box<dyn Future<Output = Result<Connection, Unreached>> + 'e>>;

/// One client and its connection.
struct Driver<'e, 't> {
    /// The engine.
    client: Client,
    /// Where the server is.
    endpoint: &'e Endpoint,
    /// The connection, while there is one.
    connection: Option<Connection>,
    /// The next connection, while it is being opened.
    opening: Option<Opening<'e>>,
    /// Whether there ever was a connection.
    connected: bool,
    /// The user's side.
    talk: &'t mut Talk,
    /// What the user is shown.
    view: View,
}

/// An event of the connection.
enum Traffic {
    /// It is open, or could not be opened.
    Opened(Result<Connection, Unreached>),
    /// This many bytes were read, or an error.
    Read(io::Result<usize>),
    /// It takes more, or has an error.
    Writable(io::Result<()>),
}

/// Talks in the room until the end of input or a signal; without a name, observes it.
///
/// # Errors
/// The server is not found, refuses, or has not confirmed every message at the end of input.
pub async fn run(endpoint: &Endpoint, name: Option<Username>, mut talk: Talk) -> Result<(), Failure> {
    let token: Token = random()?;
    let seed = u64::from_le_bytes(random()?);
    let client = match &name {
        Some(name) => Client::new(Config::DEFAULT, clock::now(), seed, name.clone(), token),
        None => Client::observer(Config::DEFAULT, clock::now(), seed),
    };
    talk.screen.set_name(name.as_ref().map_or("", Username::as_str));
    let view = View::new(name, endpoint.host.clone());
    let mut driver =
        Driver { client, endpoint, connection: None, opening: None, connected: false, talk: &mut talk, view };
    let outcome = driver.run().await;
    driver.leave(&outcome).await;
    let server = driver.view.server.clone();
    talk.finish(outcome, &server)
}

/// Bytes from the operating system's source of randomness.
fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Failure::lost(format!("the system gives no random numbers: {error}"))),
    }
}

impl Driver<'_, '_> {
    /// Serves user and connection until the end of input, when nothing is under way any more, or a signal.
    async fn run(&mut self) -> Result<(), Stop> {
        let mut buffer = [0; READ_BYTES];
        self.talk.handle_progress(clock::now());
        loop {
            self.client.handle_timeout(clock::now());
            self.view.handle_timeout(self.talk, clock::now())?;
            self.talk.handle_timeout(clock::now())?;
            self.drain()?;
            while let Some(task) = self.talk.next_task(clock::now(), self.client.may_say())? {
                self.handle_task(task)?;
                self.drain()?;
            }
            // Until the client has caught up, own messages that were taken while the connection was broken are not shown yet.
            let is_caught_up = self.view.has_history() && !self.client.is_behind();
            // A patient client whose program has ended waits for no server: it has nothing to say there.
            let is_away = self.connection.is_none() && self.opening.is_none();
            if self.talk.is_done() && (is_caught_up || is_away && self.talk.is_patient()) {
                return Ok(());
            }
            let give_up_at = self.talk.give_up_at(self.contact(), is_caught_up);
            if give_up_at.is_some_and(|due| due <= clock::now()) {
                return self.give_up();
            }
            let deadlines = [self.client.poll_timeout(), self.view.deadline(), give_up_at];
            let deadline = deadlines.into_iter().flatten().min();
            let (talk, opening, connection) = (&mut *self.talk, &mut self.opening, self.connection.as_ref());
            let user = async { Ok(talk.next(clock::now(), deadline).await) };
            match future::or(user, async { Err(traffic(opening, connection, &mut buffer).await) }).await {
                Ok(Err(stop)) => return Err(stop),
                Ok(Ok(Step::ShowCounters)) => self.show_counters()?,
                Ok(Ok(Step::Went)) | Err(Traffic::Writable(Ok(()))) => {}
                Err(Traffic::Opened(outcome)) => self.handle_opened(outcome)?,
                Err(Traffic::Read(Ok(0))) => self.handle_broken(None),
                Err(Traffic::Read(Ok(length))) => self.handle_bytes(&buffer[..length])?,
                Err(Traffic::Read(Err(error))) => self.handle_broken(Some(&error)),
                Err(Traffic::Writable(Err(error))) => self.handle_unwritable(&error)?,
            }
        }
    }

    /// Whether the room can be reached. Once the client was in, messages wait until the server is back.
    fn contact(&self) -> Contact {
        match (self.connected, self.view.is_in(), self.client.is_member()) {
            (false, ..) => Contact::Opening,
            (true, false, _) => Contact::Never,
            (true, true, false) => Contact::Lost(None),
            (true, true, true) => Contact::There,
        }
    }

    /// The time to wait is over.
    fn give_up(&mut self) -> Result<(), Stop> {
        match (self.view.is_in(), self.view.refused) {
            // Messages of others may be lost, but none of this client.
            (true, _) if self.talk.is_idle() => Ok(()),
            (true, _) => Err(Stop::Unconfirmed),
            (false, Some(reason)) => Err(self.view.stop_refused(self.talk, reason)),
            (false, None) => Err(Stop::Silent(format!(
                "the room at {} does not answer; is that the address of a room of chat-host?",
                self.view.server
            ))),
        }
    }

    /// The connection is open, or could not be opened. If the first one fails, the client ends, unless it waits for its server.
    fn handle_opened(&mut self, outcome: Result<Connection, Unreached>) -> Result<(), Stop> {
        self.opening = None;
        match outcome {
            Ok(connection) => {
                self.view.server = connection.server().to_string();
                if !std::mem::replace(&mut self.connected, true) {
                    self.talk.handle_progress(clock::now());
                }
                self.connection = Some(connection);
                self.client.handle_connected(clock::now());
            }
            Err(unreached) if !self.connected && !self.talk.is_patient() => {
                return Err(Stop::Unreachable(unreached.into_failure(self.endpoint)));
            }
            Err(unreached) => {
                if let Some(server) = unreached.server {
                    self.view.server = server.to_string();
                }
                self.view.cause = Some(unreached.cause);
                self.client.handle_disconnected(clock::now());
            }
        }
        Ok(())
    }

    /// The connection has ended; `error` is the system's reason, if there is one.
    fn handle_broken(&mut self, error: Option<&io::Error>) {
        self.connection = None;
        self.view.cause = error.map(cause);
        self.client.handle_disconnected(clock::now());
    }

    /// Hands bytes from the connection to the engine.
    fn handle_bytes(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            self.client.handle_bytes(clock::now(), &mut bytes);
            self.drain_outputs()?;
        }
        Ok(())
    }

    /// Does something for the user.
    fn handle_task(&mut self, task: Task) -> Result<(), Stop> {
        match task {
            Task::Say(said) => self.say(Kind::Plain, said),
            Task::Act(said) => self.say(Kind::Action, said),
            Task::Who if self.client.is_member() => {
                self.client.who(0);
                Ok(())
            }
            Task::Who => Ok(self.talk.screen.aside("-- not in the room at this moment --")?),
        }
    }

    /// Says something, now or once the client is in.
    fn say(&mut self, kind: Kind, said: Said) -> Result<(), Stop> {
        let (length, length_max) = (said.text.len(), self.client.text_bytes_max());
        if length > length_max {
            let reason = format!("it has {length} bytes; this room takes at most {length_max}");
            return Ok(self.talk.handle_unsaid(&said, &reason)?);
        }
        match Text::new(&said.text).map(|text| self.client.say(kind, text)) {
            Ok(Ok(number)) => self.talk.handle_said(clock::now(), said, number),
            Ok(Err(OutboxFull)) => self.talk.handle_unsaid(&said, "too many messages are under way")?,
            Err(error) => self.talk.handle_unsaid(&said, &error.to_string())?,
        }
        Ok(())
    }

    /// Carries out all outputs of the engine, and writes its frames.
    fn drain(&mut self) -> Result<(), Stop> {
        self.drain_outputs()?;
        if let Err(error) = self.write() {
            self.handle_unwritable(&error)?;
            self.drain_outputs()?;
        }
        Ok(())
    }

    /// The connection takes no more bytes. What has come before its end is read first: a refusal may be there.
    fn handle_unwritable(&mut self, error: &io::Error) -> Result<(), Stop> {
        let mut buffer = [0; READ_BYTES];
        while let Some(length) = self.connection.as_ref().and_then(|connection| connection.read_at_once(&mut buffer)) {
            self.handle_bytes(&buffer[..length])?;
        }
        // The engine closes the connection itself when it is refused.
        if self.connection.is_some() {
            self.handle_broken(Some(error));
        }
        Ok(())
    }

    /// Writes the engine's frames, as far as the system takes them at once.
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

    /// Carries out the engine's outputs: shows them, and opens and closes connections.
    fn drain_outputs(&mut self) -> Result<(), Stop> {
        while let Some(output) = self.client.poll_output() {
            match self.view.show(self.talk, clock::now(), output)? {
                Next::Go => {}
                Next::Connect => self.opening = Some(Box::pin(Connection::open(self.endpoint))),
                Next::Disconnect => self.connection = None,
                Next::Who(page) => self.client.who(page),
            }
        }
        Ok(self.talk.settle(clock::now(), self.client.under_way())?)
    }

    /// Leaves the room if the client is in, so that its name is free at once. If the user leaves while own lines are on their way, they
    /// are thrown away: a server that reads them slowly would come to the leave too late.
    async fn leave(&mut self, outcome: &Result<(), Stop>) {
        if matches!(outcome, Err(Stop::Left)) && !self.talk.is_idle() {
            if let Some(connection) = self.connection.take() {
                connection.abort();
            }
            return;
        }
        self.client.leave_at_once();
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
            wait::until(clock::now() + LEAVE_MAX).await;
        };
        future::or(leaving, limit).await;
    }

    /// Shows what was counted.
    fn show_counters(&mut self) -> Result<(), Stop> {
        let Counts { broken, ignored, malformed, .. } = self.client.counts();
        let counters = format!("broken={broken} ignored={ignored} malformed={malformed}");
        Ok(self.talk.show_counters("client", &counters)?)
    }
}

/// Waits for the connection that is being opened, or for an event of the one that is open.
async fn traffic(opening: &mut Option<Opening<'_>>, connection: Option<&Connection>, buffer: &mut [u8]) -> Traffic {
    match (opening, connection) {
        (Some(opening), _) => Traffic::Opened(opening.await),
        (None, Some(connection)) => {
            let read = async { Traffic::Read(connection.read(buffer).await) };
            future::or(read, async { Traffic::Writable(connection.writable().await) }).await
        }
        (None, None) => future::pending().await,
    }
}
