//! The rule for names: core against docs/names.md and docs/names.tsv, from which others write their programs.
#![cfg(not(loom))]

use chat_core::username::{Username, UsernameError};
use std::collections::HashMap;

const RULE: &str = include_str!("../docs/names.md");
const TABLE: &str = include_str!("../docs/names.tsv");

/// The contents of docs/names.tsv, read as docs/names.md says.
#[derive(Default)]
struct Table {
    classes: HashMap<u32, &'static str>,
    keys: HashMap<u32, String>,
}

impl Table {
    /// Reads the file.
    fn read() -> Self {
        let mut table = Self::default();
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<_> = line.split('\t').collect();
            let (first, last) = (code(columns[0]), code(columns[1]));
            match columns[2..] {
                [class] => table.classes.extend((first..=last).map(|point| (point, class))),
                ["key", step, to] => {
                    for point in (first..=last).step_by(step.parse().unwrap()) {
                        let key = to.split(' ').map(|to| char::from_u32(code(to) + point - first).unwrap());
                        assert!(table.keys.insert(point, key.collect()).is_none(), "{line}");
                    }
                }
                _ => panic!("{line}"),
            }
        }
        table
    }

    /// The key of a name or its refusal by docs/names.md. This function was written from the document alone.
    fn judge(&self, name: &str) -> Result<String, &'static str> {
        let class = |character: char| self.classes.get(&u32::from(character)).copied();
        let is_punctuation = |character: &char| "-_.".contains(*character);
        let is_latin = |&character: &char| class(character) == Some("latin");
        let characters: Vec<_> = name.chars().collect();
        let (Some(first), Some(last)) = (characters.first(), characters.last()) else { return Err("empty") };
        if name.len() > 32 {
            return Err("overlong");
        }
        for &character in &characters {
            match class(character) {
                Some("not-composed") => return Err("not composed"),
                None if !is_punctuation(&character) => return Err("character"),
                _ => {}
            }
        }
        let is_mark = |&character: &char| class(character) == Some("mark");
        let tower = characters.windows(4).any(|four| four.iter().all(is_mark));
        if is_mark(first) || is_punctuation(first) || is_punctuation(last) || tower {
            return Err("placement");
        }
        let is_other = |&character: &char| {
            matches!(class(character), Some("letter" | "mark"))
                || class(character) == Some("digit") && !character.is_ascii()
        };
        if characters.iter().any(is_latin) && characters.iter().any(is_other) {
            return Err("mixed scripts");
        }
        Ok(self.key(name))
    }

    /// The key of a name.
    fn key(&self, name: &str) -> String {
        name.chars().map(|character| self.keys.get(&character.into()).cloned().unwrap_or(character.into())).collect()
    }
}

/// A code point of docs/names.tsv.
fn code(hexadecimal: &str) -> u32 {
    u32::from_str_radix(hexadecimal, 16).unwrap()
}

/// The key of a name or its refusal by core, in the words of docs/names.md.
fn core_says(name: &str) -> Result<String, &'static str> {
    match Username::new(name) {
        Ok(name) => Ok(name.key().as_str().into()),
        Err(UsernameError::Empty) => Err("empty"),
        Err(UsernameError::Overlong) => Err("overlong"),
        Err(UsernameError::Character) => Err("character"),
        Err(UsernameError::NotComposed) => Err("not composed"),
        Err(UsernameError::Placement) => Err("placement"),
        Err(UsernameError::MixedScripts) => Err("mixed scripts"),
    }
}

/// Every row of the table of cases: name, result, key.
fn cases() -> Vec<(String, &'static str, Option<String>)> {
    let case = |line: &'static str| {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let string = |column: &str| serde_json::from_str(column.trim_matches('`')).expect(line);
        (string(columns[1]), columns[2], (!columns[3].is_empty()).then(|| string(columns[3])))
    };
    let section = RULE.lines().skip_while(|&line| line != "## Cases").skip(1).take_while(|line| !line.starts_with('#'));
    // The heading of the table has two lines.
    section.filter(|line| line.starts_with('|')).skip(2).map(case).collect()
}

#[test]
fn every_code_point_is_judged_and_keyed_as_documented() {
    let table = Table::read();
    for character in '\0'..=char::MAX {
        // Alone, a mark behaves differently from letters and digits. Behind a letter, Latin letters differ from others, and both from digits.
        let befores = if table.classes.contains_key(&character.into()) { &["", "a", "ж"][..] } else { &[""] };
        for before in befores {
            let name = format!("{before}{character}");
            assert_eq!(core_says(&name), table.judge(&name), "{name:?}");
        }
    }
}

#[test]
fn every_short_name_of_each_kind_of_character_is_judged_as_documented() {
    let table = Table::read();
    let mut names = vec![String::new()];
    for _ in 0..5 {
        let longer = |name: &String| {
            ["a", "ж", "\u{5b7}", "1", "\u{663}", "-", " ", "\u{301}"].map(|next| format!("{name}{next}"))
        };
        names = names.iter().flat_map(longer).collect();
        for name in &names {
            assert_eq!(core_says(name), table.judge(name), "{name:?}");
        }
    }
}

#[test]
fn every_case_of_the_document_has_its_result_and_key() {
    let table = Table::read();
    for (name, result, key) in cases() {
        let documented = if result == "ok" { Ok(key.unwrap()) } else { Err(result) };
        assert_eq!(core_says(&name), documented, "{name:?}");
        assert_eq!(table.judge(&name), documented, "{name:?}");
    }
}

#[test]
fn cases_of_the_document_show_every_result() {
    let cases = cases();
    for result in ["ok", "empty", "overlong", "character", "not composed", "placement", "mixed scripts"] {
        assert!(cases.iter().any(|case| case.1 == result), "{result}");
    }
    assert!(cases.iter().all(|case| (case.1 == "ok") == case.2.is_some()));
}

/// Core does not use this mapping. If this test fails after an update of Rust, core is still right: then the sentences of
/// docs/names.md about `name.to_lowercase()` and its like in other languages have to be corrected.
#[test]
fn lower_case_of_this_compiler_is_the_frozen_one() {
    let table = Table::read();
    for (&point, _) in table.classes.iter().filter(|(_, class)| **class != "not-composed") {
        let name = char::from_u32(point).unwrap().to_string();
        assert_eq!(name.to_lowercase().replace('ς', "σ"), table.key(&name), "U+{point:04X}");
    }
    // `to_lowercase` of a whole string turns a Σ behind a letter into ς.
    assert_eq!("ΑΣ".to_lowercase().replace('ς', "σ"), table.key("ΑΣ"));
}
