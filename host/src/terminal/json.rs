//! One JSON object in one line for each event, for programs that read what a client shows.
//!
//! What the display filter replaces is escaped here instead, so that even raw on a terminal it does no harm.

use super::display::is_unsafe;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use std::io::{self, Write};

/// Writes `event` and a line feed.
///
/// # Errors
/// What the writer says.
pub fn write_line(writer: &mut impl Write, event: &impl Serialize) -> io::Result<()> {
    event.serialize(&mut Serializer::with_formatter(&mut *writer, Escaping))?;
    writer.write_all(b"\n")
}

/// Compact JSON in which every character that the display filter would replace is escaped.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((start, character)) = rest.char_indices().find(|&(_, character)| is_unsafe(character)) {
            CompactFormatter.write_string_fragment(writer, &rest[..start])?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[start + character.len_utf8()..];
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One string as JSON, without the line feed.
    fn line(text: &str) -> String {
        let mut bytes = Vec::new();
        write_line(&mut bytes, &text).unwrap();
        String::from_utf8(bytes).unwrap().trim_end().to_owned()
    }

    #[test]
    fn unsafe_characters_are_escaped_and_come_back() {
        let text = "a\x1b[2J\u{202e}b\u{200b}\u{e0041}\"\\\n\u{7f}ü";
        let line = line(text);
        assert_eq!(line, r#""a\u001b[2J\u202eb\u200b\udb40\udc41\"\\\n\u007fü""#);
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
