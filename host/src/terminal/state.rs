//! A person's terminal: what stands on it, and what keys do. No thread, clock or terminal in here.

use super::completion::Completion;
use super::edit::{Edit, Place};
use super::entry::{Entry, Line};
use super::frame::{Area, Content, Frame, Size};
use super::keys::{ENTERS_MAX, Key};
use super::paste::{self, PASTE_LINES_MAX};
use super::recall::Recall;
use super::styled::{Look, Style, Styled};
use chat_core::limits::TEXT_BYTES_MAX;
use std::collections::VecDeque;

/// What invites to type.
const PROMPT: &str = "] ";

/// From so many bytes on the line's length is shown.
const COUNTER_BYTES_MIN: usize = TEXT_BYTES_MAX - 124;

/// Lines that are kept to be drawn again.
const SHOWN_LINES_MAX: usize = 200;

/// Lines that may wait to be drawn; more are dropped and counted.
const FRESH_LINES_MAX: usize = 1_000;

/// Lines that are drawn in one frame.
const FRAME_LINES_MAX: usize = 100;

/// What is said of an own line that has not come back in time.
const MARK: &str = " (not confirmed)";

/// What is said of an own line that is not sent.
const UNSENT_MARK: &str = " (not sent)";

/// What stands on the terminal, and what is to be drawn.
#[derive(Debug)]
pub(super) struct State {
    /// What styles are made of.
    look: Look,
    /// How large the terminal is.
    size: Size,
    /// The rows at the bottom that are drawn anew each time.
    area: Area,
    /// Lines that were drawn, oldest first.
    shown: VecDeque<Styled>,
    /// Rows that were drawn, up to the height of the screen: below that, others stand above ours.
    rows_drawn: usize,
    /// Lines that are to be drawn, oldest first.
    fresh: VecDeque<Styled>,
    /// Lines that were dropped, because more came than the terminal takes.
    dropped: u64,
    /// Whether the bell is to be rung.
    bell: bool,
    /// Own lines that have not come back, oldest first.
    waiting: VecDeque<Waiting>,
    /// The line that is typed.
    edit: Edit,
    /// Lines that were typed before.
    recall: Recall,
    /// What the tabulator completes.
    pub(super) completion: Completion,
    /// A paste that the user is asked about.
    question: Option<String>,
    /// Whether the screen is to be drawn anew from its first row.
    redraw: bool,
}

/// An own line that has not come back.
#[derive(Debug)]
struct Waiting {
    /// By which it is known.
    id: u64,
    /// The line.
    text: String,
    /// Whether it was to have come back by now.
    marked: bool,
}

impl Waiting {
    /// The line as it stays, with what is said of it.
    fn line(&self, mark: &str) -> Styled {
        let mut line = Styled::new(Style::Dim, &format!("{PROMPT}{}", self.text));
        line.push(Style::Fault, mark);
        line
    }
}

/// What a key asks for that the state cannot do.
#[derive(Debug)]
pub(super) enum KeyRequest {
    /// To give this to the client.
    Enter(Entry),
    /// To stop the program.
    Suspend,
}

impl State {
    /// Nothing was drawn.
    pub(super) const fn new(look: Look, size: Size, completion: Completion) -> Self {
        Self {
            look,
            size,
            area: Area::START,
            shown: VecDeque::new(),
            rows_drawn: 0,
            fresh: VecDeque::new(),
            dropped: 0,
            bell: false,
            waiting: VecDeque::new(),
            edit: Edit::EMPTY,
            recall: Recall::EMPTY,
            completion,
            question: None,
            redraw: false,
        }
    }

    /// Shows a line above the one that is typed.
    pub(super) fn push(&mut self, line: Styled, bell: bool) {
        if self.fresh.len() == FRESH_LINES_MAX {
            self.fresh.pop_front();
            self.dropped += 1;
        }
        self.fresh.push_back(line);
        self.bell |= bell;
    }

    /// An own line is on its way.
    pub(super) fn wait(&mut self, id: u64, text: &str) {
        self.waiting.push_back(Waiting { id, text: text.to_owned(), marked: false });
    }

    /// An own line has not come back in time.
    pub(super) fn mark(&mut self, id: u64) {
        self.waiting.iter_mut().filter(|waiting| waiting.id == id).for_each(|waiting| waiting.marked = true);
    }

    /// An own line has come back, or was told to be lost.
    pub(super) fn confirm(&mut self, id: u64) {
        self.waiting.retain(|waiting| waiting.id != id);
    }

    /// An own line is not waited for any more: it stays as not confirmed among the others.
    pub(super) fn give_up(&mut self, id: u64) {
        self.keep(id, MARK);
    }

    /// An own line is not sent: it stays as such among the others.
    pub(super) fn handle_unsent(&mut self, id: u64) {
        self.keep(id, UNSENT_MARK);
    }

    /// An own line stays among the others, with what is said of it.
    fn keep(&mut self, id: u64, mark: &str) {
        if let Some(index) = self.waiting.iter().position(|waiting| waiting.id == id)
            && let Some(waiting) = self.waiting.remove(index)
        {
            self.push(waiting.line(mark), false);
        }
    }

    /// The terminal has another size.
    pub(super) fn resize(&mut self, size: Size) {
        if self.size != size {
            self.size = size;
            self.redraw = true;
        }
    }

    /// The cursor stands in a free row: the area is drawn there as if it were the first time.
    pub(super) fn begin(&mut self, size: Size) {
        self.size = size;
        self.area = Area::START;
        self.rows_drawn = 0;
        self.redraw = false;
    }

    /// Whether a frame would draw no more than the area.
    pub(super) fn is_drawn(&self) -> bool {
        self.fresh.is_empty() && self.dropped == 0
    }

    /// Does what a key asks for, and gives what the state cannot do.
    pub(super) fn handle_key(&mut self, key: Key) -> Vec<KeyRequest> {
        if self.question.is_some() {
            return self.answer(&key);
        }
        if key != Key::Complete {
            self.completion.reset();
        }
        match key {
            Key::Character(character) => self.edit.insert(character.encode_utf8(&mut [0; 4])),
            Key::Paste(text) => return self.paste(&text),
            Key::Enter => return self.enter().into_iter().collect(),
            Key::Move(place) => self.edit.move_to(place),
            Key::Delete(place) => self.edit.delete_to(place),
            Key::Cut(place) => self.edit.cut_to(place),
            Key::Yank => self.edit.yank(),
            Key::Transpose => self.edit.transpose(),
            Key::Older => self.recall_line(Recall::older),
            Key::Newer => self.recall_line(|recall, _| recall.newer()),
            Key::Complete => self.completion.complete(&mut self.edit),
            Key::Redraw => self.redraw = true,
            Key::DeleteOrEnd if self.edit.text().is_empty() => return vec![KeyRequest::Enter(Entry::End)],
            Key::DeleteOrEnd => self.edit.delete_to(Place::Right),
            Key::Interrupt => return vec![KeyRequest::Enter(Entry::Interrupt)],
            Key::Suspend => return vec![KeyRequest::Suspend],
            Key::Escape => {}
            Key::Resize(columns, rows) => self.resize(Size::new(columns, rows)),
        }
        Vec::new()
    }

    /// Shows another of the lines that were typed before.
    fn recall_line(&mut self, which: impl FnOnce(&mut Recall, &str) -> Option<String>) {
        if let Some(line) = which(&mut self.recall, self.edit.text()) {
            self.edit.set(line);
        }
    }

    /// Enters the line that was typed, unless it is too long; then it stays.
    fn enter(&mut self) -> Option<KeyRequest> {
        let length = self.edit.text().len();
        if length > TEXT_BYTES_MAX {
            self.aside(&format!(
                "-- not sent: {length} bytes, and a message has at most {TEXT_BYTES_MAX}; shorten it --"
            ));
            return None;
        }
        let line = self.edit.take();
        self.recall.push(&line);
        (!line.is_empty()).then_some(KeyRequest::Enter(Entry::Line(Line::Text(line))))
    }

    /// Inserts a paste line by line, or asks about it if it has many.
    fn paste(&mut self, text: &str) -> Vec<KeyRequest> {
        let (text, left_out) = paste::typable(text);
        match left_out {
            0 => {}
            1 => self.aside("-- 1 control character of the paste left out --"),
            count => self.aside(&format!("-- {count} control characters of the paste left out --")),
        }
        match paste::lines(&text) {
            0..=ENTERS_MAX => self.insert_lines(&text),
            lines if lines > PASTE_LINES_MAX => {
                self.aside(&format!(
                    "-- {lines} lines pasted, at most {PASTE_LINES_MAX} can be; send a file with: chat-host client ... <FILE --"
                ));
                Vec::new()
            }
            _ => {
                self.question = Some(text);
                Vec::new()
            }
        }
    }

    /// Types a text; each of its line feeds enters a line. From a line that is too long on, everything stays in the line.
    fn insert_lines(&mut self, text: &str) -> Vec<KeyRequest> {
        let (mut requests, mut rest) = (Vec::new(), text);
        while let Some((line, behind)) = rest.split_once('\n') {
            self.edit.insert(line);
            if self.edit.text().len() > TEXT_BYTES_MAX {
                rest = &rest[line.len()..];
                break;
            }
            requests.extend(self.enter());
            rest = behind;
        }
        self.edit.insert(rest);
        requests
    }

    /// Takes the answer to the question about a paste.
    fn answer(&mut self, key: &Key) -> Vec<KeyRequest> {
        match key {
            Key::Character('y' | 'Y') => {
                let text = self.question.take().unwrap_or_default();
                return self.insert_lines(&text);
            }
            Key::Character('n' | 'N') | Key::Interrupt | Key::Escape | Key::DeleteOrEnd => {
                let lines = self.question.take().map_or(0, |text| paste::lines(&text));
                self.aside(&format!("-- {lines} lines not sent --"));
            }
            Key::Paste(more) => {
                let text = self.question.take().unwrap_or_default() + more;
                return self.paste(&text);
            }
            Key::Resize(columns, rows) => self.resize(Size::new(*columns, *rows)),
            Key::Suspend => return vec![KeyRequest::Suspend],
            _ => {}
        }
        Vec::new()
    }

    /// Shows a line of our own.
    fn aside(&mut self, text: &str) {
        self.push(Styled::new(Style::Dim, text), false);
    }

    /// The bytes that bring the terminal up to date. Draws at most [`FRAME_LINES_MAX`] new lines: see [`State::is_drawn`].
    pub(super) fn frame(&mut self) -> Vec<u8> {
        let mut frame = Frame::new(self.look);
        if std::mem::take(&mut self.redraw) {
            self.draw_again(&mut frame);
        } else {
            frame.erase(&mut self.area);
        }
        if self.dropped > 0 {
            let told = format!("-- {} lines left out: more came than the terminal takes --", self.dropped);
            self.dropped = 0;
            self.draw_line(&mut frame, Styled::new(Style::Fault, &told));
        }
        for _ in 0..self.fresh.len().min(FRAME_LINES_MAX) {
            if let Some(line) = self.fresh.pop_front() {
                self.draw_line(&mut frame, line);
            }
        }
        if std::mem::take(&mut self.bell) {
            frame.bell();
        }
        let waiting: Vec<_> =
            self.waiting.iter().map(|it| (it.text.as_str(), if it.marked { MARK } else { "" })).collect();
        let (prompt, style) = self.prompt();
        let asked = self.question.is_some();
        let (text, cursor) = if asked { ("", 0) } else { (self.edit.text(), self.edit.cursor()) };
        let content = Content { waiting: &waiting, prompt: (&prompt, style), text, cursor };
        frame.draw(&content, self.size, &mut self.area);
        frame.finish()
    }

    /// The last frame: what waits stays as not confirmed, and the line that was typed goes.
    pub(super) fn last_frame(&mut self) -> Vec<u8> {
        for waiting in std::mem::take(&mut self.waiting) {
            self.fresh.push_back(waiting.line(MARK));
        }
        let mut frame = Frame::new(self.look);
        frame.erase(&mut self.area);
        while let Some(line) = self.fresh.pop_front() {
            frame.line(&line, self.size);
        }
        frame.finish()
    }

    /// A frame without the area, for the time while another program has the terminal.
    pub(super) fn frame_without_area(&mut self) -> Vec<u8> {
        let mut frame = Frame::new(self.look);
        frame.erase(&mut self.area);
        frame.finish()
    }

    /// Draws the screen anew from its first row.
    fn draw_again(&mut self, frame: &mut Frame) {
        // What stands above our first line belongs to others, and goes into the terminal's memory before it is erased.
        let keep = self.rows_drawn < self.size.rows;
        frame.erase_screen(self.size, keep, &mut self.area);
        self.rows_drawn = self.size.rows;
        // Two rows are left for the area; a larger one moves the first lines out.
        let mut rows_left = self.size.rows.saturating_sub(2);
        let mut first = self.shown.len();
        while let Some(line) = first.checked_sub(1).map(|index| &self.shown[index]) {
            let rows = line.rows(self.size.columns);
            if rows > rows_left {
                break;
            }
            rows_left -= rows;
            first -= 1;
        }
        self.shown.range(first..).for_each(|line| frame.line(line, self.size));
    }

    /// Draws a new line, and keeps it to be drawn again.
    fn draw_line(&mut self, frame: &mut Frame, line: Styled) {
        frame.line(&line, self.size);
        self.rows_drawn = (self.rows_drawn + line.rows(self.size.columns)).min(self.size.rows);
        if self.shown.len() == SHOWN_LINES_MAX {
            self.shown.pop_front();
        }
        self.shown.push_back(line);
    }

    /// What stands before the line that is typed, and its style: a question, how long the line is, or nothing but the invitation.
    fn prompt(&self) -> (String, Style) {
        if let Some(text) = &self.question {
            return (format!("send these {} lines? y/n ", paste::lines(text)), Style::Bold);
        }
        match self.edit.text().len() {
            length if length > TEXT_BYTES_MAX => (format!("{length}/{TEXT_BYTES_MAX}{PROMPT}"), Style::Fault),
            length if length >= COUNTER_BYTES_MIN => (format!("{length}/{TEXT_BYTES_MAX}{PROMPT}"), Style::Dim),
            _ => (PROMPT.to_owned(), Style::Plain),
        }
    }
}
