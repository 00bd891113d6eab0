//! Every limit of the protocols and the fixed capacities of the engines, with the reason for each.
//!
//! A limit that can be seen from outside stands in docs/ too; tests/documents.rs compares the two.

/// There is no room for it. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl core::fmt::Display for Full {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("there is no room for it")
    }
}

impl core::error::Error for Full {}

/// Longest datagram, in bytes of UDP payload. With 48 bytes of IPv6 and UDP headers it stays below 1,280, the least
/// MTU that every IPv6 link carries (RFC 8200 section 5), so none is ever fragmented.
pub const DATAGRAM_BYTES_MAX: usize = 1_200;

/// Bytes before the first item of a datagram: a magic of three bytes and the version.
pub const DATAGRAM_HEADER_BYTES: usize = 4;

/// Longest frame of a stream, in bytes before it is stuffed: as much as a datagram, so that one buffer size serves both.
pub const FRAME_BYTES_MAX: usize = 1_200;

/// Longest frame as it travels, without the 0x00 that ends it: COBS adds one byte, and one more for every 254 bytes that
/// are not zero.
pub const FRAME_STUFFED_BYTES_MAX: usize = FRAME_BYTES_MAX + 1 + FRAME_BYTES_MAX / 254;

/// Longest text of one message, in bytes of UTF-8: a long paragraph that fits into one datagram with room to spare.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// Longest username, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 32;

/// Longest key of a username, in bytes: lower case turns at most two bytes into three (docs/names.md).
pub const NAME_KEY_BYTES_MAX: usize = 48;

/// Longest echo of a PROBE, in bytes: room for a nonce and a time, too little to be worth reflecting.
pub const RELAY_ECHO_BYTES_MAX: usize = 64;

/// Answers (PROBED, REFUSED) that a relay server keeps waiting; more are dropped and counted. Two receive batches.
pub const RELAY_ANSWERS_MAX: usize = 64;

/// Most addresses of a roster without heap: its index has 16 bits.
pub const RELAY_ROSTER_MAX: usize = 1 << 15;

/// MESSAGEs that a relay client has under way at once before it waits for one to come back.
pub const RELAY_WINDOW_MAX: usize = 16;

/// Longest varint of 32 bits, in bytes.
const VARINT_U32_BYTES_MAX: usize = 5;

/// Longest varint of 16 bits, in bytes.
const VARINT_U16_BYTES_MAX: usize = 3;

/// Longest INCOMING item with its length: length, tag, number, IPv6 address and port, text.
const INCOMING_BYTES_MAX: usize = VARINT_U16_BYTES_MAX
    + 1
    + VARINT_U32_BYTES_MAX
    + (1 + 16 + VARINT_U16_BYTES_MAX)
    + VARINT_U16_BYTES_MAX
    + TEXT_BYTES_MAX;

// What is accepted can always be sent on: an INCOMING with the longest text and sender fits into an empty datagram.
const _: () = assert!(DATAGRAM_HEADER_BYTES + INCOMING_BYTES_MAX <= DATAGRAM_BYTES_MAX);
// A client's MESSAGE with the longest text leaves room for the GREETING (3 bytes) that goes with it.
const _: () = assert!(
    DATAGRAM_HEADER_BYTES + 3 + VARINT_U16_BYTES_MAX + 1 + VARINT_U32_BYTES_MAX + VARINT_U16_BYTES_MAX + TEXT_BYTES_MAX
        <= DATAGRAM_BYTES_MAX
);
const _: () = assert!(NAME_KEY_BYTES_MAX * 2 == NAME_BYTES_MAX * 3);

/// Messages that a newcomer to the room is given.
pub const HISTORY_MESSAGES_MAX: usize = 10;

/// Frames between two marks of the journal: a sequence number is found by looking at no more than these.
pub const JOURNAL_MARK_FRAMES: u64 = 64;

/// Members that have left and whose numbers are remembered for when they come back.
pub const DEPARTED_MAX: usize = 64;

/// Members in one page of the answer to Who: one for each slot.
pub const PAGE_SLOTS: u32 = 32;

/// Bytes of names in one page of the members: names of the greatest length with their lengths.
pub const PAGE_BYTES_MAX: usize = PAGE_SLOTS as usize * (1 + NAME_BYTES_MAX);

// A page fits into a frame, behind its tag, number, mark that there are more, and length.
const _: () = assert!(1 + VARINT_U32_BYTES_MAX + 1 + VARINT_U16_BYTES_MAX + PAGE_BYTES_MAX <= FRAME_BYTES_MAX);
// A message with the longest name and text fits too: tag, sequence and time (10 bytes each), number, kind, name, text.
const _: () = assert!(
    1 + 10 + 10 + VARINT_U32_BYTES_MAX + 1 + (1 + NAME_BYTES_MAX) + VARINT_U16_BYTES_MAX + TEXT_BYTES_MAX
        <= FRAME_BYTES_MAX
);

/// How much a connection that was put out may still send while it reads why, in bytes.
pub const ROOM_LINGER_BYTES_MAX: u32 = 64 << 10;

/// Own messages that a room client keeps until it knows that they were taken; then it waits. As many as may be under way
/// through the relay.
pub const ROOM_OUTBOX_MESSAGES_MAX: usize = 16;

/// Bytes of their texts.
pub const ROOM_OUTBOX_BYTES_MAX: usize = 4 * TEXT_BYTES_MAX;
