//! What the tabulator key completes: the names of those who are here, and commands at the beginning of the line.

use super::edit::Edit;
use std::collections::BTreeSet;

/// Names that are offered; more are not taken up.
const NAMES_MAX: usize = 4_096;

/// What may be completed, and what was completed last.
#[derive(Debug)]
pub(super) struct Completion {
    /// The commands, each with its slash.
    commands: &'static [&'static str],
    /// The names of those who are here.
    names: BTreeSet<String>,
    /// What the last key has completed, if no other key came since.
    last: Option<Completed>,
}

/// A word that was completed, and may be exchanged by the next.
#[derive(Debug)]
struct Completed {
    /// Where the word begins in the line.
    start: usize,
    /// Everything that it may be.
    candidates: Vec<String>,
    /// Which of them stands there.
    index: usize,
}

impl Completion {
    /// Nobody is here yet.
    pub(super) const fn new(commands: &'static [&'static str]) -> Self {
        Self { commands, names: BTreeSet::new(), last: None }
    }

    /// Somebody is here.
    pub(super) fn add(&mut self, name: &str) {
        if self.names.len() < NAMES_MAX && !self.names.contains(name) {
            self.names.insert(name.to_owned());
        }
    }

    /// Somebody has left.
    pub(super) fn remove(&mut self, name: &str) {
        self.names.remove(name);
    }

    /// Another key was pressed: the next one begins anew.
    pub(super) fn reset(&mut self) {
        self.last = None;
    }

    /// Completes the word before the cursor; pressed again, exchanges it for the next that begins the same.
    pub(super) fn complete(&mut self, edit: &mut Edit) {
        match &mut self.last {
            Some(last) => last.index = (last.index + 1) % last.candidates.len(),
            None => self.last = self.begin(edit),
        }
        if let Some(last) = &self.last {
            edit.replace(last.start, &last.candidates[last.index]);
        }
    }

    /// What the word before the cursor may be; `None` if nothing begins like it.
    fn begin(&self, edit: &Edit) -> Option<Completed> {
        let line = &edit.text()[..edit.cursor()];
        let start = line
            .rfind(char::is_whitespace)
            .map_or(0, |space| space + line[space..].chars().next().map_or(0, char::len_utf8));
        let word = line[start..].to_lowercase();
        if word.is_empty() {
            return None;
        }
        let behind = if start == 0 { ": " } else { " " };
        let names = self.names.iter().filter(|name| name.to_lowercase().starts_with(&word));
        let candidates: Vec<_> = match start == 0 && word.starts_with('/') {
            true => {
                self.commands.iter().filter(|name| name.starts_with(&word)).map(|name| format!("{name} ")).collect()
            }
            false => names.map(|name| format!("{name}{behind}")).collect(),
        };
        (!candidates.is_empty()).then_some(Completed { start, candidates, index: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that come of pressing the key so often behind this text.
    fn completed(text: &str, times: usize) -> Vec<String> {
        let mut completion = Completion::new(&["/help", "/me"]);
        for name in ["ann", "Anton", "bob"] {
            completion.add(name);
        }
        completion.remove("bob");
        let mut edit = Edit::default();
        edit.set(text.to_owned());
        let press = |_| {
            completion.complete(&mut edit);
            edit.text().to_owned()
        };
        (0..times).map(press).collect()
    }

    #[test]
    fn names_are_completed_in_turn_whatever_their_case() {
        assert_eq!(completed("a", 3), ["Anton: ", "ann: ", "Anton: "]);
        assert_eq!(completed("hi AN", 2), ["hi Anton ", "hi ann "]);
        assert_eq!(completed("bo", 1), ["bo"]);
        assert_eq!(completed("hi ", 1), ["hi "]);
    }

    #[test]
    fn commands_are_completed_at_the_beginning_only() {
        assert_eq!(completed("/h", 2), ["/help ", "/help "]);
        assert_eq!(completed("x /h", 1), ["x /h"]);
    }

    #[test]
    fn no_more_names_are_kept_than_may_be() {
        let mut completion = Completion::new(&[]);
        for number in 0..=NAMES_MAX {
            completion.add(&number.to_string());
        }
        assert_eq!(completion.names.len(), NAMES_MAX);
    }
}
