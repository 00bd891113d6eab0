//! Where a line is broken that is longer than a row of the screen: at spaces, and beside wide characters, as Chinese and Japanese
//! texts are. A word that is longer than a row is left to the terminal, which goes on in the next row by itself: so a long address can
//! still be selected and opened as one.

use super::cells::width;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation as _;

/// Wide characters that stand at the beginning of no row.
const CLOSING: &str = "、。，．：；？！）」』】》〉〕］｝ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ";

/// Wide characters that stand at the end of no row.
const OPENING: &str = "（「『【《〈〔［｛";

/// What is not broken if a row can hold it, and the spaces behind it.
#[derive(Debug)]
struct Word {
    /// Where it stands in the text, in bytes.
    place: Range<usize>,
    /// The cells that it takes.
    cells: usize,
    /// How many spaces stand behind it.
    spaces: usize,
}

/// The parts of a text that each begin a row on a screen so many cells wide, in bytes. The text has been through the display rule. The
/// spaces between two parts are in neither. Work is bounded by the length of the text.
pub(super) fn parts(shown: &str, columns: usize) -> Vec<Range<usize>> {
    let columns = columns.max(1);
    let (mut parts, mut begin, mut end, mut column) = (Vec::new(), 0, 0, 0);
    for Word { place, cells, spaces } in words(shown) {
        let fits_next = cells <= columns;
        if column >= columns || (column > 0 && fits_next && column + cells > columns) {
            parts.push(begin..end);
            (begin, column) = (place.start, 0);
        }
        column += cells;
        if column > columns {
            column = (column - 1) % columns + 1;
        }
        column += spaces;
        end = place.end;
    }
    // Spaces at the end of the text stay with it.
    parts.push(begin..shown.len());
    parts
}

/// The words of a text.
fn words(shown: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut before = "";
    for (start, cluster) in shown.grapheme_indices(true) {
        match words.last_mut() {
            Some(word) if cluster == " " => word.spaces += 1,
            Some(word) if word.spaces == 0 && !may_break(before, cluster) => {
                word.place.end = start + cluster.len();
                word.cells += width(cluster);
            }
            _ => words.push(Word { place: start..start + cluster.len(), cells: width(cluster), spaces: 0 }),
        }
        before = cluster;
    }
    words
}

/// Whether a row may end between two clusters of which none is a space.
fn may_break(before: &str, behind: &str) -> bool {
    let is_wide = |cluster: &str| width(cluster) >= 2;
    let is_letter = |cluster: &str| is_wide(cluster) || cluster.chars().all(char::is_alphanumeric);
    let is_one_of = |cluster: &str, set: &str| cluster.chars().next().is_some_and(|first| set.contains(first));
    (is_wide(before) || is_wide(behind))
        && is_letter(before)
        && is_letter(behind)
        && !is_one_of(before, OPENING)
        && !is_one_of(behind, CLOSING)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text in rows, as far as they are broken here.
    fn broken(text: &str, columns: usize) -> Vec<&str> {
        parts(text, columns).into_iter().map(|part| &text[part]).collect()
    }

    #[test]
    fn line_is_broken_at_spaces_which_go() {
        assert_eq!(broken("one two three", 80), ["one two three"]);
        assert_eq!(broken("one two three", 13), ["one two three"]);
        assert_eq!(broken("one two three", 12), ["one two", "three"]);
        assert_eq!(broken("one two three", 7), ["one two", "three"]);
        assert_eq!(broken("one two three", 5), ["one", "two", "three"]);
        assert_eq!(broken("one   two", 4), ["one", "two"]);
        assert_eq!(broken("  one two", 5), ["  one", "two"]);
        assert_eq!(broken("one  ", 3), ["one  "]);
        assert_eq!(broken("", 3), [""]);
    }

    #[test]
    fn word_that_no_row_holds_begins_where_it_stands_and_is_left_to_the_terminal() {
        assert_eq!(broken("a 0123456789 b c", 6), ["a 0123456789", "b c"]);
        assert_eq!(broken("a 0123456789 b c", 7), ["a 0123456789 b", "c"]);
        assert_eq!(broken("a 0123456789 b c", 8), ["a 0123456789 b c"]);
        // A row that is full of spaces or text has no room for its beginning.
        assert_eq!(broken("one two 0123456789", 7), ["one two", "0123456789"]);
        assert_eq!(broken("a      0123456789", 7), ["a", "0123456789"]);
    }

    #[test]
    fn wide_characters_may_be_parted_and_keep_their_punctuation() {
        assert_eq!(broken("ann: 你好你好", 10), ["ann: 你好", "你好"]);
        assert_eq!(broken("ann: 你好你好", 11), ["ann: 你好你", "好"]);
        assert_eq!(broken("你好。你", 4), ["你", "好。", "你"]);
        assert_eq!(broken("你你「好」", 6), ["你你", "「好」"]);
        assert_eq!(broken("你hello好", 7), ["你hello", "好"]);
        assert_eq!(broken("hi 👍🎉👍", 6), ["hi 👍", "🎉👍"]);
        // Of a family all members stay together.
        assert_eq!(broken("ab 👩\u{200d}👧", 6), ["ab", "👩\u{200d}👧"]);
    }

    #[test]
    fn combining_mark_stays_with_its_letter_and_needs_no_cell() {
        assert_eq!(broken("ab e\u{301}e\u{301} c", 5), ["ab e\u{301}e\u{301}", "c"]);
    }

    #[test]
    fn every_part_but_of_a_long_word_fits_and_nothing_but_spaces_is_lost() {
        let text = "-- the room 你好，世界 at 192.168.1.5:9191; 👍🏽 e\u{301}  2 members: ann,   bob; /help lists the commands --";
        let (long, all) = (17, text.replace(' ', ""));
        for columns in 0..200 {
            let rows = broken(text, columns);
            assert_eq!(rows.concat().replace(' ', ""), all, "{columns}");
            assert!(columns < long || rows.iter().all(|row| width(row) <= columns), "{columns}: {rows:?}");
        }
    }
}
