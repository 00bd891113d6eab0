//! The text of a file that any editor may have written: byte order marks, UTF-16, line ends of three systems.

/// Decodes UTF-8, or UTF-16 with its mark (some editors call it Unicode). Other bytes become U+FFFD, which no setting takes.
pub(super) fn decode(bytes: &[u8]) -> String {
    let utf_16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// The lines, counted as an editor counts them: CR LF, LF and CR each end a line.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        line.split('\r')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_of_common_editors_are_read() {
        let units: Vec<u16> = "a=ü\r\n".encode_utf16().collect();
        let mut little = vec![0xff, 0xfe];
        little.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        let mut big = vec![0xfe, 0xff];
        big.extend(units.iter().flat_map(|unit| unit.to_be_bytes()));
        for bytes in [little, big, "\u{feff}a=ü\r\n".into(), "a=ü\r\n".into()] {
            assert_eq!(decode(&bytes), "a=ü\r\n", "{bytes:x?}");
        }
    }

    #[test]
    fn bytes_of_no_encoding_are_marked() {
        assert_eq!(decode(b"a=\xfc"), "a=\u{fffd}");
        assert_eq!(decode(b""), "");
        // Half a unit at the end.
        assert_eq!(decode(b"\xff\xfea\0b"), "a");
    }

    #[test]
    fn line_ends_of_three_systems_count_alike() {
        for text in ["a\nb\n\nc", "a\r\nb\r\n\r\nc", "a\rb\r\rc", "a\r\nb\n\rc"] {
            assert_eq!(lines(text).collect::<Vec<_>>(), ["a", "b", "", "c"], "{text:?}");
        }
    }
}
