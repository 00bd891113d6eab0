//! The line that is being typed: its text, where the cursor stands, and what keys do to both.
//!
//! The cursor always stands between two grapheme clusters, so no key takes half a character.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

/// A line and a cursor in it.
#[derive(Debug, Default)]
pub(super) struct Edit {
    /// The text.
    text: String,
    /// Where the cursor stands, in bytes.
    cursor: usize,
    /// What was cut last, for [`Edit::yank`].
    cut: String,
}

/// Where the cursor moves to, or up to where something is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The beginning of the line.
    Start,
    /// Its end.
    End,
    /// One cluster to the left.
    Left,
    /// One cluster to the right.
    Right,
    /// The beginning of the word to the left.
    WordLeft,
    /// The end of the word to the right.
    WordRight,
    /// The first character behind a space to the left, as Ctrl-W has it.
    SpaceLeft,
}

impl Edit {
    /// An empty line, and nothing was cut.
    pub(super) const EMPTY: Self = Self { text: String::new(), cursor: 0, cut: String::new() };

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Where the cursor stands, in bytes.
    pub(super) const fn cursor(&self) -> usize {
        self.cursor
    }

    /// Replaces the line; the cursor stands at its end.
    pub(super) fn set(&mut self, text: String) {
        self.cursor = text.len();
        self.text = text;
    }

    /// Takes the line out, and begins an empty one.
    pub(super) fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Inserts a text before the cursor. What was inserted may join with what stands there to one cluster.
    pub(super) fn insert(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
        if !is_boundary(&self.text, self.cursor) {
            self.cursor = self.place(Place::Right);
        }
    }

    /// Replaces what stands between `start` and the cursor.
    pub(super) fn replace(&mut self, start: usize, text: &str) {
        self.text.replace_range(start..self.cursor, text);
        self.cursor = start + text.len();
    }

    /// Moves the cursor.
    pub(super) fn move_to(&mut self, place: Place) {
        self.cursor = self.place(place);
    }

    /// Deletes up to a place, for good.
    pub(super) fn delete_to(&mut self, place: Place) {
        self.remove_to(place);
    }

    /// Cuts up to a place; [`Edit::yank`] brings it back.
    pub(super) fn cut_to(&mut self, place: Place) {
        let removed = self.remove_to(place);
        if !removed.is_empty() {
            self.cut = removed;
        }
    }

    /// Inserts what was cut last.
    pub(super) fn yank(&mut self) {
        let cut = std::mem::take(&mut self.cut);
        self.insert(&cut);
        self.cut = cut;
    }

    /// Exchanges the two clusters around the cursor, or the last two at the end.
    pub(super) fn transpose(&mut self) {
        if self.cursor == self.text.len() {
            self.move_to(Place::Left);
        }
        let (left, right) = (self.place(Place::Left), self.place(Place::Right));
        if left < self.cursor && self.cursor < right {
            let swapped = [&self.text[self.cursor..right], &self.text[left..self.cursor]].concat();
            self.text.replace_range(left..right, &swapped);
            self.cursor = right;
        }
    }

    /// Removes what stands between the cursor and a place, and gives it.
    fn remove_to(&mut self, place: Place) -> String {
        let other = self.place(place);
        let (start, end) = (self.cursor.min(other), self.cursor.max(other));
        self.cursor = start;
        self.text.drain(start..end).collect()
    }

    /// Where a place is, in bytes.
    fn place(&self, place: Place) -> usize {
        let (left, right) = self.text.split_at(self.cursor);
        match place {
            Place::Start => 0,
            Place::End => self.text.len(),
            Place::Left => left.grapheme_indices(true).next_back().map_or(0, |(start, _)| start),
            Place::Right => next_boundary(&self.text, self.cursor),
            Place::WordLeft => word_start(left, |character| !character.is_alphanumeric()),
            Place::SpaceLeft => word_start(left, char::is_whitespace),
            Place::WordRight => {
                let word = right.find(char::is_alphanumeric).unwrap_or(right.len());
                let length = right[word..].find(|character: char| !character.is_alphanumeric());
                self.cursor + word + length.unwrap_or(right.len() - word)
            }
        }
    }
}

/// The beginning of the last word of a text whose words are set apart by such characters.
fn word_start(text: &str, is_apart: impl Fn(char) -> bool) -> usize {
    let words = text.trim_end_matches(&is_apart);
    words
        .char_indices()
        .rfind(|&(_, character)| is_apart(character))
        .map_or(0, |(at, character)| at + character.len_utf8())
}

/// Whether a cluster begins here or the text ends.
fn is_boundary(text: &str, at: usize) -> bool {
    // The whole text is given, so the answer never needs more of it.
    GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0).unwrap_or(true)
}

/// The end of the cluster that begins here, or in whose middle this is.
fn next_boundary(text: &str, at: usize) -> usize {
    // As above.
    GraphemeCursor::new(at, text.len(), true).next_boundary(text, 0).ok().flatten().unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line with `|` where the cursor stands.
    fn line(edit: &Edit) -> String {
        let (left, right) = edit.text.split_at(edit.cursor);
        format!("{left}|{right}")
    }

    /// A line written with `|` where the cursor stands.
    fn edit(line: &str) -> Edit {
        let (left, right) = line.split_once('|').unwrap();
        Edit { text: format!("{left}{right}"), cursor: left.len(), cut: String::new() }
    }

    #[test]
    fn cursor_moves_by_clusters_and_words() {
        for (before, place, after) in [
            ("abc|", Place::Left, "ab|c"),
            ("|abc", Place::Left, "|abc"),
            ("e\u{301}|", Place::Left, "|e\u{301}"),
            ("|👩\u{200d}👧x", Place::Right, "👩\u{200d}👧|x"),
            ("abc|", Place::Right, "abc|"),
            ("one, two|", Place::WordLeft, "one, |two"),
            ("one, |two", Place::WordLeft, "|one, two"),
            ("|one, two", Place::WordRight, "one|, two"),
            ("one|, two", Place::WordRight, "one, two|"),
            ("on|e", Place::Start, "|one"),
            ("on|e", Place::End, "one|"),
            ("a /b-c|", Place::SpaceLeft, "a |/b-c"),
        ] {
            let mut edit = edit(before);
            edit.move_to(place);
            assert_eq!(line(&edit), after, "{before} {place:?}");
        }
    }

    #[test]
    fn cut_text_comes_back_and_deleted_text_does_not() {
        let mut edit = edit("one two| three");
        edit.cut_to(Place::SpaceLeft);
        assert_eq!(line(&edit), "one | three");
        edit.delete_to(Place::End);
        edit.yank();
        edit.yank();
        assert_eq!(line(&edit), "one twotwo|");
        edit.cut_to(Place::Start);
        edit.cut_to(Place::Start);
        edit.yank();
        assert_eq!(line(&edit), "one twotwo|");
    }

    #[test]
    fn inserting_a_mark_keeps_the_cursor_between_clusters() {
        let mut edit = edit("e|x");
        edit.insert("\u{301}");
        assert_eq!(line(&edit), "e\u{301}|x");
        edit.move_to(Place::Left);
        edit.insert("👩\u{200d}");
        assert_eq!(line(&edit), "👩\u{200d}|e\u{301}x");
        let mut edit = Edit { text: "\u{301}".to_owned(), ..Edit::default() };
        edit.insert("e");
        assert_eq!(line(&edit), "e\u{301}|");
    }

    #[test]
    fn transposing_takes_the_clusters_around_the_cursor() {
        for (before, after) in [("ab|", "ba|"), ("a|bc", "ba|c"), ("|ab", "|ab"), ("a|", "|a"), ("|", "|")] {
            let mut edit = edit(before);
            edit.transpose();
            assert_eq!(line(&edit), after, "{before}");
        }
    }

    #[test]
    fn word_before_the_cursor_is_replaced() {
        let mut edit = edit("hi bo| x");
        edit.replace(3, "bob ");
        assert_eq!(line(&edit), "hi bob | x");
    }
}
