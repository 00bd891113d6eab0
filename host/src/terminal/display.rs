//! The display rule (docs/display.md): what comes from the network is shown through it, never raw.
//!
//! Control characters could move the cursor, recolour or retitle the terminal; bidirectional controls and characters of no width
//! could make one text look like another. Each of them is shown as U+FFFD. Ordinary text stays as it is: tabs, line feeds, and the
//! joiners that scripts and emoji need.

use std::fmt::{self, Write as _};
use unicode_normalization::char::is_combining_mark;
use unicode_width::UnicodeWidthChar as _;

/// Stands for each character that is not shown.
const REPLACEMENT: char = '\u{fffd}';

/// Cells between two tab stops, counted from the beginning of the text.
const TAB_CELLS: usize = 4;

/// Combining marks and variation selectors that may follow each other; what comes behind them is replaced.
const MARKS_MAX: usize = 4;

/// A text as it may be shown in one line of a terminal.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut before, mut marks, mut cells) = (' ', 0, 0);
        let mut rest = self.0.strip_prefix('\u{feff}').unwrap_or(self.0);
        loop {
            // What most texts consist of is always shown as it is.
            let length = rest.bytes().take_while(|byte| matches!(byte, b' '..=b'~')).count();
            let (plain, behind) = rest.split_at(length);
            if !plain.is_empty() {
                f.write_str(plain)?;
                (before, marks, cells) = (' ', 0, cells + length);
            }
            let mut characters = behind.chars();
            let Some(character) = characters.next() else { return Ok(()) };
            rest = characters.as_str();
            let after = characters.next().unwrap_or(' ');
            marks = if is_mark(character) { marks + 1 } else { 0 };
            let shown = match character {
                '\t' => {
                    let stop = (cells / TAB_CELLS + 1) * TAB_CELLS;
                    write!(f, "{:1$}", "", stop - cells)?;
                    (before, cells) = (' ', stop);
                    continue;
                }
                '\n' => {
                    f.write_str(" ⏎ ")?;
                    (before, cells) = (' ', cells + 3);
                    continue;
                }
                '\u{200c}' | '\u{200d}' if may_be_joined(before) && may_be_joined(after) => character,
                _ if is_unsafe(character) || marks > MARKS_MAX => REPLACEMENT,
                _ => character,
            };
            f.write_char(shown)?;
            before = character;
            cells += shown.width().unwrap_or(0);
        }
    }
}

/// Whether a joiner beside this character may stay: it is not ASCII, is shown itself, and is no joiner.
fn may_be_joined(character: char) -> bool {
    !character.is_ascii() && !is_unsafe(character)
}

/// Whether a character is a combining mark (general category M, which variation selectors have too).
fn is_mark(character: char) -> bool {
    is_combining_mark(character)
}

/// Whether a character must not reach a terminal, but for the exceptions of the rule.
pub fn is_unsafe(character: char) -> bool {
    matches!(character,
        // C0 with ESC, DEL, C1
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // bidirectional marks, embeddings, overrides, isolates (Unicode Standard Annex 9)
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // no width: soft hyphen, grapheme joiner, Hangul fillers, Khmer inherent vowels, Mongolian vowel separator
        | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        // zero width space and joiners, word joiner, invisible operators, deprecated format characters, byte order mark
        | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
        // line and paragraph separator, unassigned characters of no width, interlinear annotation
        | '\u{2028}' | '\u{2029}' | '\u{fff0}'..='\u{fffb}'
        // invisible shorthand and musical controls
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        // tags and what is reserved beside them, but for the variation selectors U+E0100-E01EF
        | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text as it is shown.
    fn shown(text: &str) -> String {
        Shown(text).to_string()
    }

    #[test]
    fn ordinary_text_of_any_script_is_unchanged() {
        let text = "Grüße, Ωμέγα, привет, 你好, مرحبا, हिन्दी, ❤\u{fe0f} 🎉 ~";
        assert_eq!(shown(text), text);
        // Persian, Sinhala, Hindi with joiners, a family, a couple with a variation selector before the joiner.
        for text in [
            "می\u{200c}خواهم",
            "ශ\u{dca}\u{200d}ර",
            "क\u{94d}\u{200d}ष",
            "👩\u{200d}👧\u{200d}👦",
            "❤\u{fe0f}\u{200d}🔥",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn escape_sequences_lose_their_escape() {
        assert_eq!(shown("\x1b[31mred\x07\r\u{9b}2J"), "\u{fffd}[31mred\u{fffd}\u{fffd}\u{fffd}2J");
    }

    #[test]
    fn every_control_override_and_zero_width_character_is_replaced() {
        let controls = ('\0'..='\x1f').filter(|character| !matches!(character, '\t' | '\n')).chain('\u{7f}'..='\u{9f}');
        let directions =
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        let invisible =
            "\u{ad}\u{200b}\u{200c}\u{200d}\u{2028}\u{2029}\u{2060}\u{e0041}\u{180e}\u{3164}\u{fff0}\u{e01f0}\u{34f}";
        for character in controls.chain(directions.chars()).chain(invisible.chars()) {
            assert_eq!(shown(&format!("é{character}")), "é\u{fffd}", "{character:?}");
        }
    }

    #[test]
    fn joiners_stay_only_alone_between_characters_that_are_not_ascii() {
        assert_eq!(shown("a\u{200d}é"), "a\u{fffd}é");
        assert_eq!(shown("é\u{200d}a"), "é\u{fffd}a");
        assert_eq!(shown("é\u{200d}\u{200c}é"), "é\u{fffd}\u{fffd}é");
        assert_eq!(shown("é\u{200d}\u{200b}"), "é\u{fffd}\u{fffd}");
        assert_eq!(shown("\u{200d}é\u{200d}"), "\u{fffd}é\u{fffd}");
    }

    #[test]
    fn tabs_reach_the_next_stop_whatever_the_widths_before() {
        assert_eq!(shown("\ta\tbcd\tefgh\tx"), "    a   bcd efgh    x");
        assert_eq!(shown("你\te\u{301}\tx"), "你  e\u{301}   x");
        assert_eq!(shown("a\nb\tc"), "a ⏎ b   c");
    }

    #[test]
    fn byte_order_mark_is_dropped_at_the_front_and_replaced_elsewhere() {
        assert_eq!(shown("\u{feff}a\u{feff}"), "a\u{fffd}");
        assert_eq!(shown("\u{feff}\u{feff}"), "\u{fffd}");
    }

    #[test]
    fn four_marks_stay_and_a_fifth_is_replaced() {
        assert_eq!(shown("a\u{301}\u{302}\u{303}\u{304}"), "a\u{301}\u{302}\u{303}\u{304}");
        assert_eq!(
            shown("a\u{301}\u{302}\u{303}\u{304}\u{305}b\u{306}"),
            "a\u{301}\u{302}\u{303}\u{304}\u{fffd}b\u{306}"
        );
        assert_eq!(shown(&"\u{e0100}".repeat(6)), "\u{e0100}".repeat(4) + "\u{fffd}\u{fffd}");
    }
}
