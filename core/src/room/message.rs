//! What room clients and servers say (docs/room-protocol.md section 4).
//!
//! One list of tags for both directions. A client's names and texts are unchecked here: the room checks them and answers with the
//! reason of a refusal, which a decoding error could not carry.

use crate::datagram::{ItemError, decode_item};
use crate::refusal::RefusalReason;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The number of a journal frame: a message, a join or a leave. The first has 0, each next one 1 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sequence(pub u64);

/// The version of the room's protocol.
pub const VERSION: u8 = 1;

/// How many tags this version knows: the variants of [`Message`].
pub const TAG_COUNT: u32 = 17;

/// The TCP port of a room, unless its operator chooses another.
pub const PORT: u16 = 9_191;

/// The tag of [`Message::Join`]; the client's version stands behind it in every version of the protocol.
pub(super) const JOIN_TAG: u8 = 0;

/// The tag of [`Message::Observe`]; the client's version stands behind it in every version of the protocol.
pub(super) const OBSERVE_TAG: u8 = 1;

/// The tag of [`Message::Said`], by which the journal tells messages from joins and leaves.
pub const SAID_TAG: u8 = 11;

/// The secret by which a client proves that it is the member that joined before: 128 random bits that the client chose.
pub type Token = [u8; 16];

/// One frame of the room. The order of the variants is their tag on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message<'a> {
    /// Client: let me in under this name.
    Join {
        /// The protocol's version that the client speaks.
        version: u8,
        /// Chosen at random for the first Join, and the same in each later Join of this member.
        token: Token,
        /// The last frame that it has seen, if it was in before.
        seen: Option<Seen>,
        /// The name, unchecked.
        name: &'a str,
    },
    /// Client: let me listen, without a name.
    Observe {
        /// The protocol's version that the client speaks.
        version: u8,
        /// The last frame that it has seen, if it listened before.
        seen: Option<Seen>,
    },
    /// Client: say this to all.
    Say {
        /// The member's own number, 1 more than the one before; the first is 1.
        number: u32,
        /// How it is said.
        kind: Kind,
        /// What is said, unchecked.
        text: &'a str,
    },
    /// Client: who is here?
    Who {
        /// The page, 0 the first.
        page: u32,
    },
    /// Client: I leave, and my name is free.
    Leave,
    /// Both: say Pong, so that I know that you are there.
    Ping,
    /// Both: I am there.
    Pong,
    /// Server: you are in.
    Welcome(Welcome),
    /// Server: what came before this was history, all that follows is live.
    HistoryEnd,
    /// Server: somebody has joined.
    Joined {
        /// The frame's number.
        sequence: Sequence,
        /// The member's name.
        name: &'a str,
    },
    /// Server: somebody has left.
    Left {
        /// The frame's number.
        sequence: Sequence,
        /// The member's name.
        name: &'a str,
    },
    /// Server: somebody has said something.
    Said {
        /// The frame's number.
        sequence: Sequence,
        /// When the server took it, in milliseconds since 1970-01-01 00:00 UTC.
        sent_ms: i64,
        /// The number that its member gave it.
        number: u32,
        /// How it is said.
        kind: Kind,
        /// The member's name.
        name: &'a str,
        /// The text.
        text: &'a str,
    },
    /// Server: you have lost this many messages, because you read too slowly or came back too late.
    Lagged {
        /// How many messages.
        messages: u64,
    },
    /// Server: your Say was not taken.
    Unsaid {
        /// The number of the Say.
        number: u32,
        /// The reason.
        reason: RefusalReason,
    },
    /// Server: one page of the members.
    Members {
        /// The page.
        page: u32,
        /// Whether there are more pages.
        more: bool,
        /// The members' names, one behind the other, each with its length in one byte.
        #[serde(borrow)]
        names: Names<'a>,
    },
    /// Server: you are refused or put out, and the connection ends.
    Refused {
        /// The reason.
        reason: RefusalReason,
    },
    /// Server: this kind of message is not known here.
    Unsupported {
        /// Its tag.
        tag: u32,
    },
}

/// The last frame that a client has seen of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The run of the server in which the client has seen it.
    pub epoch: u64,
    /// The frame's number.
    pub sequence: Sequence,
    /// How many messages the room had up to and including this frame, as the client has counted them from its welcome on.
    pub messages: u64,
}

/// What a client is told when it is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The protocol's version that the server speaks.
    pub version: u8,
    /// Which run of the server this is: a random number.
    pub epoch: u64,
    /// The number of the first frame behind the history.
    pub next: Sequence,
    /// How many messages the room had before the frame `next`.
    pub messages: u64,
    /// The number that the room's next frame gets: the frames from `next` up to here are replayed.
    pub head: Sequence,
    /// The highest message number that the server has taken of this member; 0 if it took none or does not know.
    pub taken: u32,
    /// How many messages of history follow.
    pub history: u8,
    /// How many members the room has, this one included.
    pub members: u32,
    /// Joins and leaves are announced while the room has at most this many members.
    pub announced_members_max: u32,
    /// The server's time, in milliseconds since 1970-01-01 00:00 UTC.
    pub time_ms: i64,
    /// Whether the server trusts its clock.
    pub time_trusted: bool,
    /// Longest text, in bytes.
    pub text_bytes_max: u16,
    /// Messages that a member may send at once before its connection is read more slowly; 0 if the server has no such limit.
    pub rate_burst: u16,
    /// Messages a second that are read from a member that has sent so many.
    pub rate_per_second: u16,
    /// After this long without a byte the other side is asked for a sign of life, in milliseconds.
    pub ping_ms: u32,
    /// After this long without a byte the other side counts as gone, in milliseconds.
    pub gone_ms: u32,
}

/// How something is said, in one byte. A kind that this version does not know goes through a server unchanged, and is shown as plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum Kind {
    /// `name: text`.
    Plain,
    /// `* name text`: what the member does.
    Action,
    /// A kind of a later version.
    Other(u8),
}

impl From<u8> for Kind {
    fn from(byte: u8) -> Self {
        match byte {
            0 => Self::Plain,
            1 => Self::Action,
            other => Self::Other(other),
        }
    }
}

impl From<Kind> for u8 {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Plain => 0,
            Kind::Action => 1,
            Kind::Other(other) => other,
        }
    }
}

/// Names, one behind the other, each with its length in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    /// The names in these bytes; `None` if a length passes the end, or a name is not UTF-8.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = split_name(rest)?.1;
        }
        Some(Self(bytes))
    }

    /// The names, in their order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (name, behind) = split_name(rest)?;
            rest = behind;
            Some(name)
        })
    }
}

/// The first of these names and the bytes behind it.
fn split_name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(length))?;
    Some((core::str::from_utf8(name).ok()?, rest))
}

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Names<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(<&[u8]>::deserialize(deserializer)?).ok_or(D::Error::custom("the names are malformed"))
    }
}

/// Why a frame is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// Its tag belongs to no message of this version: answered by [`Message::Unsupported`].
    Unknown {
        /// The tag.
        tag: u32,
    },
    /// Its content is not what its tag demands.
    Malformed,
}

impl<'a> Message<'a> {
    /// Decodes one frame. Bytes after its known fields are ignored.
    ///
    /// # Errors
    /// [`DecodeError`] when the frame is not understood.
    pub fn decode(frame: &'a [u8]) -> Result<Self, DecodeError> {
        decode_item(frame, TAG_COUNT).map_err(|error| match (error, postcard::take_from_bytes(frame)) {
            (ItemError::Unknown, Ok((tag, _))) => DecodeError::Unknown { tag },
            _ => DecodeError::Malformed,
        })
    }
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unknown { tag } => write!(f, "the tag {tag} belongs to no message of this version"),
            Self::Malformed => f.write_str("the content is not what its tag demands"),
        }
    }
}

impl core::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::frame::Frame;
    use crate::limits::{FRAME_BYTES_MAX, NAME_BYTES_MAX, PAGE_BYTES_MAX, TEXT_BYTES_MAX};
    use std::vec::Vec;

    const WELCOME: Welcome = Welcome {
        version: VERSION,
        epoch: u64::MAX,
        next: Sequence(u64::MAX),
        messages: u64::MAX,
        head: Sequence(u64::MAX),
        taken: u32::MAX,
        history: 10,
        members: u32::MAX,
        announced_members_max: u32::MAX,
        time_ms: i64::MIN,
        time_trusted: true,
        text_bytes_max: u16::MAX,
        rate_burst: u16::MAX,
        rate_per_second: u16::MAX,
        ping_ms: u32::MAX,
        gone_ms: u32::MAX,
    };

    /// One message of each kind, in the order of their tags, each as long as it can be.
    fn longest<'a>(name: &'a str, text: &'a str, page: &'a [u8]) -> [Message<'a>; 17] {
        let sequence = Sequence(u64::MAX);
        let reason = RefusalReason::Other(u16::MAX);
        [
            Message::Join {
                version: VERSION,
                token: [7; 16],
                seen: Some(Seen { epoch: u64::MAX, sequence, messages: u64::MAX }),
                name,
            },
            Message::Observe { version: VERSION, seen: None },
            Message::Say { number: u32::MAX, kind: Kind::Action, text },
            Message::Who { page: u32::MAX },
            Message::Leave,
            Message::Ping,
            Message::Pong,
            Message::Welcome(WELCOME),
            Message::HistoryEnd,
            Message::Joined { sequence, name },
            Message::Left { sequence, name },
            Message::Said { sequence, sent_ms: i64::MIN, number: u32::MAX, kind: Kind::Action, name, text },
            Message::Lagged { messages: u64::MAX },
            Message::Unsaid { number: u32::MAX, reason },
            Message::Members { page: u32::MAX, more: true, names: Names::new(page).unwrap() },
            Message::Refused { reason },
            Message::Unsupported { tag: u32::MAX },
        ]
    }

    #[test]
    fn longest_message_of_every_kind_fits_and_comes_back() {
        let (name, text) = ("n".repeat(NAME_BYTES_MAX), "t".repeat(TEXT_BYTES_MAX));
        let page: Vec<u8> = [&[u8::try_from(NAME_BYTES_MAX).unwrap()], name.as_bytes()].concat().repeat(32);
        assert_eq!(page.len(), PAGE_BYTES_MAX);
        let messages = longest(&name, &text, &page);
        assert_eq!(u32::try_from(messages.len()), Ok(TAG_COUNT));
        for (tag, message) in (0..).zip(messages) {
            let mut buffer = [0xa5; FRAME_BYTES_MAX];
            let wire = postcard::to_slice(&message, &mut buffer).unwrap();
            assert_eq!(wire[0], tag);
            assert_eq!(Message::decode(wire), Ok(message));
            for length in 0..wire.len() {
                assert_eq!(
                    Message::decode(&wire[..length]),
                    Err(DecodeError::Malformed),
                    "{message:?} cut to {length}"
                );
            }
            let mut frame = Frame::EMPTY;
            assert!(frame.encode(&message).is_ok());
        }
    }

    #[test]
    fn said_has_the_tag_by_which_the_journal_knows_it() {
        let mut frame = Frame::EMPTY;
        let (sequence, kind) = (Sequence(0), Kind::Plain);
        let said = Message::Said { sequence, sent_ms: 0, number: 0, kind, name: "", text: "" };
        assert_eq!(frame.encode(&said).unwrap()[1], SAID_TAG);
        for other in [Message::Joined { sequence, name: "" }, Message::Left { sequence, name: "" }] {
            assert_ne!(frame.encode(&other).unwrap()[1], SAID_TAG);
            assert_ne!(frame.as_bytes()[1], 0);
        }
    }

    #[test]
    fn unknown_tag_is_named() {
        assert_eq!(Message::decode(&[17]), Err(DecodeError::Unknown { tag: 17 }));
        assert_eq!(Message::decode(&[0xac, 0x02, 1]), Err(DecodeError::Unknown { tag: 300 }));
        assert_eq!(Message::decode(&[0xff; 9]), Err(DecodeError::Malformed));
    }

    #[test]
    fn names_of_a_page_are_checked_and_come_out_in_order() {
        let names = Names::new(b"\x03ann\x00\x02\xc3\xbc").unwrap();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["ann", "", "ü"]);
        for malformed in [&b"\x04ann"[..], b"\x01\xff", b"\x01"] {
            assert_eq!(Names::new(malformed), None);
        }
        assert!(postcard::from_bytes::<Names<'_>>(b"\x02\x04a").is_err());
    }
}
