//! The relay client's driver: it serves the engine, the user and the socket, whichever is ready first.

mod event;
mod route;
mod socket;

use crate::clock;
use crate::endpoint::Endpoint;
use crate::failure::{Failure, cause};
use crate::script::event::Refused;
use crate::script::{Contact, Said, Step, Stop, Talk, Task};
use crate::wait;
use chat_core::relay::client::{Client, Config, Output, Presence, SendError};
use chat_core::text::Text;
use event::Event;
use route::Route;
use smol::future;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::time::Duration;

/// How long a script's line waits for a relay that has answered before and is silent now.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Pause before the name of a relay is looked up again, for a client that waits for its server.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// One client on its connected socket.
struct Driver<'e, 't> {
    /// The engine.
    client: Client,
    /// The relay's address and the socket.
    route: Route<'e>,
    /// The user's side.
    talk: &'t mut Talk,
    /// Whether the relay has ever answered.
    answered: bool,
    /// Whether the user was last told that the relay does not answer.
    reported_silent: bool,
    /// The system's reason why nothing gets through, if it has given one since the relay last answered.
    cause: Option<String>,
}

/// Talks through the relay until the end of input or a signal.
///
/// # Errors
/// The relay is not found, refuses, or has not confirmed every message at the end of input.
pub async fn run(endpoint: &Endpoint, mut talk: Talk) -> Result<(), Failure> {
    let mut server = endpoint.host.clone();
    let outcome = match find(endpoint, &mut talk).await {
        Ok(route) => {
            let seed = RandomState::new().hash_one(std::process::id());
            let client = Client::new(Config::DEFAULT, clock::now(), seed);
            let mut driver =
                Driver { client, route, talk: &mut talk, answered: false, reported_silent: false, cause: None };
            let outcome = driver.run().await;
            server = driver.route.server.to_string();
            outcome
        }
        Err(stop) => Err(stop),
    };
    talk.finish(outcome, &server)
}

/// Finds the relay; meanwhile the user may leave. A client that waits for its server goes on until the relay is found.
async fn find<'e>(endpoint: &'e Endpoint, talk: &mut Talk) -> Result<Route<'e>, Stop> {
    let mut told = false;
    loop {
        let found = {
            let search = async { Some(Route::find(endpoint).await) };
            let mut search = Box::pin(search);
            loop {
                let user = async { talk.next(clock::now(), None).await.map(|_| None) };
                if let Some(found) = future::or(user, async { Ok((&mut search).await) }).await? {
                    break found;
                }
            }
        };
        match found {
            Ok(route) => return Ok(route),
            Err(failure) if !talk.is_patient() => return Err(Stop::Unreachable(failure)),
            Err(failure) => {
                if !std::mem::replace(&mut told, true) {
                    talk.screen.fault(&format!("{failure}; going on trying"))?;
                }
                let pause = async {
                    wait::until(clock::now() + RETRY_PAUSE).await;
                    Ok(Step::Went)
                };
                future::or(talk.next(clock::now(), None), pause).await?;
            }
        }
    }
}

impl Driver<'_, '_> {
    /// Serves user and socket until the end of input, when nothing is under way any more, or a signal.
    async fn run(&mut self) -> Result<(), Stop> {
        self.talk.handle_progress(clock::now());
        loop {
            self.client.handle_timeout(clock::now());
            self.talk.handle_timeout(clock::now())?;
            self.drain()?;
            while let Some(task) = self.talk.next_task(clock::now(), self.may_send())? {
                self.handle_task(task)?;
                self.drain()?;
            }
            if self.talk.is_done() {
                return Ok(());
            }
            let give_up_at = self.talk.give_up_at(self.contact(), true);
            if give_up_at.is_some_and(|due| due <= clock::now()) {
                return Err(Stop::Silent(format!("the relay at {} does not answer", self.route.server)));
            }
            let deadline = self.client.poll_timeout().into_iter().chain(give_up_at).min();
            let (talk, route) = (&mut *self.talk, &mut self.route);
            let user = async { Ok(talk.next(clock::now(), deadline).await) };
            match future::or(user, async { Err(route.receive().await) }).await {
                Ok(Err(stop)) => return Err(stop),
                Ok(Ok(Step::ShowCounters)) => self.show_counters()?,
                Ok(Ok(Step::Went)) => {}
                Err(Ok(Some(datagram))) => self.client.handle_datagram(clock::now(), &datagram),
                Err(Ok(None)) => self.client.handle_moved(clock::now()),
                Err(Err(error)) => self.handle_unreachable(&error),
            }
        }
    }

    /// Whether a line of input is sent now. A script's line waits while the relay is silent; a person sees the silence, and decides.
    fn may_send(&self) -> bool {
        self.client.may_send() && (self.talk.screen.is_person() || !self.client.is_silent())
    }

    /// Whether the relay can be reached.
    fn contact(&self) -> Contact {
        match (self.answered, self.client.is_silent()) {
            (false, _) => Contact::Never,
            (true, true) => Contact::Lost(Some(SILENCE_MAX)),
            (true, false) => Contact::There,
        }
    }

    /// Does something for the user.
    fn handle_task(&mut self, task: Task) -> Result<(), Stop> {
        let said = match task {
            Task::Say(said) => said,
            Task::Act(said) => {
                let explanation = "a relay knows no names, so /me is for rooms; say it in plain words";
                return Ok(self.talk.decline(&said, explanation)?);
            }
            Task::Who => {
                return Ok(self.talk.screen.aside("-- a relay does not tell who is here; /who is for rooms --")?);
            }
        };
        self.say(said)
    }

    /// Sends a text, or tells the user why it is not sent.
    fn say(&mut self, said: Said) -> Result<(), Stop> {
        let now = clock::now();
        match Text::new(&said.text).map(|text| self.client.send(now, text)) {
            Ok(Ok(number)) => self.talk.handle_said(now, said, number),
            Ok(Err(SendError::Window | SendError::Undrained)) => {
                self.talk.handle_unsaid(&said, "too many messages are under way")?;
            }
            Err(error) => self.talk.handle_unsaid(&said, &error.to_string())?,
        }
        Ok(())
    }

    /// Tells the engine that nothing gets through; the engine gives the output for the user. Opens a new socket unless the relay's host
    /// has answered, because the socket's own address may be gone.
    fn handle_unreachable(&mut self, error: &io::Error) {
        self.cause = Some(cause(error));
        self.client.handle_unreachable(clock::now());
        if error.kind() != io::ErrorKind::ConnectionRefused {
            self.route.open_again();
        }
    }

    /// Carries out all outputs of the engine.
    fn drain(&mut self) -> Result<(), Stop> {
        let mut unreachable: Option<io::Error> = None;
        loop {
            let server = self.route.server;
            let Some(output) = self.client.poll_output() else {
                // With a full send buffer the datagram is lost, as any may be.
                match unreachable.take() {
                    Some(error) if error.kind() != io::ErrorKind::WouldBlock => self.handle_unreachable(&error),
                    _ => return Ok(()),
                }
                continue;
            };
            match output {
                Output::Send(bytes) => {
                    let socket = &self.route.socket;
                    // The first error may be about an earlier datagram; then this datagram was not sent, and is tried again.
                    unreachable = socket.send(bytes).or_else(|_| socket.send(bytes)).err().or(unreachable);
                }
                Output::Incoming { number, sender, text, own } => {
                    self.talk.handle_progress(clock::now());
                    let (from, text) = (sender.to_string(), text.as_str());
                    let late = !own && self.talk.confirm_late(number, text)?;
                    if own {
                        self.talk.confirm(clock::now(), number)?;
                    }
                    self.talk.show(&Event::Incoming { from: &from, number, own: own || late, text })?;
                }
                Output::Refused(reason) => {
                    let server = server.to_string();
                    self.talk.show(&Refused { server: &server, reason })?;
                    return Err(Stop::Refused(format!("the relay at {server} refuses: {reason}")));
                }
                Output::Presence(Presence::Answers) => self.handle_answer()?,
                Output::Presence(Presence::Silent) => self.handle_silence()?,
                Output::Unconfirmed(count) => self.talk.give_up(count, &server.to_string())?,
            }
        }
    }

    /// The relay answers, for the first time or again.
    fn handle_answer(&mut self) -> Result<(), Stop> {
        let server = self.route.server;
        self.talk.handle_progress(clock::now());
        self.route.handle_answer();
        self.cause = None;
        // A script is told that the relay answers only after it was told that it does not.
        if self.reported_silent {
            self.talk.show(&Event::Presence { answers: true, server, cause: None })?;
        }
        if !self.answered && self.talk.screen.is_person() {
            self.talk.screen.aside(&format!(
                "-- this is the relay at {server}, where people are shown by their address; /help lists the commands --"
            ))?;
        }
        (self.answered, self.reported_silent) = (true, false);
        Ok(())
    }

    /// The relay does not answer.
    fn handle_silence(&mut self) -> Result<(), Stop> {
        let server = self.route.server;
        self.route.handle_silence();
        let cause = self.cause.as_deref();
        self.talk.show(&Event::Presence { answers: false, server, cause })?;
        self.reported_silent = true;
        Ok(())
    }

    /// Shows what was counted.
    fn show_counters(&mut self) -> Result<(), Stop> {
        let counters = format!("ignored={}", self.client.ignored());
        Ok(self.talk.show_counters("client", &counters)?)
    }
}
