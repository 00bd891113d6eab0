//! The user's side of a client: lines in, what became of each, what is shown, and when to give up.
//!
//! A driver asks [`Talk::next_task`] for what to do, tells what became of it, and waits by [`Talk::next`] beside its own sockets.

mod lines;

use super::arrivals::Arrivals;
use super::conclusion::{Stop, Tally, conclude};
use super::event::Unconfirmed;
use super::input::Input;
use super::program::Program;
use super::typed::commands;
use super::unread;
use super::way::Way;
use crate::failure::Failure;
use crate::signals::{SignalRequest, SignalRequests};
use crate::terminal::{Appearance, Entry, Line, Options, OutputError, Screen, Show, feed_line};
use crate::wait;
use chat_core::time::Instant;
use smol::future;
use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

/// After so long without any progress an own line that has not come back is marked, and at the end of input it is given up.
const PROGRESS_MAX: Duration = Duration::from_secs(3);

/// How long the reader of standard output may take nothing once the user has left.
const LEAVE_UNREAD_MAX: Duration = Duration::from_millis(500);

/// A program that fails within this time before a signal has been ended by that very signal: a terminal's Ctrl-C goes to both, and so
/// does the SIGTERM of a service manager.
const SAME_SIGNAL_MAX: Duration = Duration::from_millis(500);

/// Lines of a script that wait to be said: one, and one more to see whether the input has ended behind it.
const QUEUE_MAX: usize = 2;

/// The user's side of a client.
pub struct Talk {
    /// With whom one talks.
    way: Way,
    /// Where things are shown.
    pub screen: Screen,
    /// Where lines come from.
    input: Input,
    /// Signals of the system.
    requests: SignalRequests,
    /// The program whose lines are said, if there is one.
    program: Option<Program>,
    /// Whether the client waits for its server however long that takes.
    patient: bool,
    /// Lines that wait to be said, oldest first.
    queue: VecDeque<Queued>,
    /// Lines that were said and have not come back, oldest first.
    under_way: VecDeque<UnderWay>,
    /// Lines that were given up and may still come, oldest first.
    late: VecDeque<UnderWay>,
    /// Who has come and gone.
    arrivals: Arrivals,
    /// Whether there will be no more lines.
    input_ended: bool,
    /// When there was last progress.
    progress_at: Instant,
    /// The number of the next line, by which the screen knows it.
    id_next: u64,
    /// Lines that were taken off the queue.
    lines: u64,
    /// How many lines were said, or were to be and could not.
    texts: u64,
    /// How many of them were not sent, or not taken.
    lost: u64,
}

/// A line that waits to be said.
#[derive(Debug)]
struct Queued {
    /// By which the screen knows it.
    id: u64,
    /// The line.
    line: Line,
}

/// A line that was said.
#[derive(Debug)]
struct UnderWay {
    /// By which the screen knows it.
    id: u64,
    /// By which it comes back.
    number: u32,
    /// What was said.
    text: String,
    /// When it was said.
    said_at: Instant,
    /// Whether the user was told that it has not come back in time.
    marked: bool,
}

/// What a driver has to do for the user.
#[derive(Debug, PartialEq, Eq)]
pub enum Task {
    /// To say this.
    Say(Said),
    /// To say that this is what the user does.
    Act(Said),
    /// To show who is here.
    Who,
}

/// A text that is to be said.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// By which the screen knows it.
    id: u64,
    /// The text.
    pub text: String,
}

/// What [`Talk::next`] has waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something came, or is due.
    Went,
    /// The counters are to be shown.
    ShowCounters,
}

/// What came first.
enum Came {
    /// Something that the user does.
    Entry(Entry),
    /// A signal.
    Signal(SignalRequest),
}

/// How a client stands to its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// The first connection is being opened, which has its own time limit.
    Opening,
    /// The server has never answered.
    Never,
    /// It has answered before, and does not at this moment. A script's lines wait so long; `None` for ever.
    Lost(Option<Duration>),
    /// It answers.
    There,
}

/// What a client is to do, as the command line says.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// How things are shown.
    pub options: Options,
    /// The program whose lines are said.
    pub exec: Option<String>,
    /// Whether there is no standard input, and the client runs until a signal.
    pub headless: bool,
}

impl Talk {
    /// Takes the terminal, standard input or a program, and the signals.
    ///
    /// # Errors
    /// The system does not give them.
    pub fn open(setup: &Setup, way: Way, now: Instant) -> Result<Self, Failure> {
        let reads_input = setup.exec.is_none() && !setup.headless;
        let at_terminal = reads_input && io::stdin().is_terminal();
        let requests = if at_terminal { SignalRequests::at_terminal()? } else { SignalRequests::new()? };
        let (screen, entries) = Screen::open(&Options { reads_input, ..setup.options }, commands(way))?;
        let mut program = None;
        let input = match &setup.exec {
            Some(command_line) => {
                if !setup.headless && !io::stdin().is_terminal() {
                    unread::watch();
                }
                let (started, output) = Program::start(command_line)?;
                program = Some(started);
                Input::with_reader(entries, output)
            }
            None if screen.reads_keys() || setup.headless => Input::new(entries),
            None => Input::with_standard_input(entries),
        };
        Ok(Self {
            way,
            screen,
            input,
            requests,
            program,
            patient: setup.headless,
            queue: VecDeque::new(),
            under_way: VecDeque::new(),
            late: VecDeque::new(),
            arrivals: Arrivals::default(),
            input_ended: false,
            progress_at: now,
            id_next: 0,
            lines: 0,
            texts: 0,
            lost: 0,
        })
    }

    /// Whether the client waits for its server however long that takes.
    pub const fn is_patient(&self) -> bool {
        self.patient
    }

    /// Waits for a line, a signal, or the deadline. Lines come before deadlines, so that no flood keeps the user from his turn.
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// The user leaves, or nothing can be shown or read any more.
    pub async fn next(&mut self, now: Instant, deadline: Option<Instant>) -> Result<Step, Stop> {
        let deadline = deadline.into_iter().chain(self.deadline(now)).min();
        let timeout = async {
            wait::until(deadline).await;
            Ok(Step::Went)
        };
        future::or(self.next_of_user(now), timeout).await
    }

    /// Waits for a line or a signal, for drivers that keep [`Talk::deadline`] by themselves. Cancelling loses nothing.
    ///
    /// # Errors
    /// The user leaves, or nothing can be shown or read any more.
    pub async fn next_of_user(&mut self, now: Instant) -> Result<Step, Stop> {
        let wants_line = !self.input_ended && self.queue.len() < QUEUE_MAX;
        let (input, requests) = (&mut self.input, &mut self.requests);
        let user = future::or(async { Came::Signal(requests.next().await) }, async {
            Came::Entry(input.next(wants_line).await)
        });
        match user.await {
            Came::Signal(SignalRequest::End) => Err(Stop::Left),
            Came::Signal(SignalRequest::ShowCounters) => Ok(Step::ShowCounters),
            Came::Signal(SignalRequest::Continued) => {
                self.screen.handle_continued();
                Ok(Step::Went)
            }
            Came::Entry(entry) => self.handle_entry(now, entry).map(|()| Step::Went),
        }
    }

    /// Takes what the user does.
    fn handle_entry(&mut self, now: Instant, entry: Entry) -> Result<(), Stop> {
        match entry {
            Entry::Line(line) => self.queue_line(line),
            Entry::End => {
                self.input_ended = true;
                self.progress_at = now;
            }
            Entry::Interrupt => return Err(Stop::Left),
            Entry::Unreadable(error) => return Err(Stop::Unreadable(error)),
            Entry::Unwritable(error) => return Err(Stop::Unwritable(error)),
        }
        Ok(())
    }

    /// Something has come from the server, so that it is worth waiting.
    pub fn handle_progress(&mut self, now: Instant) {
        self.progress_at = now;
    }

    /// Shows an event; what somebody else has said goes to the program too.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub fn show(&mut self, event: &impl Show) -> Result<(), OutputError> {
        // Most messages come while nobody has to know of them but the screen.
        if (self.program.is_some() || self.arrivals.deadline().is_some())
            && let Appearance::Said(said) = event.appearance()
            && !said.own
            && !said.history
        {
            if self.screen.is_person() {
                self.arrivals.handle_said(said.name);
            }
            if let Some(program) = &mut self.program {
                program.feed(&feed_line(&said, self.screen.is_json().then_some(event)));
            }
        }
        self.screen.show(event)
    }

    /// Somebody has come or gone. Programs are told at once, people only if it lasts.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub fn handle_arrival(
        &mut self,
        now: Instant,
        event: &impl Show,
        name: &str,
        here: bool,
    ) -> Result<(), OutputError> {
        if here {
            self.screen.add_name(name);
        } else {
            self.screen.remove_name(name);
        }
        if self.screen.is_json() {
            return self.screen.show(event);
        }
        self.arrivals.push(now, name, here);
        self.tell_arrivals(now)
    }

    /// Tells who has come or gone for good.
    fn tell_arrivals(&mut self, now: Instant) -> Result<(), OutputError> {
        while let Some(change) = self.arrivals.pop_due(now) {
            let arrow = if change.here { "->" } else { "<-" };
            self.screen.aside(&format!("{arrow} {}", change.name))?;
        }
        Ok(())
    }

    /// Does what is due.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), OutputError> {
        self.screen.handle_timeout(now)?;
        self.tell_arrivals(now)?;
        let progress_at = self.progress_at;
        for line in self.under_way.iter_mut().filter(|line| !line.marked) {
            if line.said_at.max(progress_at) + PROGRESS_MAX <= now {
                line.marked = true;
                self.screen.mark(line.id)?;
            }
        }
        Ok(())
    }

    /// When [`Talk::handle_timeout`] has something to do.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let unmarked = self.under_way.iter().find(|line| !line.marked);
        let mark_at = unmarked.map(|line| line.said_at.max(self.progress_at) + PROGRESS_MAX);
        let program = self.program.as_ref().filter(|_| !self.queue.is_empty());
        let turn_at = program.and_then(|program| program.has_turn(now).err());
        [self.screen.deadline(), self.arrivals.deadline(), mark_at, turn_at].into_iter().flatten().min()
    }

    /// Shows what is still to be shown, gives the terminal back, and says how the program ends. `server` is the address that the lines were for.
    ///
    /// # Errors
    /// All but an end that was wished for, with every line confirmed.
    pub fn finish(mut self, outcome: Result<(), Stop>, server: &str) -> Result<(), Failure> {
        let texts = self.queue.iter().filter(|queued| self.is_said(&queued.line)).count();
        let unconfirmed = u64::try_from(self.under_way.len() + texts).unwrap_or(u64::MAX);
        if unconfirmed > 0 {
            // If nobody reads the event, the line on standard error still tells.
            let _ = self.screen.show_json(&Unconfirmed { count: unconfirmed, server, way: self.way });
        }
        let lines = self.texts + u64::try_from(texts).unwrap_or(u64::MAX);
        let tally = Tally { lines, lost: self.lost, unconfirmed };
        let outcome = match outcome {
            Err(Stop::Silent(sentence)) if texts > 0 => {
                Err(Stop::Silent(format!("{sentence}; line {} and what follows was not sent", self.lines + 1)))
            }
            outcome => outcome,
        };
        if matches!(outcome, Err(Stop::Refused(_))) {
            self.show_unsaid();
        }
        let outcome = match self.program.as_mut().and_then(|program| program.finish(self.input_ended)) {
            Some(_) if outcome.is_ok() && self.requests.ends_within(SAME_SIGNAL_MAX) => Err(Stop::Left),
            Some(sentence) if outcome.is_ok() => Err(Stop::Program(sentence)),
            _ => outcome,
        };
        let unread_max = match outcome {
            // A signal has said how long an end may take.
            Err(Stop::Left) => LEAVE_UNREAD_MAX,
            // The reader has had its time.
            Err(Stop::Unwritable(_)) => Duration::ZERO,
            _ => PROGRESS_MAX,
        };
        conclude(outcome, self.screen.close(unread_max), tally, &format!("{} at {server}", self.way))
    }

    /// Shows the lines that were not said, so that they are not lost with the program. At a person's terminal they stand there.
    fn show_unsaid(&mut self) {
        if self.screen.reads_keys() {
            return;
        }
        let queued = self.queue.iter().filter_map(|queued| match &queued.line {
            Line::Text(text) if self.is_said(&queued.line) => Some(text),
            _ => None,
        });
        let texts: Vec<_> = self.under_way.iter().map(|line| &line.text).chain(queued).cloned().collect();
        for text in texts {
            // The line that says why the program ends still tells how many there are.
            let _ = self.screen.aside(&format!("-- not confirmed: {text} --"));
        }
    }
}
