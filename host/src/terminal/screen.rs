//! Where a client shows what happens, in whatever mode.

use super::entry::Entry;
use super::interactive::Interactive;
use super::json;
use super::options::{Bell, Color, Options};
use super::output::{Output, OutputError, Stream, UNREAD_MAX, Watch};
use super::show::{Appearance, Show};
use super::stamp::DateLine;
use super::standard_output::{terminal, unread_bytes, write_at_once};
use super::styled::{Look, Said, Style, Styled};
use crate::failure::{Failure, cause};
use chat_core::time::Instant;
use smol::channel::{Receiver, unbounded};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

/// Bytes that are kept ready for a line: most have less.
const LINE_BYTES: usize = 256;

/// Standard output and standard error of a client, or a person's terminal.
#[derive(Debug)]
pub struct Screen {
    /// How things are shown.
    mode: Mode,
    /// What styles are made of.
    look: Look,
    /// When the bell rings.
    bell: Bell,
    /// This client's name in lower case; empty if it has none.
    name: String,
    /// Tells when the day changes.
    date: DateLine,
    /// Own lines that have not come back and were marked, in linear mode.
    marked: BTreeMap<u64, String>,
    /// Own lines that have not come back, in linear mode.
    waiting: BTreeMap<u64, String>,
}

/// How things are shown.
#[derive(Debug)]
enum Mode {
    /// A person at a terminal, whose line is edited here.
    Interactive(Interactive),
    /// A person at a terminal, line by line: the terminal edits the line.
    Linear(Output),
    /// One line for each message.
    Lines(Output),
    /// One JSON object for each event.
    Json(Output),
}

impl Screen {
    /// Takes the terminal if a person is there, else standard output. Gives what the user does: keys where they are read here, and
    /// that nothing can be shown any more.
    ///
    /// # Errors
    /// The system gives no thread or terminal.
    pub fn open(options: &Options, commands: &'static [&'static str]) -> Result<(Self, Receiver<Entry>), Failure> {
        let (sender, entries) = unbounded();
        let (input, output) = (io::stdin().is_terminal(), io::stdout().is_terminal());
        let person = input && output && options.reads_input && !options.json;
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let look = look(options, output && !dumb && !options.plain);
        let failure = |error: io::Error| Failure::lost(format!("cannot use this terminal: {}", cause(&error)));
        let mode = if person && !options.plain && !dumb {
            Mode::Interactive(Interactive::new(look, commands, sender).map_err(failure)?)
        } else {
            let failed = move |error| {
                // Fails when the program ends already.
                let _ = sender.try_send(Entry::Unwritable(error));
            };
            // Ctrl-S stops a terminal, and Ctrl-Q lets it go on: that is a person's decision.
            let watch = Watch { unread_max: (!output).then_some(UNREAD_MAX), unread_bytes, write_at_once };
            let output = Output::new(terminal(), io::stderr(), watch, failed).map_err(failure)?;
            match (options.json, person) {
                (true, _) => Mode::Json(output),
                (false, true) => Mode::Linear(output),
                (false, false) => Mode::Lines(output),
            }
        };
        let screen = Self {
            mode,
            look,
            bell: options.bell,
            name: String::new(),
            date: DateLine::default(),
            marked: BTreeMap::new(),
            waiting: BTreeMap::new(),
        };
        Ok((screen, entries))
    }

    /// Whether a person types here.
    pub const fn is_person(&self) -> bool {
        matches!(self.mode, Mode::Interactive(_) | Mode::Linear(_))
    }

    /// Whether keys are read here, so that standard input must be left alone.
    pub const fn reads_keys(&self) -> bool {
        matches!(self.mode, Mode::Interactive(_))
    }

    /// Whether programs read what is shown.
    pub const fn is_json(&self) -> bool {
        matches!(self.mode, Mode::Json(_))
    }

    /// Under this name others mention the user.
    pub fn set_name(&mut self, name: &str) {
        self.name = name.to_lowercase();
    }

    /// Shows an event: messages on standard output, all else on standard error, but in JSON all on standard output.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn show(&mut self, event: &impl Show) -> Result<(), OutputError> {
        if let Mode::Json(output) = &self.mode {
            let mut bytes = Vec::new();
            json::write_line(&mut bytes, event).map_err(OutputError::Failed)?;
            return output.push(Stream::Output, bytes);
        }
        match event.appearance() {
            Appearance::Hidden => Ok(()),
            Appearance::Line(line) => self.write(Stream::Output, Styled::new(Style::Dim, &line), false),
            Appearance::Fault(sentence) => self.fault(&sentence),
            Appearance::Aside(text) => self.aside(&text),
            Appearance::Said(said) => self.said(&said),
        }
    }

    /// Shows an event to programs alone: people are told of it in another way.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn show_json(&mut self, event: &impl Show) -> Result<(), OutputError> {
        if self.is_json() { self.show(event) } else { Ok(()) }
    }

    /// Shows what happens around the conversation, to people.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn aside(&mut self, text: &str) -> Result<(), OutputError> {
        self.write(Stream::Error, Styled::new(Style::Dim, text), false)
    }

    /// Shows that something goes wrong while the program goes on, to people.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn fault(&mut self, sentence: &str) -> Result<(), OutputError> {
        let text =
            if self.reads_keys() { format!("-- {sentence} --") } else { format!("chat-host: warning: {sentence}") };
        self.write(Stream::Error, Styled::new(Style::Fault, &text), false)
    }

    /// Shows what was counted: a line of its own on standard error, also beside JSON.
    ///
    /// # Errors
    /// Standard error cannot be written.
    pub fn counters(&mut self, line: &str) -> Result<(), OutputError> {
        match &self.mode {
            Mode::Interactive(interactive) => {
                interactive.push(Styled::new(Style::Dim, line), false);
                Ok(())
            }
            Mode::Json(output) | Mode::Linear(output) | Mode::Lines(output) => {
                output.push(Stream::Error, format!("{line}\n").into_bytes())
            }
        }
    }

    /// Shows what somebody has said.
    fn said(&mut self, said: &Said<'_>) -> Result<(), OutputError> {
        // In linear mode the own line stands there since it was typed.
        if said.own && !said.history && matches!(self.mode, Mode::Linear(_)) {
            return Ok(());
        }
        if self.is_person()
            && let Some(date) = self.date.changed(said.sent_ms)
        {
            self.aside(&date)?;
        }
        // It shows only in how the line looks, and sounds.
        let may_show = self.is_person() || self.look.color || self.look.attributes;
        let mention = may_show && !said.own && mentions(said.text, &self.name);
        let rings = match self.bell {
            Bell::Off => false,
            Bell::Mention => mention,
            Bell::All => !said.own,
        };
        self.write(Stream::Output, Styled::said(said, mention), rings && !said.history && self.is_person())
    }

    /// Writes a line, and rings the bell.
    fn write(&mut self, stream: Stream, line: Styled, bell: bool) -> Result<(), OutputError> {
        match &self.mode {
            Mode::Interactive(interactive) => {
                interactive.push(line, bell);
                Ok(())
            }
            // An object for each event says all.
            Mode::Json(_) => Ok(()),
            Mode::Linear(output) | Mode::Lines(output) => {
                let mut text = String::with_capacity(LINE_BYTES);
                line.write(self.look, &mut text);
                text.push_str(if bell { "\x07\n" } else { "\n" });
                output.push(stream, text.into_bytes())
            }
        }
    }

    /// An own line is on its way.
    pub fn wait(&mut self, id: u64, text: &str) {
        match &self.mode {
            Mode::Interactive(interactive) => interactive.change(|state| state.wait(id, text)),
            Mode::Linear(_) => drop(self.waiting.insert(id, text.to_owned())),
            Mode::Lines(_) | Mode::Json(_) => {}
        }
    }

    /// An own line has not come back in time.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn mark(&mut self, id: u64) -> Result<(), OutputError> {
        if let Mode::Interactive(interactive) = &self.mode {
            interactive.change(|state| state.mark(id));
        } else if let Some(text) = self.waiting.remove(&id) {
            self.aside(&format!("-- not confirmed: {text} --"))?;
            self.marked.insert(id, text);
        }
        Ok(())
    }

    /// An own line has come back, which is shown besides.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn confirm(&mut self, id: u64) -> Result<(), OutputError> {
        self.waiting.remove(&id);
        match (&self.mode, self.marked.remove(&id)) {
            (Mode::Interactive(interactive), _) => interactive.change(|state| state.confirm(id)),
            (_, Some(text)) => self.aside(&format!("-- confirmed: {text} --"))?,
            _ => {}
        }
        Ok(())
    }

    /// An own line is not waited for any more: it stays as not confirmed among the others.
    pub fn give_up(&mut self, id: u64) {
        self.waiting.remove(&id);
        self.marked.remove(&id);
        if let Mode::Interactive(interactive) = &self.mode {
            interactive.change(|state| state.give_up(id));
        }
    }

    /// An own line is not sent: it stays as such among the others.
    pub fn handle_unsent(&mut self, id: u64) {
        self.waiting.remove(&id);
        if let Mode::Interactive(interactive) = &self.mode {
            interactive.change(|state| state.handle_unsent(id));
        }
    }

    /// Somebody is here, whose name may be completed.
    pub fn add_name(&mut self, name: &str) {
        if let Mode::Interactive(interactive) = &self.mode {
            interactive.change(|state| state.completion.add(name));
        }
    }

    /// Somebody has left.
    pub fn remove_name(&mut self, name: &str) {
        if let Mode::Interactive(interactive) = &self.mode {
            interactive.change(|state| state.completion.remove(name));
        }
    }

    /// The program was continued after a stop.
    pub fn handle_continued(&mut self) {
        if let Mode::Interactive(interactive) = &self.mode {
            interactive.handle_continued();
        }
    }

    /// When to call [`Screen::handle_timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        self.output().and_then(Output::deadline)
    }

    /// Looks whether somebody reads standard output.
    ///
    /// # Errors
    /// Nobody has read it for too long.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), OutputError> {
        self.output().map_or(Ok(()), |output| output.handle_timeout(now))
    }

    /// The streams, if lines are written to them one by one.
    const fn output(&self) -> Option<&Output> {
        match &self.mode {
            Mode::Interactive(_) => None,
            Mode::Linear(output) | Mode::Lines(output) | Mode::Json(output) => Some(output),
        }
    }

    /// Shows what is still to be shown, and gives the terminal back. A reader of standard output may take nothing for so long.
    ///
    /// # Errors
    /// Something was not written.
    pub fn close(&mut self, unread_max: Duration) -> Result<(), OutputError> {
        match &self.mode {
            Mode::Interactive(interactive) => {
                interactive.close();
                Ok(())
            }
            Mode::Linear(output) | Mode::Lines(output) | Mode::Json(output) => output.finish(unread_max),
        }
    }
}

/// What styles are made of; `capable` says whether standard output is a terminal that knows them.
fn look(options: &Options, capable: bool) -> Look {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match options.color {
        Color::Always => Look { color: true, attributes: true },
        Color::Never => Look { color: false, attributes: capable },
        Color::Auto => Look { color: capable && !no_color, attributes: capable },
    }
}

/// Whether a text has this name, which is in lower case, as a word.
fn mentions(text: &str, name: &str) -> bool {
    let lower = text.to_lowercase();
    let is_inner = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    !name.is_empty()
        && lower.match_indices(name).any(|(start, found)| {
            !is_inner(lower[..start].chars().next_back()) && !is_inner(lower[start + found.len()..].chars().next())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_mentioned_as_a_word_whatever_its_case() {
        for (text, found) in [
            ("ann: hi", true),
            ("hi Ann!", true),
            ("hi, ANN", true),
            ("Hannover", false),
            ("annette", false),
            ("planning, ann", true),
            ("", false),
        ] {
            assert_eq!(mentions(text, "ann"), found, "{text}");
        }
        assert!(!mentions("ann", ""));
    }

    #[test]
    fn colors_follow_the_option_and_the_terminal() {
        let options = |color| Options { color, ..Options::default() };
        assert_eq!(look(&options(Color::Always), false), Look { color: true, attributes: true });
        assert_eq!(look(&options(Color::Never), true), Look { color: false, attributes: true });
        assert_eq!(look(&options(Color::Auto), false), Look { color: false, attributes: false });
    }
}
