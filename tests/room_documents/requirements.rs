//! Requirement numbers, the smallest client's stages, and the sections that the code refers to.

use super::document;
use tests::document::{named_requirements, requirements, rows, section};

#[test]
fn requirement_numbers_are_unique_and_every_must_has_one() {
    let document = document();
    let numbers = requirements(&document);
    assert!(numbers.len() > 50, "only {}", numbers.len());
    // Each number is the room's, and each that the text refers to exists.
    assert_eq!(named_requirements(&document, "ROOM-"), numbers);
}

#[test]
fn stages_hold_the_requirements_of_a_full_client_and_have_their_transcripts() {
    let document = document();
    let smallest = section(&document, "## The smallest client");
    let named = |title: &str| rows(smallest).find(|row| row[0] == title).unwrap_or_else(|| panic!("no row {title:?}"));
    let mut told = Vec::new();
    for stage in ["talk", "reconnect", "resume", "lag"] {
        let row = named(stage);
        for transcript in row[3].split("; ") {
            assert!(document.contains(&format!("\n### {transcript}\n")), "{stage}: no transcript {transcript:?}");
        }
        for words in row[2].split(", ").filter(|_| stage != "talk") {
            let words: Vec<_> = words.split(' ').collect();
            let (name, first) = words[0].rsplit_once('-').unwrap();
            let first: u32 = first.parse().unwrap();
            let last = if words.get(1) == Some(&"to") { words[2].parse().unwrap() } else { first };
            told.extend((first..=last).map(|number| format!("{name}-{number}")));
        }
    }
    told.sort();
    told.dedup();
    let mut full: Vec<_> = named("a full client besides")[1].split(", ").map(str::to_owned).collect();
    full.sort();
    assert_eq!(told, full);
}

#[test]
fn sections_are_where_the_code_refers_to() {
    let document = document();
    let headings: Vec<_> = document.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let expected = [
        "1. What it is",
        "The smallest client",
        "2. Encoding",
        "3. Framing",
        "4. The messages",
        "5. The client",
        "6. The server",
        "7. Ordering promises",
        "8. Limits and timers",
        "9. Security",
        "10. Worked transcripts",
        "11. Over a WebSocket",
    ];
    assert_eq!(headings, expected);
}
