//! What a program is told of the conversation, line by line on its standard input.

use super::display::Shown;
use super::json;
use super::output::{Output, Stream, Watch};
use super::show::Show;
use super::styled::Said;
use std::io::{self, Write};

/// The standard input of a program, written by a thread of its own.
#[derive(Debug)]
pub struct Feed(Output);

impl Feed {
    /// Writes to this. It is closed when the feed is dropped.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn new(input: impl Write + Send + 'static) -> io::Result<Self> {
        // The program's own output says when it ends.
        let watch = Watch { unread_max: None, unread_bytes: || None, write_at_once: |_| 0 };
        Output::new(input, io::sink(), watch, |_| {}).map(Self)
    }

    /// Writes a line, which has no end yet. If the program does not read, it is dropped once a good deal waits.
    pub fn push(&self, line: &str) {
        // The end of a program is told by its own output.
        let _ = self.0.push(Stream::Output, format!("{line}\n").into_bytes());
    }
}

/// What somebody has said as a line: as an object of JSON if there is an event to be told, else through the display rule.
pub fn feed_line(said: &Said<'_>, event: Option<&impl Show>) -> String {
    let mut bytes = Vec::new();
    if let Some(event) = event
        && json::write_line(&mut bytes, event).is_ok()
    {
        return String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
    }
    format!("{}{}{}{}", said.before, Shown(said.name), said.after, Shown(said.text))
}
