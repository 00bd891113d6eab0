//! What a run has found.

use std::fmt;

/// A rule of docs/mesh-protocol.md that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which: the number of an invariant, or what holds at rest or in time.
    pub rule: &'static str,
    /// When, in milliseconds since the beginning.
    pub at_ms: u64,
    /// How.
    pub words: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} broken at {} ms: {}", self.rule, self.at_ms, self.words)
    }
}

/// [`Ok`], or the rule that was broken.
pub type Checked = Result<(), Violation>;

/// Fails with this rule unless `holds`.
///
/// # Errors
/// The violation.
pub fn check(rule: &'static str, at_ms: u64, holds: bool, words: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Violation { rule, at_ms, words: words() }) }
}
