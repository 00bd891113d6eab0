//! The display rule: the clients against docs/display.md, from which others write their clients.
#![cfg(not(loom))]

use chat_host::terminal::display::Shown;
use tests::document::{rows, section};
use tests::workspace::read;

#[test]
fn every_case_of_the_document_is_shown_as_it_says() {
    let document = read("docs/display.md");
    let string = |cell: &str| -> String { serde_json::from_str(cell.trim_matches('`')).expect(cell) };
    let cases: Vec<_> = rows(section(&document, "## Cases")).filter(|row| row[0].starts_with('`')).collect();
    assert!(cases.len() > 20, "only {} cases", cases.len());
    for case in cases {
        assert_eq!(Shown(&string(case[0])).to_string(), string(case[1]), "{}", case[2]);
    }
}

#[test]
fn characters_that_the_document_lists_are_replaced_and_no_others() {
    let document = read("docs/display.md");
    let rule = document.split("**DISPLAY-4**").nth(1).unwrap().split("- **DISPLAY-5**").next().unwrap();
    let mut listed = vec![];
    for word in rule.split([' ', ',', ';', ':', '.', '\n']) {
        let word = word.trim_start_matches("U+");
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        if first.len() >= 4
            && let (Ok(first), Ok(last)) = (u32::from_str_radix(first, 16), u32::from_str_radix(last, 16))
            && first != 0xfffd
        {
            listed.push(first..=last);
        }
    }
    for character in (0..=0x10_ffff).filter_map(char::from_u32).filter(|character| !matches!(character, '\t' | '\n')) {
        let expected = listed.iter().any(|range| range.contains(&u32::from(character)));
        // The character stands behind a letter, so that a byte order mark is not at the front.
        let replaced = character != '\u{fffd}' && Shown(&format!("a{character}")).to_string() == "a\u{fffd}";
        assert_eq!(replaced, expected, "U+{:04X}", u32::from(character));
    }
}
