//! The lines that were typed before, to be recalled with the arrow keys.

use std::collections::VecDeque;

/// Lines that are remembered; the oldest is forgotten for a new one.
const LINES_MAX: usize = 500;

/// The lines, and which of them is shown.
#[derive(Debug, Default)]
pub(super) struct Recall {
    /// The lines, oldest first.
    lines: VecDeque<String>,
    /// Which line is shown; `None` for the one that is being typed.
    shown: Option<usize>,
    /// What was being typed when the first line was recalled.
    draft: String,
}

impl Recall {
    /// Nothing was entered yet.
    pub(super) const EMPTY: Self = Self { lines: VecDeque::new(), shown: None, draft: String::new() };

    /// Remembers a line that was entered. The same line twice in a row is remembered once.
    pub(super) fn push(&mut self, line: &str) {
        self.shown = None;
        if line.is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    /// The line before the one that is shown, which is `current`; `None` if there is none.
    pub(super) fn older(&mut self, current: &str) -> Option<String> {
        let index = self.shown.unwrap_or(self.lines.len()).checked_sub(1)?;
        if self.shown.is_none() {
            current.clone_into(&mut self.draft);
        }
        self.shown = Some(index);
        self.lines.get(index).cloned()
    }

    /// The line behind the one that is shown; at last the one that was being typed. `None` if that is shown.
    pub(super) fn newer(&mut self) -> Option<String> {
        let index = self.shown? + 1;
        let line = self.lines.get(index).cloned();
        self.shown = line.is_some().then_some(index);
        Some(line.unwrap_or_else(|| std::mem::take(&mut self.draft)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_recalled_back_and_forth_and_the_draft_comes_last() {
        let mut recall = Recall::default();
        assert_eq!(recall.older("draft"), None);
        for line in ["one", "two", "two", ""] {
            recall.push(line);
        }
        assert_eq!(recall.newer(), None);
        assert_eq!(recall.older("draft").as_deref(), Some("two"));
        assert_eq!(recall.older("two").as_deref(), Some("one"));
        assert_eq!(recall.older("one"), None);
        assert_eq!(recall.newer().as_deref(), Some("two"));
        assert_eq!(recall.newer().as_deref(), Some("draft"));
        assert_eq!(recall.newer(), None);
    }

    #[test]
    fn oldest_line_is_forgotten_for_one_too_many() {
        let mut recall = Recall::default();
        for number in 0..=LINES_MAX {
            recall.push(&number.to_string());
        }
        assert_eq!((recall.lines.len(), recall.lines[0].as_str()), (LINES_MAX, "1"));
    }
}
