//! The texts that are published: each says who published it and which one it is, and the rest can be checked.

use std::ops::Range;

/// Shortest text: publisher and number.
pub(crate) const TEXT_BYTES_MIN: usize = 16;

/// Where the number stands; the publisher stands before it.
const NUMBER: Range<usize> = 5..15;

/// What texts are filled up with: each begins at another place of it.
const FILLING: &[u8; 2_048] = &filling();

/// Letters in an order that does not repeat soon.
const fn filling() -> [u8; 2_048] {
    let mut bytes = [0; 2_048];
    let mut state: u32 = 1;
    let mut index = 0;
    while index < bytes.len() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes[index] = b'a' + (state >> 24).to_le_bytes()[0] % 26;
        index += 1;
    }
    bytes
}

/// What a text of this publisher with this number ends with.
fn tail(publisher: usize, number: u32, bytes: usize) -> &'static [u8] {
    let from = (publisher * 31 + usize::try_from(number).unwrap_or(0)) % 1_000;
    &FILLING[from..from + bytes - TEXT_BYTES_MIN]
}

/// The text with this number of this publisher, in so many bytes: [`TEXT_BYTES_MIN`] to 1,024.
pub(crate) fn write(publisher: usize, number: u32, bytes: usize) -> Vec<u8> {
    let mut text = format!("{publisher:04} {number:010} ").into_bytes();
    text.extend_from_slice(tail(publisher, number, bytes));
    text
}

/// The publisher and the number of a text; `None` if it is not exactly what was written.
pub(crate) fn read(text: &[u8]) -> Option<(usize, u32)> {
    let number = |range| std::str::from_utf8(text.get(range)?).ok()?.parse::<u32>().ok();
    let publisher = usize::try_from(number(0..4)?).ok()?;
    let number = number(NUMBER)?;
    (text[TEXT_BYTES_MIN..] == *tail(publisher, number, text.len())).then_some((publisher, number))
}
