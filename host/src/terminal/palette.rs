//! The colour of a name: the same in every program and after every restart, and readable on dark and on light ground.

/// The colours, by their number among the 256 that terminals have (ISO 8613-6, SGR 38;5). Each has a contrast of at least 3.5 to
/// black and to white (WCAG 2.1 wants 3 for large text).
pub(super) const COLORS: [u8; 12] = [160, 166, 130, 100, 64, 28, 30, 32, 62, 98, 164, 162];

/// The number of the colour that a name has: FNV-1a of 32 bits over the UTF-8 of the name in lower case, modulo the number of colours.
pub(super) fn color(name: &str) -> u8 {
    let lower =
        name.chars().flat_map(char::to_lowercase).map(|character| if character == 'ς' { 'σ' } else { character });
    let mut bytes = [0; 4];
    let hash = lower.fold(0x811c_9dc5_u32, |hash, character| {
        let encoded = character.encode_utf8(&mut bytes).as_bytes();
        encoded.iter().fold(hash, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    });
    COLORS[hash as usize % COLORS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of one of the 216 colours of the cube (WCAG 2.1).
    fn luminance(color: u8) -> f64 {
        let level = |step: u8| [0.0, 95.0, 135.0, 175.0, 215.0, 255.0][usize::from(step)] / 255.0;
        let linear = |level: f64| if level <= 0.03928 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) };
        let step = color - 16;
        0.2126 * linear(level(step / 36)) + 0.7152 * linear(level(step / 6 % 6)) + 0.0722 * linear(level(step % 6))
    }

    #[test]
    fn every_color_is_readable_on_black_and_on_white() {
        for color in COLORS {
            let luminance = luminance(color);
            let (on_white, on_black) = (1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05);
            assert!(on_white >= 3.5 && on_black >= 3.5, "{color}: {on_white} {on_black}");
        }
    }

    #[test]
    fn color_of_a_name_never_changes_and_does_not_depend_on_its_case() {
        assert_eq!(
            ["ann", "bob", "Jürgen", "192.0.2.1:9"].map(color),
            ["ANN", "Bob", "jÜrgen", "192.0.2.1:9"].map(color)
        );
        // FNV-1a of "a" is 0xe40c292c.
        assert_eq!(color("A"), COLORS[0xe40c_292c_usize % 12]);
    }
}
