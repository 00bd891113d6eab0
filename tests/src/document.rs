//! Reading the documents: dumps, tables, requirement numbers.

use std::collections::{HashMap, HashSet};

/// The blocks ```` ```hex NAME ```` of a document, with the bytes of their lines.
pub fn dumps(document: &str) -> HashMap<String, Vec<u8>> {
    let mut dumps = HashMap::new();
    let mut open: Option<String> = None;
    for line in document.lines() {
        if let Some(name) = line.strip_prefix("```hex ") {
            assert!(dumps.insert(name.to_owned(), Vec::new()).is_none(), "{name} twice");
            open = Some(name.to_owned());
        } else if line == "```" {
            open = None;
        } else if let Some(name) = &open {
            let (written, meaning) = line.split_once("  ").unwrap_or_else(|| panic!("{line:?} has no meaning"));
            assert!(!meaning.trim().is_empty(), "{line:?} has no meaning");
            dumps.get_mut(name).expect("it was just inserted").extend(bytes(written));
        }
    }
    dumps
}

/// The one line in the block ```` ```sh NAME ```` of a document.
pub fn session<'d>(document: &'d str, name: &str) -> &'d str {
    let (_, behind) = document.split_once(&format!("\n```sh {name}\n")).unwrap_or_else(|| panic!("no session {name}"));
    let line = behind.split_once("\n```").expect("the block ends").0;
    assert!(!line.contains('\n'), "{line:?} is more than a line");
    line
}

/// Bytes in hexadecimal with spaces between them; `01…fe` stands for those from the first to the last.
pub fn bytes(written: &str) -> Vec<u8> {
    let byte = |digits: &str| {
        assert_eq!(digits.len(), 2, "{written:?}: {digits:?} is no byte");
        u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{written:?}: {digits:?} is no byte"))
    };
    let range = |item: &str| match item.split_once('…') {
        Some((first, last)) => (byte(first)..=byte(last)).collect(),
        None => vec![byte(item)],
    };
    written.split(' ').flat_map(range).collect()
}

/// The part of a document from this heading to the next one of its level or above.
pub fn section<'d>(document: &'d str, heading: &str) -> &'d str {
    let level = heading.chars().take_while(|&character| character == '#').count();
    let (_, behind) =
        document.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let ends = (1..=level).filter_map(|level| behind.find(&format!("\n{} ", "#".repeat(level))));
    &behind[..ends.min().unwrap_or(behind.len())]
}

/// The name of a message or an item as documents write it, from its `Debug`: `HISTORY_END` for `HistoryEnd`.
pub fn written_name(value: &impl std::fmt::Debug) -> String {
    let debug = format!("{value:?}");
    let mut written = String::new();
    for character in debug.chars().take_while(|character| character.is_alphanumeric()) {
        if character.is_uppercase() && !written.is_empty() {
            written.push('_');
        }
        written.push(character.to_ascii_uppercase());
    }
    written
}

/// The cells of every table row, heading and rule included.
pub fn rows(document: &str) -> impl Iterator<Item = Vec<&str>> {
    document
        .lines()
        .filter_map(|line| Some(line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect()))
}

/// Whether this word is a number such as RELAY-GREET-1.
fn is_requirement(word: &str) -> bool {
    word.rsplit_once('-').is_some_and(|(_, last)| last.parse::<u32>().is_ok())
}

/// A requirement's number, at the beginning of bold text.
fn requirement(paragraph: &str) -> Option<&str> {
    let number = paragraph.trim_start_matches("- ").strip_prefix("**")?.split([' ', '*']).next()?;
    is_requirement(number).then_some(number)
}

/// The requirement numbers of a document, each of which stands there once. Every MUST has one.
pub fn requirements(document: &str) -> HashSet<&str> {
    let mut numbers = HashSet::new();
    for paragraph in document.split("\n\n").flat_map(|paragraph| paragraph.split("\n- ")) {
        match requirement(paragraph) {
            Some(number) => assert!(numbers.insert(number), "{number} twice"),
            None => assert!(
                !paragraph.contains(" MUST ") || paragraph.contains("RFC 2119"),
                "a MUST without a number: {paragraph}"
            ),
        }
    }
    numbers
}

/// The requirement numbers with this prefix that a document names anywhere.
pub fn named_requirements<'d>(document: &'d str, prefix: &str) -> HashSet<&'d str> {
    let words = document.split(|character: char| !character.is_ascii_alphanumeric() && character != '-');
    words.filter(|word| word.starts_with(prefix) && is_requirement(word)).collect()
}
