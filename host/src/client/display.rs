//! The display filter: what comes from the network is shown through it, never raw.
//!
//! Control characters could move the cursor, recolour or retitle the terminal; bidirectional overrides and invisible
//! characters could make one text look like another. Each is shown as U+FFFD.

use std::fmt::{self, Write as _};

/// A text as it may be shown in one line of a terminal.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| f.write_char(if is_unsafe(character) { '\u{fffd}' } else { character }))
    }
}

/// Whether a character must not reach a terminal.
pub fn is_unsafe(character: char) -> bool {
    matches!(character,
        // C0 with ESC, DEL, C1
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // bidirectional marks, embeddings, overrides, isolates (Unicode Standard Annex 9)
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // zero width: soft hyphen, grapheme joiner, Hangul fillers, Khmer inherent vowels, Mongolian separators
        | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        // zero width space and joiners, word joiner, invisible operators, deprecated format characters, byte order mark
        | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
        // line and paragraph separator, interlinear annotation
        | '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}'
        // invisible musical and shorthand controls, tags
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_of_any_script_is_unchanged() {
        let text = "Grüße, Ωμέγα, привет, 你好, مرحبا, हिन्दी, ❤\u{fe0f} 🎉 ~";
        assert_eq!(Shown(text).to_string(), text);
    }

    #[test]
    fn escape_sequences_lose_their_escape() {
        assert_eq!(
            Shown("\x1b[31mred\x07\r\n\t\u{9b}2J").to_string(),
            "\u{fffd}[31mred\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}2J"
        );
    }

    #[test]
    fn every_control_override_and_zero_width_character_is_replaced() {
        let controls = ('\0'..=' ').filter(|&character| character < ' ').chain('\u{7f}'..='\u{9f}');
        let directions =
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        let invisible = "\u{ad}\u{200b}\u{200c}\u{200d}\u{2028}\u{2029}\u{2060}\u{feff}\u{e0041}\u{180e}\u{3164}";
        for character in controls.chain(directions.chars()).chain(invisible.chars()) {
            assert_eq!(Shown(&character.to_string()).to_string(), "\u{fffd}", "{character:?}");
        }
    }
}
