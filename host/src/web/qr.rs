//! The QR code of an address: for the page, and for a terminal.

use qrcodegen::{QrCode, QrCodeEcc};
use std::fmt::Write as _;

/// Light modules around the code, which the standard asks for.
const QUIET_MODULES: i32 = 4;

/// The code of a text, unless that is longer than any code holds.
fn encode(text: &str) -> Option<QrCode> {
    QrCode::encode_text(text, QrCodeEcc::Medium).ok()
}

/// The code as a picture for the page, dark on light whatever the page's colours are.
pub(super) fn svg(text: &str) -> Option<String> {
    let code = encode(text)?;
    let side = code.size() + 2 * QUIET_MODULES;
    let mut path = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|&x| code.get_module(x, y)) {
            // Writing to a String does not fail.
            let _ = write!(path, "M{} {}h1v1h-1z", x + QUIET_MODULES, y + QUIET_MODULES);
        }
    }
    Some(format!(
        "<svg viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"QR code of the address\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/><path fill=\"#000\" d=\"{path}\"/></svg>"
    ))
}

/// The code as lines for a terminal: two rows of modules in each, black on white whatever the terminal's colours are.
pub(crate) fn lines(text: &str) -> Option<String> {
    let code = encode(text)?;
    let (from, to) = (-QUIET_MODULES, code.size() + QUIET_MODULES);
    let mut lines = String::new();
    let mut y = from;
    while y < to {
        lines += "\x1b[30;47m";
        for x in from..to {
            lines.push(match (code.get_module(x, y), code.get_module(x, y + 1)) {
                (false, false) => ' ',
                (true, false) => '▀',
                (false, true) => '▄',
                (true, true) => '█',
            });
        }
        lines += "\x1b[0m\n";
        y += 2;
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://192.168.1.5:9393/";

    #[test]
    fn code_on_a_terminal_has_all_modules_and_a_quiet_zone() {
        let code = encode(URL).unwrap();
        let side = usize::try_from(code.size() + 2 * QUIET_MODULES).unwrap();
        let lines = lines(URL).unwrap();
        let rows: Vec<_> = lines.lines().map(|line| line.replace("\x1b[30;47m", "").replace("\x1b[0m", "")).collect();
        assert_eq!(rows.len(), side.div_ceil(2));
        assert!(rows.iter().all(|row| row.chars().count() == side && row.starts_with("    ") && row.ends_with("    ")));
        let dark = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
        let count = dark.filter(|&(x, y)| code.get_module(x, y)).count();
        let drawn = |character| if character == '█' { 2 } else { usize::from("▀▄".contains(character)) };
        assert_eq!(lines.chars().map(drawn).sum::<usize>(), count);
        assert_eq!(svg(URL).unwrap().matches("h1v1").count(), count);
    }

    #[test]
    fn text_that_is_too_long_has_no_code() {
        assert!(lines(&"x".repeat(10_000)).is_none());
    }
}
