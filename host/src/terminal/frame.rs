//! What is written to the terminal at once: new lines, and below them the area with the waiting lines and the one that is typed.
//!
//! Only these reach the terminal: text through the display rule, carriage return with line feed, BEL, and of the control sequences of
//! ECMA-48 CUU, CUF, CHA, CUP, ED, EL and SGR, and the private modes 25 (cursor) and 2026 (synchronized output).

use super::layout::{Layout, cut};
use super::styled::{Look, Style, Styled};
use std::fmt::Write as _;

/// The rows at the bottom that are drawn anew in each frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    /// The row of the cursor in it, from 0: so many rows of it stand above.
    cursor_row: usize,
}

/// How large the terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// Cells in a row.
    pub(super) columns: usize,
    /// Rows.
    pub(super) rows: usize,
}

/// What the area holds.
#[derive(Debug)]
pub(super) struct Content<'a> {
    /// Own lines that have not come back, oldest first: the text, and what is said of it.
    pub(super) waiting: &'a [(&'a str, &'a str)],
    /// What stands before the line, and its style.
    pub(super) prompt: (&'a str, Style),
    /// The line that is typed.
    pub(super) text: &'a str,
    /// Where the cursor stands in it, in bytes.
    pub(super) cursor: usize,
}

/// The bytes of one frame.
#[derive(Debug)]
pub(super) struct Frame {
    /// The bytes so far.
    out: String,
    /// What styles are made of.
    look: Look,
}

impl Area {
    /// No row was drawn yet.
    pub(super) const START: Self = Self { cursor_row: 0 };
}

impl Size {
    /// So many columns and rows. A terminal that says none is taken for one of 80 by 24.
    pub(super) fn new(columns: u16, rows: u16) -> Self {
        match (columns, rows) {
            (0, _) | (_, 0) => Self { columns: 80, rows: 24 },
            _ => Self { columns: columns.into(), rows: rows.into() },
        }
    }
}

impl Frame {
    /// Begins a frame: nothing is shown before its end, and the cursor is hidden.
    pub(super) fn new(look: Look) -> Self {
        Self { out: "\x1b[?2026h\x1b[?25l".to_owned(), look }
    }

    /// Erases the area; the cursor stands where it began.
    pub(super) fn erase(&mut self, area: &mut Area) {
        self.up(area.cursor_row);
        self.out.push_str("\r\x1b[J");
        *area = Area::START;
    }

    /// Erases the screen row by row, wherever the terminal may have put them after a change of its size; the cursor stands at the top.
    /// `keep` moves what stands there into the terminal's memory before.
    pub(super) fn erase_screen(&mut self, size: Size, keep: bool, area: &mut Area) {
        if keep {
            self.write(format_args!("\x1b[{};1H", size.rows));
            (0..size.rows).for_each(|_| self.out.push('\n'));
        }
        for row in (1..=size.rows).rev() {
            self.write(format_args!("\x1b[{row};1H\x1b[2K"));
        }
        *area = Area::START;
    }

    /// Writes a line that stays, broken into rows.
    pub(super) fn line(&mut self, line: &Styled, size: Size) {
        line.write_rows(self.look, size.columns, &mut self.out);
        self.out.push_str("\r\n");
    }

    /// Rings the bell.
    pub(super) fn bell(&mut self) {
        self.out.push('\x07');
    }

    /// Draws the area, and leaves the cursor where the user types.
    pub(super) fn draw(&mut self, content: &Content<'_>, size: Size, area: &mut Area) {
        let row_cells = size.columns.max(2) - 1;
        let mut layout = Layout::new(content.prompt.0, content.text, content.cursor, size.columns);
        let rows_max = size.rows.saturating_sub(1).max(1);
        layout.cut_to(rows_max);
        let waiting_max = (size.rows / 3).min(rows_max - layout.rows.len());
        let shown = match content.waiting.len() {
            all if all <= waiting_max => all,
            _ => waiting_max.saturating_sub(1),
        };
        for (text, mark) in &content.waiting[..shown] {
            // On a screen with hardly any columns the mark has no room.
            let mark = if mark.len() + 3 <= row_cells { *mark } else { "" };
            let text = cut(&format!("] {text}"), row_cells - mark.len());
            Style::Dim.write(self.look, &text, &mut self.out);
            Style::Fault.write(self.look, mark, &mut self.out);
            self.out.push_str("\r\n");
        }
        let more = content.waiting.len() - shown;
        let rows_above = shown + usize::from(more > 0 && waiting_max > 0);
        if rows_above > shown {
            let told = cut(&format!("] … {more} more wait"), row_cells);
            Style::Dim.write(self.look, &told, &mut self.out);
            self.out.push_str("\r\n");
        }
        for (index, row) in layout.rows.iter().enumerate() {
            if index > 0 {
                self.out.push_str("\r\n");
            }
            match row.strip_prefix(content.prompt.0) {
                Some(rest) if index == 0 && !content.prompt.0.is_empty() => {
                    content.prompt.1.write(self.look, content.prompt.0, &mut self.out);
                    self.out.push_str(rest);
                }
                _ => self.out.push_str(row),
            }
        }
        self.up(layout.rows.len() - 1 - layout.cursor_row);
        self.out.push('\r');
        if layout.cursor_column > 0 {
            self.write(format_args!("\x1b[{}C", layout.cursor_column));
        }
        area.cursor_row = rows_above + layout.cursor_row;
    }

    /// Ends the frame, and gives its bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.push_str("\x1b[?25h\x1b[?2026l");
        self.out.into_bytes()
    }

    /// Moves the cursor up.
    fn up(&mut self, rows: usize) {
        if rows > 0 {
            self.write(format_args!("\x1b[{rows}A"));
        }
    }

    /// Writes something formatted.
    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.out.write_fmt(arguments);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { color: true, attributes: true };
    const SIZE: Size = Size { columns: 20, rows: 6 };

    /// The bytes between the beginning and the end of a frame.
    fn drawn(content: &Content<'_>, size: Size, area: &mut Area) -> String {
        let mut frame = Frame::new(LOOK);
        frame.erase(area);
        frame.draw(content, size, area);
        let bytes = String::from_utf8(frame.finish()).unwrap();
        let inner = bytes.strip_prefix("\x1b[?2026h\x1b[?25l").unwrap();
        inner.strip_suffix("\x1b[?25h\x1b[?2026l").unwrap().to_owned()
    }

    /// A line that is typed with the cursor at its end.
    fn typed(text: &str) -> Content<'_> {
        Content { waiting: &[], prompt: ("] ", Style::Plain), text, cursor: text.len() }
    }

    #[test]
    fn area_is_erased_from_its_first_row() {
        let mut area = Area::START;
        assert_eq!(drawn(&typed("hi"), SIZE, &mut area), "\r\x1b[J] hi\r\x1b[4C");
        let long = "0123456789".repeat(3);
        assert_eq!(drawn(&typed(&long), SIZE, &mut area), "\r\x1b[J] 01234567890123456\r\n7890123456789\r\x1b[13C");
        assert_eq!(drawn(&typed(""), SIZE, &mut area), "\x1b[1A\r\x1b[J] \r\x1b[2C");
    }

    #[test]
    fn waiting_lines_stand_dim_above_the_line() {
        let mut area = Area::START;
        let waiting = [("one", ""), ("two", " (not confirmed)")];
        let drawn = drawn(&Content { waiting: &waiting, ..typed("x") }, SIZE, &mut area);
        let fault = "\x1b[38;5;160m (not confirmed)\x1b[m";
        assert_eq!(drawn, format!("\r\x1b[J\x1b[2m] one\x1b[m\r\n\x1b[2m] …\x1b[m{fault}\r\n] x\r\x1b[3C"));
        assert_eq!(area.cursor_row, 2);
    }

    #[test]
    fn more_waiting_lines_than_there_is_room_for_are_counted() {
        let mut area = Area::START;
        let waiting = [("one", ""), ("two", ""), ("three", "")];
        let drawn = drawn(&Content { waiting: &waiting, ..typed("") }, SIZE, &mut area);
        assert_eq!(drawn, "\r\x1b[J\x1b[2m] one\x1b[m\r\n\x1b[2m] … 2 more wait\x1b[m\r\n] \r\x1b[2C");
    }

    #[test]
    fn area_never_has_more_rows_than_the_screen() {
        let text = "x".repeat(300);
        let waiting = [("one", ""); 20];
        for rows in 0..9 {
            for columns in [0, 1, 2, 3, 20] {
                let mut area = Area::START;
                let content = Content { waiting: &waiting, ..typed(&text) };
                let drawn = drawn(&content, Size { columns, rows }, &mut area);
                assert!(drawn.matches("\r\n").count() < rows.max(1), "{columns}x{rows}: {drawn:?}");
            }
        }
    }
}
