//! How many cells of a terminal a text takes, cluster by cluster.
//!
//! Terminals disagree about some clusters: emoji with joiners, variation selectors, skin tones, and flags. For these the sum of
//! the widths of their characters is reserved, which is the most that any terminal takes, and the column behind them is set
//! explicitly ([`Cluster::is_unsure`]).

use super::display::Shown;
use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthChar as _;

/// One grapheme cluster (Unicode Standard Annex 29) as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cluster<'a> {
    /// Where it begins in the text, in bytes.
    pub(super) start: usize,
    /// What is written for it, through the display rule.
    pub(super) shown: Cow<'a, str>,
    /// The cells that it takes at most.
    pub(super) cells: usize,
    /// Whether terminals disagree about its width.
    pub(super) is_unsure: bool,
}

/// The clusters of a text, each shown on its own.
pub(super) fn clusters(text: &str) -> impl Iterator<Item = Cluster<'_>> {
    let mut column = 0;
    text.grapheme_indices(true).map(move |(start, cluster)| {
        let shown = match cluster {
            // A tab reaches the next stop of the whole text, which the cluster alone does not know.
            "\t" => Cow::Owned(" ".repeat(4 - column % 4)),
            _ if is_ordinary(cluster) => Cow::Borrowed(cluster),
            _ => Cow::Owned(shown_before(cluster, &text[start + cluster.len()..])),
        };
        let cells = shown.chars().map(|character| character.width().unwrap_or(0)).sum();
        column += cells;
        Cluster { start, is_unsure: is_unsure(&shown), shown, cells }
    })
}

/// What is written for a cluster: whether a joiner at its end stays depends on what follows.
fn shown_before(cluster: &str, rest: &str) -> String {
    let next = rest.chars().next().filter(|next| !next.is_ascii() && cluster.ends_with(['\u{200c}', '\u{200d}']));
    let mut shown = Shown(&cluster.chars().chain(next).collect::<String>()).to_string();
    if next.is_some() {
        // For what is not ASCII one character is written.
        shown.pop();
    }
    shown
}

/// The cells that a text takes which has been through the display rule.
pub(super) fn width(shown: &str) -> usize {
    shown.chars().map(|character| character.width().unwrap_or(0)).sum()
}

/// Whether a cluster is a letter or the like that needs no look at the display rule.
fn is_ordinary(cluster: &str) -> bool {
    matches!(cluster.as_bytes(), [b' '..=b'~'])
}

/// Whether terminals disagree about the width of this cluster.
fn is_unsure(cluster: &str) -> bool {
    cluster.chars().any(|character| {
        matches!(character, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{1f1e6}'..='\u{1f1ff}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cells of each cluster of a text, and whether its width is unsure.
    fn cells(text: &str) -> Vec<(usize, bool)> {
        clusters(text).map(|cluster| (cluster.cells, cluster.is_unsure)).collect()
    }

    #[test]
    fn narrow_wide_and_combining_clusters_have_their_cells() {
        assert_eq!(cells("a你e\u{301}"), [(1, false), (2, false), (1, false)]);
    }

    #[test]
    fn unsure_clusters_reserve_the_sum_of_their_widths() {
        assert_eq!(cells("👩\u{200d}👧🇩🇪👍🏽"), [(4, true), (2, true), (4, true)]);
    }

    #[test]
    fn joiner_between_two_clusters_stays_as_the_rule_demands() {
        for text in [
            "می\u{200c}خواهم",
            "ශ\u{dca}\u{200d}රී",
            "é\u{200d}a",
            "é\u{200d}",
            "\u{200d}é",
            "é\u{200c}\t",
            "é\u{200c}\u{200b}",
        ] {
            let shown: String = clusters(text).map(|cluster| cluster.shown).collect();
            assert_eq!(shown, Shown(text).to_string(), "{text:?}");
        }
    }

    #[test]
    fn tabs_and_control_characters_are_shown_as_the_rule_demands() {
        let shown: Vec<_> = clusters("ab\t\x1b\u{202e}").map(|cluster| cluster.shown.into_owned()).collect();
        assert_eq!(shown, ["a", "b", "  ", "\u{fffd}", "\u{fffd}"]);
        assert_eq!(cells("\t"), [(4, false)]);
    }
}
