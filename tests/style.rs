//! Rules of style that no lint checks.
#![cfg(not(loom))]

use tests::workspace::{read, sources};

/// The shipped part of each source file of core, host and the Pi's guest: what stands before its tests.
fn shipped_sources() -> Vec<(String, String)> {
    let all = sources(&["core/src", "host/src", "pi-image/guest/src"]).into_iter();
    all.map(|(name, text)| (name, text.split("#[cfg(test)]").next().unwrap().to_owned())).collect()
}

#[test]
fn every_file_begins_with_what_it_is() {
    for (name, text) in shipped_sources() {
        assert!(text.starts_with("//! "), "{name}");
    }
}

#[test]
fn files_hold_one_concept() {
    for (name, text) in shipped_sources() {
        let lines = text.lines().count();
        assert!(lines <= 400, "{name} has {lines} lines before its tests: look for the second concept");
    }
}

#[test]
fn standard_output_and_standard_error_are_written_by_the_log_alone() {
    for (name, text) in shipped_sources() {
        // A client's screen is not written by the log, and the Pi's guest is a program of its own.
        let is_ours = ["host/src/log.rs", "host/src/client", "host/src/terminal", "pi-image/"]
            .iter()
            .any(|part| name.starts_with(part));
        let writes =
            |line: &&str| ["stdout()", "stderr()", "print!(", "println!("].iter().any(|word| line.contains(word));
        let found: Vec<_> = text.lines().filter(writes).filter(|line| !line.contains("is_terminal()")).collect();
        assert!(is_ours || found.is_empty(), "{name}: {found:?}");
    }
}

#[test]
fn core_names_neither_std_nor_alloc() {
    for (name, text) in shipped_sources() {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found: Vec<_> = code.filter(|line| line.contains("std::") || line.contains("alloc::")).collect();
        assert!(!name.starts_with("core/") || found.is_empty(), "{name}: {found:?}");
    }
}

#[test]
fn errors_of_core_are_errors() {
    let ends = ["Error", "Full", "Overlong", "Truncated", "Rejected", "Lagged"];
    let mut count = 0;
    for (name, text) in shipped_sources().into_iter().filter(|(name, _)| name.starts_with("core/")) {
        for line in text.lines() {
            let declared = line.strip_prefix("pub enum ").or_else(|| line.strip_prefix("pub struct "));
            let Some(declared) = declared.and_then(|rest| rest.split([' ', ';', '(', '<']).next()) else { continue };
            if ends.iter().any(|end| declared.ends_with(end)) {
                assert!(text.contains(&format!("core::error::Error for {declared} ")), "{name}: {declared}");
                count += 1;
            }
        }
    }
    assert!(count >= 10, "only {count} errors found");
}

#[test]
fn examples_of_core_are_short_and_use_nothing_but_it() {
    for name in ["relay_client", "room_client", "room_server", "mesh_peer"] {
        let text = read(&format!("core/examples/{name}.rs"));
        assert!(text.lines().count() < 80, "{name}");
        let uses = text.lines().filter(|line| line.starts_with("use "));
        assert!(
            uses.clone().all(|line| line.starts_with("use std::") || line.starts_with("use chat_core::")),
            "{name}"
        );
    }
}

#[test]
fn no_test_sleeps() {
    let scenarios = sources(&["tests"]).into_iter().filter(|(name, _)| !name.starts_with("tests/benchmark/"));
    let shipped = sources(&["core/src", "host/src", "pi-image/guest/src"]).into_iter();
    let units =
        shipped.filter_map(|(name, text)| Some((name, text.split_once("#[cfg(test)]\nmod tests")?.1.to_owned())));
    for (name, text) in scenarios.chain(units) {
        let sleeps = |line: &&str| ["thread::sleep(", "Timer::after("].iter().any(|call| line.contains(call));
        let found: Vec<_> = text.lines().filter(|line| !line.contains("[\"thread")).filter(sleeps).collect();
        assert!(found.is_empty(), "{name}: {found:?}");
    }
}

#[test]
fn what_may_panic_has_its_reason_on_the_line_above() {
    for (name, text) in shipped_sources() {
        let mut above = "";
        for line in text.lines() {
            let may_panic = [".unwrap()", ".expect(", "panic!(", "unreachable!(", "todo!(", "unimplemented!("];
            if may_panic.iter().any(|call| line.contains(call)) {
                assert!(above.trim_start().starts_with("//"), "{name}: {line}");
            }
            above = line;
        }
    }
}

/// Whether a document has the section of this number, with this title if one is given.
fn has_section(document: &str, number: &str, title: Option<&str>) -> bool {
    document.lines().any(|line| {
        let heading = line.strip_prefix("## ").or_else(|| line.strip_prefix("### "));
        let words = heading.and_then(|heading| heading.strip_prefix(number)).unwrap_or_default();
        let written = words.strip_prefix(". ").or_else(|| words.strip_prefix(' '));
        written.is_some_and(|written| title.is_none_or(|title| title == written))
    })
}

#[test]
fn sections_that_the_code_names_are_those_of_the_documents() {
    for (name, text) in shipped_sources() {
        for mention in text.split("docs/").skip(1) {
            let Some((document, words)) = mention.split_once(".md") else { continue };
            let Some(words) = words.strip_prefix(" section ") else { continue };
            let number = words.split(|character: char| !character.is_ascii_digit() && character != '.').next().unwrap();
            let title = words[number.len()..].strip_prefix(", \"").and_then(|behind| behind.split('"').next());
            // The mesh's document has so many sections that a number alone goes wrong unnoticed.
            assert!(title.is_some() || document != "mesh-protocol", "{name}: section {number} without its title");
            let number = number.trim_end_matches('.');
            let is_there = has_section(&read(&format!("docs/{document}.md")), number, title);
            assert!(is_there, "{name}: docs/{document}.md has no section {number} {title:?}");
        }
    }
}
