//! What relay clients and servers say (docs/relay-protocol.md section 4).

use crate::datagram::{self, ItemError, Protocol};
use crate::limits::RELAY_ECHO_BYTES_MAX;
use crate::refusal::RefusalReason;
use crate::text::Text;
use core::net::SocketAddr;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// Magic and version of every relay datagram.
pub const PROTOCOL: Protocol = Protocol { magic: *b"CHR", version: 1 };

/// How many tags this version knows: the variants of [`Message`].
pub const TAG_COUNT: u32 = 6;

/// The UDP port of a relay, unless its operator chooses another.
pub const PORT: u16 = 9_090;

/// One item of a relay datagram. The order of the variants is their tag on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message<'a> {
    /// Client to server: send me what is said from now on.
    Greeting {
        /// Optional features that the client understands, one bit each; none is defined yet.
        features: u32,
    },
    /// Client to server: say this to all.
    Message {
        /// Chosen by the client and repeated in INCOMING, so that the client knows its own messages.
        number: u32,
        /// What is said.
        #[serde(borrow)]
        text: Text<'a>,
    },
    /// Server to client: somebody said this.
    Incoming {
        /// The number that the sender chose.
        number: u32,
        /// Where the server saw the sender.
        sender: SocketAddr,
        /// What was said.
        #[serde(borrow)]
        text: Text<'a>,
    },
    /// Server to client: your GREETING is refused.
    Refused {
        /// Why.
        reason: RefusalReason,
    },
    /// Anybody to server: are you there?
    Probe {
        /// Comes back unchanged.
        #[serde(borrow)]
        echo: Echo<'a>,
    },
    /// Server to the sender of PROBE: yes.
    Probed {
        /// What PROBE held.
        #[serde(borrow)]
        echo: Echo<'a>,
    },
}

impl<'a> Message<'a> {
    /// Decodes one item. Bytes after its known fields are ignored.
    ///
    /// # Errors
    /// [`ItemError`] when the item is to be skipped.
    pub fn decode(item: &'a [u8]) -> Result<Self, ItemError> {
        datagram::decode_item(item, TAG_COUNT)
    }
}

/// Up to [`RELAY_ECHO_BYTES_MAX`] bytes that a PROBE carries and its PROBED repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a>(&'a [u8]);

impl<'a> Echo<'a> {
    /// An echo of no bytes.
    pub const EMPTY: Self = Self(&[]);

    /// An echo of these bytes; `None` if they are too many.
    pub const fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > RELAY_ECHO_BYTES_MAX { None } else { Some(Self(bytes)) }
    }

    /// The bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl Serialize for Echo<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Echo<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(<&[u8]>::deserialize(deserializer)?).ok_or(D::Error::custom("the echo is too long"))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// One message of each kind, with its wire form.
    fn samples() -> [(Message<'static>, Vec<u8>); 7] {
        let text = Text::new("hi").unwrap();
        let echo = Echo::new(&[1, 2, 3]).unwrap();
        let (v4, v6) = ("192.0.2.7:40000".parse().unwrap(), "[2001:db8::1]:9090".parse().unwrap());
        let mut incoming_v6 = std::vec![2, 1, 1, 0x20, 0x01, 0x0d, 0xb8];
        incoming_v6.extend_from_slice(&[0; 11]);
        incoming_v6.extend_from_slice(&[1, 0x82, 0x47, 2, b'h', b'i']);
        [
            (Message::Greeting { features: 0 }, std::vec![0, 0]),
            (Message::Message { number: 300, text }, std::vec![1, 0xac, 0x02, 2, b'h', b'i']),
            (
                Message::Incoming { number: 300, sender: v4, text },
                std::vec![2, 0xac, 0x02, 0, 192, 0, 2, 7, 0xc0, 0xb8, 0x02, 2, b'h', b'i'],
            ),
            (Message::Incoming { number: 1, sender: v6, text }, incoming_v6),
            (Message::Refused { reason: RefusalReason::Full }, std::vec![3, 20]),
            (Message::Probe { echo }, std::vec![4, 3, 1, 2, 3]),
            (Message::Probed { echo }, std::vec![5, 3, 1, 2, 3]),
        ]
    }

    #[test]
    fn every_message_is_encoded_and_decoded_as_documented() {
        for (message, wire) in samples() {
            let mut buffer = [0xa5; 64];
            assert_eq!(postcard::to_slice(&message, &mut buffer).unwrap(), wire);
            assert_eq!(Message::decode(&wire), Ok(message));
        }
    }

    #[test]
    fn every_truncation_is_malformed() {
        for (_, wire) in samples() {
            for length in 0..wire.len() {
                assert_eq!(Message::decode(&wire[..length]), Err(ItemError::Malformed), "{wire:?} cut to {length}");
            }
        }
    }

    #[test]
    fn bytes_after_the_known_fields_are_ignored() {
        for (message, mut wire) in samples() {
            wire.extend_from_slice(&[0xff, 0, 7]);
            assert_eq!(Message::decode(&wire), Ok(message));
        }
    }

    #[test]
    fn first_unknown_tag_is_the_count() {
        assert!(matches!(samples()[6].0, Message::Probed { .. }));
        assert_eq!(u32::from(samples()[6].1[0]), TAG_COUNT - 1);
        assert_eq!(Message::decode(&[6, 0]), Err(ItemError::Unknown));
        assert_eq!(Message::decode(&[0xff, 0xff, 0x03]), Err(ItemError::Unknown));
    }

    #[test]
    fn echo_that_just_fits_is_taken_and_one_byte_more_is_malformed() {
        for (length, fits) in [(0, true), (RELAY_ECHO_BYTES_MAX, true), (RELAY_ECHO_BYTES_MAX + 1, false)] {
            let mut wire = std::vec![4, u8::try_from(length).unwrap()];
            wire.resize(2 + length, 7);
            assert_eq!(Message::decode(&wire).is_ok(), fits);
        }
    }
}
