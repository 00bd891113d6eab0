//! Where the line that is being typed stands on the screen: rows of cells, and the cursor in them.
//!
//! A row never fills the last column, so the terminal never wraps by itself and the cursor always has a cell.

use super::cells::{Cluster, clusters, width};
use std::fmt::Write as _;

/// A text in rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The rows as they are written, without their ends. Behind clusters of unsure width the column is set explicitly.
    pub(super) rows: Vec<String>,
    /// The row that the cursor stands in, from 0.
    pub(super) cursor_row: usize,
    /// The column that it stands in, from 0.
    pub(super) cursor_column: usize,
}

impl Layout {
    /// Lays out a text behind a prompt, on a screen so many columns wide. The prompt has been through the display rule, and the text
    /// goes through it here. `cursor` is a place between two clusters of the text, in bytes. Work is bounded by the length of the text.
    pub(super) fn new(prompt: &str, text: &str, cursor: usize, columns: usize) -> Self {
        let row_cells = columns.max(2) - 1;
        let mut column = width(prompt);
        let mut layout = Self { rows: vec![prompt.to_owned()], cursor_row: 0, cursor_column: column };
        for cluster in clusters(text) {
            let Cluster { start, shown, cells, is_unsure } = cluster;
            // A cluster that is wider than the whole row cannot be shown.
            let (shown, cells) = if cells > row_cells { ("\u{fffd}", 1) } else { (&*shown, cells) };
            if column + cells > row_cells {
                layout.rows.push(String::new());
                column = 0;
            }
            if start == cursor {
                (layout.cursor_row, layout.cursor_column) = (layout.rows.len() - 1, column);
            }
            column += cells;
            if let Some(row) = layout.rows.last_mut() {
                row.push_str(shown);
                if is_unsure {
                    // Writing to a string does not fail.
                    let _ = write!(row, "\x1b[{}G", column + 1);
                }
            }
        }
        if cursor == text.len() {
            (layout.cursor_row, layout.cursor_column) = (layout.rows.len() - 1, column);
        }
        layout
    }

    /// Keeps no more rows than these, with the cursor's among them.
    pub(super) fn cut_to(&mut self, rows_max: usize) {
        let rows_max = rows_max.max(1);
        let top = (self.cursor_row + 1).saturating_sub(rows_max);
        self.rows.drain(..top);
        self.rows.truncate(rows_max);
        self.cursor_row -= top;
    }
}

/// As much of a text as fits into one row of so many cells, with `…` where it was cut. It goes through the display rule.
pub(super) fn cut(text: &str, cells_max: usize) -> String {
    let (mut row, mut column) = (String::new(), 0);
    let mut rest = clusters(text).peekable();
    while let Some(cluster) = rest.next() {
        let needs = cluster.cells + usize::from(rest.peek().is_some());
        if column + needs > cells_max {
            row.push('…');
            break;
        }
        column += cluster.cells;
        row.push_str(&cluster.shown);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a text behind `] ` with the cursor at its end, and where the cursor stands.
    fn laid_out(text: &str, columns: usize) -> (Vec<String>, (usize, usize)) {
        let layout = Layout::new("] ", text, text.len(), columns);
        (layout.rows, (layout.cursor_row, layout.cursor_column))
    }

    #[test]
    fn rows_leave_the_last_column_free() {
        assert_eq!(laid_out("", 10), (vec!["] ".to_owned()], (0, 2)));
        assert_eq!(laid_out("1234567", 10), (vec!["] 1234567".to_owned()], (0, 9)));
        assert_eq!(laid_out("12345678", 10), (vec!["] 1234567".to_owned(), "8".to_owned()], (1, 1)));
    }

    #[test]
    fn wide_cluster_at_the_border_goes_to_the_next_row_whole() {
        assert_eq!(laid_out("123456你x", 10), (vec!["] 123456".to_owned(), "你x".to_owned()], (1, 3)));
        assert_eq!(laid_out("12345你x", 10), (vec!["] 12345你".to_owned(), "x".to_owned()], (1, 1)));
    }

    #[test]
    fn column_behind_an_unsure_cluster_is_set() {
        assert_eq!(laid_out("👍🏽x", 20), (vec!["] 👍🏽\x1b[7Gx".to_owned()], (0, 7)));
    }

    #[test]
    fn mark_in_the_last_column_stays_with_its_letter() {
        assert_eq!(laid_out("123456e\u{301}", 10), (vec!["] 123456e\u{301}".to_owned()], (0, 9)));
    }

    #[test]
    fn screen_of_hardly_any_columns_is_no_failure() {
        for columns in 0..4 {
            let (rows, _) = laid_out("a你b", columns);
            assert!(rows.len() >= 3, "{rows:?}");
        }
    }

    #[test]
    fn window_keeps_the_row_of_the_cursor() {
        let text = "0123456789".repeat(4);
        for cursor in 0..=text.len() {
            let whole = Layout::new("] ", &text, cursor, 11);
            let mut part = whole.clone();
            part.cut_to(2);
            assert_eq!(part.rows.len(), 2);
            assert_eq!(part.rows[part.cursor_row], whole.rows[whole.cursor_row], "{cursor}");
        }
    }

    #[test]
    fn text_that_does_not_fit_into_a_row_is_cut_visibly() {
        for (text, row) in [("abc", "abc"), ("abcd", "ab…"), ("你你", "你…"), ("a\tb", "a…"), ("", "")] {
            assert_eq!(cut(text, 3), row, "{text}");
        }
    }
}
