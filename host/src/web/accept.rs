//! The answer to the key of a WebSocket's handshake (RFC 6455 section 4.2.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

/// What is appended to the client's key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a key before it is written as text.
const KEY_BYTES: usize = 16;

/// The value of `Sec-WebSocket-Accept` for that of `Sec-WebSocket-Key`; `None` if the key is not 16 bytes in Base64.
pub(super) fn accept(key: &str) -> Option<String> {
    if STANDARD.decode(key).ok()?.len() != KEY_BYTES {
        return None;
    }
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    Some(STANDARD.encode(hash.digest().bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_the_rfc_is_accepted() {
        // Section 1.3.
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ==").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn key_of_any_other_form_is_none() {
        for key in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZTEy",
            "dGhlIHNhbXBsZSBub25jZ!==",
            "dGhlIHNhbXBsZSBub25jZQ===",
        ] {
            assert_eq!(accept(key), None, "{key}");
        }
    }
}
