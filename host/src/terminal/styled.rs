//! A line as it is shown: pieces of text, each with a style, through the display rule.

use super::cells::width;
use super::display::Shown;
use super::palette::color;
use super::wrap::parts;
use std::fmt::Write as _;
use std::ops::Range;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As the terminal shows text.
    Plain,
    /// Less than other text.
    Dim,
    /// More than other text.
    Bold,
    /// A name in its colour.
    Name(u8),
    /// The own name in its colour.
    OwnName(u8),
    /// The name of somebody who mentions this client's name.
    Mention(u8),
    /// What goes wrong.
    Fault,
}

/// What styles may be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Whether there may be colours.
    pub(super) color: bool,
    /// Whether text may be dim, bold or reversed.
    pub(super) attributes: bool,
}

/// One line, which may be longer than a row of the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Styled {
    /// The pieces, each of which has been through the display rule.
    pieces: Vec<(Style, String)>,
}

/// Something that somebody has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<'a> {
    /// When, as it is shown with a space behind it; empty if that is not known.
    pub stamp: String,
    /// When, in milliseconds since 1970-01-01 00:00 UTC, if that is known.
    pub sent_ms: Option<i64>,
    /// What stands before the name.
    pub before: &'static str,
    /// Who has said it.
    pub name: &'a str,
    /// What stands between name and text.
    pub after: &'static str,
    /// What was said.
    pub text: &'a str,
    /// Whether this client has said it.
    pub own: bool,
    /// Whether it was said before this client came.
    pub history: bool,
}

impl Styled {
    /// A line of one style. Its text goes through the display rule.
    pub(super) fn new(style: Style, text: &str) -> Self {
        let mut line = Self::default();
        line.push(style, text);
        line
    }

    /// What somebody has said, which mentions this client's name or does not.
    pub(super) fn said(said: &Said<'_>, mention: bool) -> Self {
        let color = color(said.name);
        let name = match (said.own, mention) {
            (true, _) => Style::OwnName(color),
            (false, true) => Style::Mention(color),
            (false, false) => Style::Name(color),
        };
        let mut line = Self::default();
        line.push(Style::Dim, &said.stamp);
        line.push(Style::Plain, said.before);
        line.push(name, said.name);
        line.push(Style::Plain, said.after);
        line.push(if mention && !said.own { Style::Bold } else { Style::Plain }, said.text);
        line
    }

    /// Adds a piece, through the display rule.
    pub(super) fn push(&mut self, style: Style, text: &str) {
        if !text.is_empty() {
            self.pieces.push((style, Shown(text).to_string()));
        }
    }

    /// The rows that the line takes on a screen so many cells wide.
    pub(super) fn rows(&self, columns: usize) -> usize {
        let text = self.text();
        let rows = |part: Range<usize>| width(&text[part]).div_ceil(columns.max(1)).max(1);
        parts(&text, columns).into_iter().map(rows).sum()
    }

    /// The text of all pieces.
    fn text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Writes the line broken into rows for a screen so many cells wide, without the end of the last one.
    pub(super) fn write_rows(&self, look: Look, columns: usize, out: &mut String) {
        for (index, part) in parts(&self.text(), columns).into_iter().enumerate() {
            if index > 0 {
                out.push_str("\r\n");
            }
            self.write_part(look, &part, out);
        }
    }

    /// Writes what stands at this place of the line's text.
    fn write_part(&self, look: Look, part: &Range<usize>, out: &mut String) {
        let mut begin = 0;
        for (style, text) in &self.pieces {
            let place = |at: usize| at.clamp(begin, begin + text.len()) - begin;
            style.write(look, &text[place(part.start)..place(part.end)], out);
            begin += text.len();
        }
    }

    /// Writes the line, without its end.
    pub(super) fn write(&self, look: Look, out: &mut String) {
        for (style, text) in &self.pieces {
            style.write(look, text, out);
        }
    }
}

impl Style {
    /// Writes a text, which has been through the display rule, in this style (ECMA-48: SGR).
    pub(super) fn write(self, look: Look, text: &str, out: &mut String) {
        if text.is_empty() {
            return;
        }
        let (attribute, color) = match self {
            Self::Plain => (None, None),
            Self::Dim => (Some(2), None),
            Self::Bold => (Some(1), None),
            Self::Name(color) => (None, Some(color)),
            Self::OwnName(color) => (Some(1), Some(color)),
            Self::Mention(color) => (Some(7), Some(color)),
            Self::Fault => (None, Some(160)),
        };
        let (attribute, color) = (attribute.filter(|_| look.attributes), color.filter(|_| look.color));
        // Writing to a string does not fail.
        let _ = match (attribute, color) {
            (None, None) => return out.push_str(text),
            (Some(attribute), None) => write!(out, "\x1b[{attribute}m"),
            (None, Some(color)) => write!(out, "\x1b[38;5;{color}m"),
            (Some(attribute), Some(color)) => write!(out, "\x1b[{attribute};38;5;{color}m"),
        };
        out.push_str(text);
        out.push_str("\x1b[m");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Look = Look { color: true, attributes: true };

    /// A line as it is written.
    fn written(line: &Styled, look: Look) -> String {
        let mut out = String::new();
        line.write(look, &mut out);
        out
    }

    /// What ann says in a room.
    fn said(text: &str) -> Said<'_> {
        let stamp = "[12:00:00] ".to_owned();
        Said { stamp, sent_ms: None, before: "", name: "ann", after: ": ", text, own: false, history: false }
    }

    #[test]
    fn name_has_its_color_and_the_time_is_dim() {
        let color = color("ann");
        let line = Styled::said(&said("hi"), false);
        assert_eq!(written(&line, ALL), format!("\x1b[2m[12:00:00] \x1b[m\x1b[38;5;{color}mann\x1b[m: hi"));
        let no_color = Look { color: false, ..ALL };
        assert_eq!(written(&line, no_color), "\x1b[2m[12:00:00] \x1b[mann: hi");
        assert_eq!(written(&line, Look { attributes: false, ..no_color }), "[12:00:00] ann: hi");
    }

    #[test]
    fn own_lines_and_mentions_are_set_off() {
        let own = Styled::said(&Said { own: true, ..said("ann hi") }, true);
        assert!(written(&own, ALL).contains("\x1b[1;38;5;") && written(&own, ALL).ends_with(": ann hi"));
        let mention = Styled::said(&said("hi bob"), true);
        assert!(
            written(&mention, ALL).contains("\x1b[7;38;5;") && written(&mention, ALL).ends_with("\x1b[1mhi bob\x1b[m")
        );
    }

    #[test]
    fn name_and_text_go_through_the_display_rule() {
        let line = Styled::said(&Said { name: "a\x1b", ..said("\u{202e}x\n") }, false);
        assert_eq!(written(&line, Look { color: false, attributes: false }), "[12:00:00] a\u{fffd}: \u{fffd}x ⏎ ");
    }

    #[test]
    fn rows_count_cells_and_an_empty_line_has_one() {
        assert_eq!(Styled::default().rows(10), 1);
        for (text, rows) in [
            ("0123456789", 1),
            ("0123456789a", 2),
            ("你好你好你", 1),
            ("你好你好你好", 2),
            ("012345 6789a", 2),
            ("012345 0123456789a 01234", 3),
        ] {
            assert_eq!(Styled::new(Style::Plain, text).rows(10), rows, "{text}");
        }
    }

    #[test]
    fn row_ends_between_words_and_each_row_has_its_own_style() {
        let mut line = Styled::new(Style::Dim, "one two ");
        line.push(Style::Plain, "three four");
        for (columns, rows) in [
            (6, "\x1b[2mone\x1b[m\r\n\x1b[2mtwo\x1b[m\r\nthree\r\nfour"),
            (10, "\x1b[2mone two\x1b[m\r\nthree four"),
            (18, "\x1b[2mone two \x1b[mthree four"),
        ] {
            let mut out = String::new();
            line.write_rows(ALL, columns, &mut out);
            assert_eq!(out, rows, "{columns}");
        }
    }
}
