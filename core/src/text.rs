//! The text of a message: 1 to 1,024 bytes of UTF-8. Any other text is refused as a whole, never cut.
//!
//! It may hold any character, control characters included: the program that shows a text has to make it safe to show.

use crate::limits::TEXT_BYTES_MAX;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// The text of one message, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Text<'a>(&'a str);

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextError {
    /// It has no bytes.
    Empty,
    /// It has more than [`TEXT_BYTES_MAX`] bytes.
    Overlong,
}

impl<'a> Text<'a> {
    /// Checks the length.
    ///
    /// # Errors
    /// [`TextError`] when it is empty or too long.
    pub const fn new(text: &'a str) -> Result<Self, TextError> {
        match text.len() {
            0 => Err(TextError::Empty),
            1..=TEXT_BYTES_MAX => Ok(Self(text)),
            _ => Err(TextError::Overlong),
        }
    }

    /// The text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(<&str>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the text is empty"),
            Self::Overlong => write!(f, "the text is longer than {TEXT_BYTES_MAX} bytes"),
        }
    }
}

impl core::error::Error for TextError {}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn empty_text_is_refused() {
        assert_eq!(Text::new(""), Err(TextError::Empty));
    }

    #[test]
    fn longest_text_fits_and_one_more_byte_is_refused() {
        let text = std::string::String::from_utf8([b'x'; TEXT_BYTES_MAX + 1].to_vec()).unwrap();
        assert_eq!(Text::new(&text[1..]).unwrap().as_str().len(), TEXT_BYTES_MAX);
        assert_eq!(Text::new(&text), Err(TextError::Overlong));
    }

    #[test]
    fn wire_text_is_checked_and_borrowed() {
        let wire = [2, b'h', b'i'];
        let text: Text<'_> = postcard::from_bytes(&wire).unwrap();
        assert_eq!(text.as_str().as_ptr(), wire[1..].as_ptr());
        assert_eq!(postcard::to_slice(&text, &mut [0xa5; 8]).unwrap(), wire);
        assert!(postcard::from_bytes::<Text<'_>>(&[0]).is_err());
        assert!(postcard::from_bytes::<Text<'_>>(&[2, 0xc3, 0x28]).is_err());
    }
}
