//! Why somebody is refused: one numbered list for relay, room and mesh (docs/refusals.md).
//!
//! A number never changes its meaning and is never given again. A receiver keeps a number that it does not know, so that
//! it can at least show it.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Declares [`RefusalReason`] with its numbers and sentences in one table.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $sentence:literal;)+) => {
        /// Why somebody is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "u16", into = "u16")]
        pub enum RefusalReason {
            $($(#[doc = $doc])+ $name,)+
            /// A number that this version does not know.
            Other(u16),
        }

        impl RefusalReason {
            /// All reasons that this version knows, by ascending number.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The sentence that tells a person what is wrong.
            const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)+
                    Self::Other(_) => "a reason that this version does not know",
                }
            }
        }

        impl From<RefusalReason> for u16 {
            fn from(reason: RefusalReason) -> Self {
                match reason {
                    $(RefusalReason::$name => $number,)+
                    RefusalReason::Other(number) => number,
                }
            }
        }

        impl From<u16> for RefusalReason {
            fn from(number: u16) -> Self {
                match number {
                    $($number => Self::$name,)+
                    other => Self::Other(other),
                }
            }
        }
    };
}

reasons! {
    /// The version of the protocol is not spoken here.
    Version = 1, "this version of the protocol is not spoken here";
    /// The kind of message is not known here.
    Unsupported = 2, "this kind of message is not known here";
    /// What came cannot be decoded.
    Malformed = 3, "what came cannot be decoded";
    /// What came is longer than the protocol allows.
    Overlong = 4, "what came is longer than the protocol allows";

    /// The name has no bytes.
    NameEmpty = 10, "the name is empty";
    /// The name has more than 32 bytes.
    NameOverlong = 11, "the name is longer than 32 bytes";
    /// The name has a character that names must not have.
    NameCharacter = 12, "the name has a character that names must not have";
    /// The name has a separate accent (U+0300 to U+036F) or another character that Unicode's form NFC does not have.
    NameNotComposed = 13, "the name is not composed (send it in Unicode's form NFC)";
    /// The name begins or ends with a character that only its middle may have, or has four marks in a row.
    NamePlacement = 14, "the name begins or ends with what only its middle may have, or has four marks in a row";
    /// The name has Latin letters and letters, marks or digits of another script.
    NameMixedScripts = 15, "the name mixes Latin letters with those of another script";
    /// A member has this name, or one that differs in case only.
    NameTaken = 16, "the name is taken";
    /// Another newcomer is asking for this name at this moment.
    NameReserved = 17, "somebody else is asking for this name at this moment";
    /// A member that fell silent a moment ago has this name.
    NameHeld = 18, "a member that fell silent a moment ago has this name";
    /// The owner of the peer that objects does not allow this name.
    NameDenied = 19, "a member does not allow this name";

    /// No more members or clients are admitted.
    Full = 20, "it is full";
    /// The address has too many connections.
    AddressConnections = 21, "there are too many connections from this address";
    /// The address joins too often.
    AddressJoins = 22, "there were too many joins from this address; try again in a minute";
    /// The server has no file descriptor or memory left for one more connection.
    Busy = 23, "the server has no room for one more connection at this moment";

    /// The text has no bytes.
    TextEmpty = 30, "the text is empty";
    /// The text has more than 1,024 bytes.
    TextOverlong = 31, "the text is longer than 1,024 bytes";

    /// No join came in time.
    JoinTimeout = 40, "no join came in time";
    /// Nothing came for too long.
    Silent = 41, "nothing came for too long";
    /// Nothing was read for too long.
    Stalled = 42, "nothing was read for too long";
    /// The member went on from another connection.
    Replaced = 43, "the member went on from another connection";
    /// The server ends.
    ShuttingDown = 44, "the server ends";

    /// A member has this id.
    IdTaken = 50, "a member has this id";

    /// A handshake has to come first (reserved for keyed rooms).
    HandshakeRequired = 60, "a handshake has to come first";
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (reason {})", self.sentence(), u16::from(*self))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn known_reasons_ascend_and_survive_the_wire() {
        let mut previous = 0;
        for &reason in RefusalReason::ALL {
            let number = u16::from(reason);
            assert!(number > previous, "{reason:?} is out of order");
            assert_eq!(RefusalReason::from(number), reason);
            let mut buffer = [0xa5; 4];
            let wire = postcard::to_slice(&reason, &mut buffer).unwrap();
            assert_eq!(postcard::from_bytes::<RefusalReason>(wire), Ok(reason));
            previous = number;
        }
    }

    #[test]
    fn every_reason_fits_into_one_byte_so_that_refused_is_no_longer_than_greeting() {
        assert!(RefusalReason::ALL.iter().all(|&reason| u16::from(reason) < 128));
    }

    #[test]
    fn unknown_reason_keeps_its_number() {
        let reason: RefusalReason = postcard::from_bytes(&[0xe8, 0x07]).unwrap();
        assert_eq!(reason, RefusalReason::Other(1_000));
        assert!(reason.to_string().ends_with("(reason 1000)"));
    }
}
