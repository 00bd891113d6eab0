//! What becomes of each line: it waits, is said, comes back, or is lost.

use super::{Contact, PROGRESS_MAX, Queued, Said, Stop, Talk, Task, UnderWay};
use crate::script::event::{Unconfirmed, Unsent};
use crate::script::typed::{Typed, help};
use crate::terminal::{Line, OutputError};
use chat_core::limits::TEXT_BYTES_MAX;
use chat_core::time::Instant;

/// Own lines that were given up and may still come.
const LATE_MAX: usize = 100;

impl Talk {
    /// Adds a line to those that wait, and shows that it does, if it is said.
    pub(super) fn queue_line(&mut self, line: Line) {
        let id = self.id_next;
        self.id_next += 1;
        if let Line::Text(text) = &line
            && self.screen.is_person()
            && self.is_said(&line)
        {
            self.screen.wait(id, text);
        }
        self.queue.push_back(Queued { id, line });
    }

    /// Whether a line is to be said: it is neither empty nor a command, which only a person gives.
    pub(super) fn is_said(&self, line: &Line) -> bool {
        match line {
            Line::Empty => false,
            Line::Text(text) if self.screen.is_person() => {
                matches!(Typed::new(text, self.way), Typed::Say(_) | Typed::Act(_))
            }
            Line::Text(_) | Line::NotUtf8 | Line::Overlong(_) => true,
        }
    }

    /// The next thing to do for the user; `None` if there is nothing, or if it has to wait. Only if `may_say` is anything to be said.
    ///
    /// # Errors
    /// The user leaves, or nothing can be shown any more.
    pub fn next_task(&mut self, now: Instant, may_say: bool) -> Result<Option<Task>, Stop> {
        let may_say = may_say && self.program.as_ref().is_none_or(|program| program.has_turn(now).is_ok());
        while let Some(queued) = self.queue.front() {
            if !may_say && self.is_said(&queued.line) {
                return Ok(None);
            }
            let Some(Queued { id, line }) = self.queue.pop_front() else { break };
            self.lines += 1;
            let text = match line {
                Line::Text(text) => text,
                Line::Empty => continue,
                Line::NotUtf8 => {
                    self.unsent(id, "it is not UTF-8")?;
                    continue;
                }
                Line::Overlong(bytes) => {
                    self.unsent(id, &format!("it has {bytes} bytes; a message has at most {TEXT_BYTES_MAX}"))?;
                    continue;
                }
            };
            if let Some(program) = &mut self.program {
                program.handle_said(now);
            }
            if !self.screen.is_person() {
                return Ok(Some(Task::Say(Said { id, text })));
            }
            match Typed::new(&text, self.way) {
                Typed::Say(said) => return Ok(Some(Task::Say(Said { id, text: said.to_owned() }))),
                Typed::Act(done) => return Ok(Some(Task::Act(Said { id, text: done.to_owned() }))),
                Typed::Who => return Ok(Some(Task::Who)),
                Typed::Quit => return Err(Stop::Left),
                Typed::Help => {
                    for line in help(self.way, self.screen.reads_keys()) {
                        self.screen.aside(&format!("-- {line}"))?;
                    }
                }
                Typed::Misused(usage) => self.screen.aside(&format!("-- {usage}"))?,
                Typed::Unknown(word) => {
                    self.screen.aside(&format!(
                        "-- there is no /{word}; /help lists the commands, //{word} says /{word} --"
                    ))?;
                }
            }
        }
        Ok(None)
    }

    /// A text was said, and comes back by this number.
    pub fn handle_said(&mut self, now: Instant, said: Said, number: u32) {
        self.texts += 1;
        self.under_way.push_back(UnderWay { id: said.id, number, text: said.text, said_at: now, marked: false });
    }

    /// A text cannot be said.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub fn handle_unsaid(&mut self, said: &Said, cause: &str) -> Result<(), OutputError> {
        self.unsent(said.id, cause)
    }

    /// The other side has nothing like what was typed: that is explained, and counts as little as any other command.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub fn decline(&mut self, said: &Said, explanation: &str) -> Result<(), OutputError> {
        self.screen.confirm(said.id)?;
        self.screen.aside(&format!("-- {explanation} --"))
    }

    /// Tells that the line that was taken last is not sent.
    fn unsent(&mut self, id: u64, cause: &str) -> Result<(), OutputError> {
        self.texts += 1;
        self.lost += 1;
        self.screen.handle_unsent(id);
        if self.screen.is_person() {
            // Who types does not number his lines.
            self.screen.fault(&format!("not sent: {cause}"))
        } else {
            self.screen.show(&Unsent { line: self.lines, cause })
        }
    }

    /// An own message has come back: the line that stands for it goes. Older ones that were given up stay behind as they are.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub fn confirm(&mut self, now: Instant, number: u32) -> Result<(), OutputError> {
        self.progress_at = now;
        while let Some(late) = self.late.pop_front() {
            self.screen.give_up(late.id);
        }
        match self.under_way.iter().position(|it| it.number == number).and_then(|index| self.under_way.remove(index)) {
            Some(line) => self.screen.confirm(line.id),
            None => Ok(()),
        }
    }

    /// So many own messages are not known to have been taken; what was said before them was, even if it has not come back. For
    /// servers that take messages in their order.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub fn settle(&mut self, now: Instant, unconfirmed: usize) -> Result<(), OutputError> {
        while self.under_way.len() > unconfirmed
            && let Some(line) = self.under_way.pop_front()
        {
            self.progress_at = now;
            self.screen.confirm(line.id)?;
        }
        Ok(())
    }

    /// A message has come that the engine does not take for an own one. Says whether it is one all the same, which was given up.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub fn confirm_late(&mut self, number: u32, text: &str) -> Result<bool, OutputError> {
        let found = self.late.iter().position(|it| it.number == number && it.text == text);
        let Some(line) = found.and_then(|index| self.late.remove(index)) else { return Ok(false) };
        self.lost -= 1;
        self.screen.confirm(line.id)?;
        Ok(true)
    }

    /// The server has not taken an own message, and never will. Shows its text again; at a person's terminal it stands there.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub fn handle_untaken(&mut self, number: u32) -> Result<(), OutputError> {
        match self.handle_lost(number) {
            Some(text) if !self.screen.is_person() => self.screen.aside(&format!("-- not taken: {text} --")),
            _ => Ok(()),
        }
    }

    /// An own message is lost. Gives its text, if it was under way.
    fn handle_lost(&mut self, number: u32) -> Option<String> {
        self.lost += 1;
        let index = self.under_way.iter().position(|it| it.number == number)?;
        let line = self.under_way.remove(index)?;
        self.screen.give_up(line.id);
        Some(line.text)
    }

    /// It will never be known whether an own message has been taken.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub fn handle_unconfirmed(&mut self, number: u32, server: &str) -> Result<(), OutputError> {
        self.handle_lost(number);
        self.tell_unconfirmed(1, server)
    }

    /// Tells how many own messages are not waited for any more. Once the input of a script has ended, people are told by the line with
    /// which the program ends.
    fn tell_unconfirmed(&mut self, count: u32, server: &str) -> Result<(), OutputError> {
        let event = Unconfirmed { count: count.into(), server, way: self.way };
        if self.input_ended && !self.screen.is_person() {
            self.screen.show_json(&event)
        } else {
            self.screen.show(&event)
        }
    }

    /// The oldest own messages are not waited for any more; they may still come.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub fn give_up(&mut self, count: u32, server: &str) -> Result<(), OutputError> {
        for _ in 0..count {
            let Some(line) = self.under_way.pop_front() else { break };
            self.lost += 1;
            if !line.marked {
                self.screen.mark(line.id)?;
            }
            if self.late.len() == LATE_MAX
                && let Some(late) = self.late.pop_front()
            {
                self.screen.give_up(late.id);
            }
            self.late.push_back(line);
        }
        // A person sees the marks.
        if self.screen.is_person() { Ok(()) } else { self.tell_unconfirmed(count, server) }
    }

    /// Whether all lines were said and have come back, or were given up.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.under_way.is_empty()
    }

    /// Whether there will be no more lines, and all have come back or were given up.
    pub fn is_done(&self) -> bool {
        self.input_ended && self.is_idle()
    }

    /// When there is no more point in waiting; `None` while there is. `is_caught_up` says that the server has nothing more that the
    /// client has to see.
    pub fn give_up_at(&self, contact: Contact, is_caught_up: bool) -> Option<Instant> {
        let patience = match contact {
            _ if self.patient => return None,
            Contact::Opening => return None,
            _ if self.input_ended => (!self.is_idle() || !is_caught_up).then_some(PROGRESS_MAX),
            _ if self.screen.is_person() || self.is_idle() => None,
            Contact::Never => Some(PROGRESS_MAX),
            Contact::Lost(patience) => patience,
            Contact::There => None,
        };
        patience.map(|patience| self.progress_at + patience)
    }

    /// Shows what was counted: the lines, then what the driver's own counters say.
    ///
    /// # Errors
    /// Standard error cannot be written.
    pub fn show_counters(&mut self, program: &str, others: &str) -> Result<(), OutputError> {
        self.screen.counters(&format!("{program}: lines={} lost={} {others}", self.lines, self.lost))
    }
}
