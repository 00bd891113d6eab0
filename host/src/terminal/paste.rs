//! A paste: text that comes at once and may have many lines.

/// Lines that a paste may have. Longer ones belong into a pipe.
pub(super) const PASTE_LINES_MAX: usize = 1_000;

/// What of a paste can be typed, with its line ends as line feeds, and how many control characters are left out.
pub(super) fn typable(text: &str) -> (String, usize) {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (text, left_out): (String, String) =
        text.chars().partition(|&it| !it.is_control() || matches!(it, '\n' | '\t'));
    (text, left_out.chars().count())
}

/// How many lines a paste has; the last one needs no line feed.
pub(super) fn lines(text: &str) -> usize {
    text.trim_end_matches('\n').split('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_left_out_and_counted_but_for_line_ends_and_tabs() {
        for (pasted, text, left_out) in [
            ("a\tb\r\nc\rd\n", "a\tb\nc\nd\n", 0),
            ("\u{1b}[31mred\u{1b}[0m\u{7}", "[31mred[0m", 3),
            ("\u{9b}2J\u{7f}\0", "2J", 3),
            ("\u{1b}", "", 1),
        ] {
            assert_eq!(typable(pasted), (text.to_owned(), left_out), "{pasted:?}");
        }
    }

    #[test]
    fn last_line_may_end_or_not() {
        assert_eq!(["", "a", "a\n", "a\nb", "a\n\nb\n\n"].map(lines), [1, 1, 1, 2, 3]);
    }
}
