//! Every limit of the protocols and the fixed capacities of the engines, with the reason for each.
//!
//! A limit that can be seen from outside stands in docs/ too; tests/documents.rs compares the two.

/// There is no room for what was to be added. Nothing has changed.
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

/// Longest echo of a PROBE, in bytes: room for a nonce and a time, too little to be of use in a reflection attack.
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

/// Most messages of history that a newcomer to the room gets.
pub const HISTORY_MESSAGES_MAX: usize = 10;

/// Frames between two marks of the journal: a sequence number is found by looking at no more than these.
pub const JOURNAL_MARK_FRAMES: u64 = 64;

/// Members that have left of whom the room remembers which messages it took, for when they come back.
pub const DEPARTED_MAX: usize = 64;

/// Slots of the roster in one page of the answer to Who. A page names the members in these slots.
pub const PAGE_SLOTS: u32 = 32;

/// Bytes of names in one page of the members: names of the greatest length with their lengths.
pub const PAGE_BYTES_MAX: usize = PAGE_SLOTS as usize * (1 + NAME_BYTES_MAX);

// A page fits into a frame, behind its tag, number, flag that there are more, and length.
const _: () = assert!(1 + VARINT_U32_BYTES_MAX + 1 + VARINT_U16_BYTES_MAX + PAGE_BYTES_MAX <= FRAME_BYTES_MAX);
// A message with the longest name and text fits too: tag, sequence and time (10 bytes each), number, kind, name, text.
const _: () = assert!(
    1 + 10 + 10 + VARINT_U32_BYTES_MAX + 1 + (1 + NAME_BYTES_MAX) + VARINT_U16_BYTES_MAX + TEXT_BYTES_MAX
        <= FRAME_BYTES_MAX
);

/// Bytes that a connection that was put out may still send while it reads the reason; with more it is closed.
pub const ROOM_LINGER_BYTES_MAX: u32 = 64 << 10;

/// Most own messages that a room client keeps because they are not known to have been taken; then it takes no more. As many as
/// [`RELAY_WINDOW_MAX`].
pub const ROOM_OUTBOX_MESSAGES_MAX: usize = 16;

/// Bytes of the texts of the messages that a room client keeps.
pub const ROOM_OUTBOX_BYTES_MAX: usize = 4 * TEXT_BYTES_MAX;

/// Addresses that a mesh peer asks for a group besides multicast.
pub const MESH_JOIN_TARGETS_MAX: usize = 8;

/// Addresses of one mesh peer that others keep: two interfaces with IPv4 and IPv6.
pub const MESH_ADDRESSES_MAX: usize = 4;

/// Rows that ride on one mesh datagram.
pub const MESH_RIDING_ROWS_MAX: usize = 8;

/// Pairs of origin and number in one Heads.
pub const MESH_HEADS_PAIRS_MAX: usize = 8;

/// Members that acknowledge one message of the mesh.
pub const MESH_ACKNOWLEDGERS_MAX: usize = 8;

/// Messages of one origin that a mesh peer holds or asks for beyond the first that is missing: the bits of one Ask.
pub const MESH_ASK_NUMBERS_MAX: u32 = 32;

/// Members that a mesh peer suspects at once.
pub const MESH_SUSPECTS_MAX: usize = 8;

/// Bytes to which a Seek's datagram is padded, so that its answer is no longer than it.
pub const MESH_SEEK_BYTES: usize = 64;

/// Bytes to which a Claim's datagram is padded, so that its answers are no longer than it.
pub const MESH_CLAIM_BYTES: usize = 200;

/// Bytes that an unproven address of the mesh gets beyond what came from it: five Claims.
pub const MESH_UNPROVEN_BYTES_MAX: u32 = 1_000;

/// Longest item Via holds: a Claim with four IPv6 addresses, or an Object with a row (tag, nonces, 140 bytes of row).
pub const MESH_VIA_BYTES_MAX: usize = 176;

/// Longest varint of 64 bits, in bytes.
const VARINT_U64_BYTES_MAX: usize = 10;

/// Longest Say item of the mesh: tag, origin, number, lamport, sent, flags, name, text.
pub const MESH_SAY_BYTES_MAX: usize = 1
    + 8
    + VARINT_U32_BYTES_MAX
    + VARINT_U64_BYTES_MAX
    + VARINT_U64_BYTES_MAX
    + 1
    + (1 + NAME_BYTES_MAX)
    + (2 + TEXT_BYTES_MAX);

/// Longest From item of the mesh with its length: length, tag, id, incarnation, token.
pub const MESH_FROM_BYTES_MAX: usize = 1 + 1 + 8 + VARINT_U32_BYTES_MAX + 8;

/// Longest Heads item of the mesh without pairs, with its length: length, tag, own head, hash, length of the pairs.
const MESH_HEADS_BYTES_MAX: usize = 1 + 1 + VARINT_U32_BYTES_MAX + 8 + 1;

// The longest message goes with From and Heads into one datagram.
const _: () = assert!(
    DATAGRAM_HEADER_BYTES + MESH_FROM_BYTES_MAX + 2 + MESH_SAY_BYTES_MAX + MESH_HEADS_BYTES_MAX <= DATAGRAM_BYTES_MAX
);
// Found is no longer than Seek: header, From, length, tag, nonce, token, members, capacity, hash.
const _: () = assert!(
    DATAGRAM_HEADER_BYTES + MESH_FROM_BYTES_MAX + (1 + 1 + 8 + 8 + VARINT_U32_BYTES_MAX + 1 + 8) <= MESH_SEEK_BYTES
);

/// Datagrams that a mesh peer sends in 10 ms: more at once overruns receive buffers with the answers.
pub const MESH_PACE_DATAGRAMS_MAX: u8 = 32;

/// Messages that a mesh peer says at once.
pub const MESH_SAY_BURST: u16 = 10;

/// Messages that a mesh peer says in a second, in the long run.
pub const MESH_SAY_PER_SECOND: u16 = 5;

/// Joining rows without a proven address that a mesh peer keeps; a small one keeps a quarter of its members, two at least.
pub const MESH_JOINING_UNPROVEN_MAX: usize = 8;

/// Joining rows of one IP address, without a proven address, in the table of a mesh peer.
pub const MESH_JOINING_PER_IP_MAX: usize = 4;

/// Members of the mesh that ask for rows, on average, when a beacon tells of more members than they know: all of small groups.
pub const MESH_SEEK_WALKS: usize = 16;

/// Rows that are new in one mesh datagram from which on they are taken for another group's, and the sender is asked for all.
pub const MESH_NEW_ROWS: usize = 4;

/// Members that died long ago and are still known to a mesh peer, so that groups that were parted meet again; a small one knows half as
/// many as it has room for members.
pub const MESH_LOST_MAX: usize = 16;

/// Claims to a row of the mesh that is held dead.
pub const MESH_DEAD_CLAIMS: u8 = 5;

/// Claims to a row of the mesh whose address is not proven; behind them Pings go in their place, until one is answered.
pub const MESH_UNPROVEN_CLAIMS: u8 = 2;

/// Others that a Claim goes by when its row is silent.
pub const MESH_CLAIM_VIAS: u8 = 2;

/// How often a claim is made again after another newcomer was in the way: long enough for one that crashed meanwhile to be declared dead.
pub const MESH_CLAIM_RETRIES: u8 = 10;

/// New unproven addresses that a mesh peer sends to in one second.
pub const MESH_UNPROVEN_PER_SECOND_MAX: u8 = 64;

/// Pings of one probe.
pub const MESH_PROBE_PINGS: u8 = 3;

/// Others that are asked to ping the probed member.
pub const MESH_PROBE_VIAS: u8 = 3;

/// Others that are asked to ping a suspect, in each period.
pub const MESH_SUSPECT_VIAS: u8 = 6;

/// Counted periods of silence after which a suspect is dead.
pub const MESH_SUSPECT_PERIODS: u8 = 8;

/// The same for a suspect whose last sign of life was passed on by somebody else.
pub const MESH_SUSPECT_PERIODS_INDIRECT: u8 = 12;

/// How often one page is asked for.
pub const MESH_PAGE_TRIES: u8 = 5;

/// How often one peer is asked for a missing message, before another is.
pub const MESH_ASK_TRIES: u8 = 3;

/// How many are asked for a missing message: the informer, the origin, two others.
pub const MESH_ASK_SOURCES: u8 = 4;

/// How often a message is repeated to one that does not acknowledge it, before another is asked instead.
pub const MESH_SAY_REPETITIONS: u8 = 5;

/// Unasked messages of one member in a second that are too many when they come in two seconds running.
pub const MESH_FLOOD_PER_SECOND_MAX: u8 = 50;

/// Newer messages in a full ring that make a late one too old to be kept.
pub const MESH_NEWER_MAX: usize = 64;

/// Heads with another digest, in a row, that start a walk over the vector of whoever sent the last.
pub const MESH_DIFFERENT_HEADS: u8 = 3;

/// Requests for messages that wait at a mesh peer; more are dropped and counted, and asked again.
pub const MESH_REPAIRS_MAX: usize = 10;

/// Seeks that wait for their answer at a mesh peer.
pub const MESH_FOUNDS_MAX: usize = 6;

/// Members that answer a multicast Seek, on average.
pub const MESH_SEEK_ANSWERS: usize = 4;

/// How often everybody is told that a mesh peer leaves.
pub const MESH_LEFT_ROUNDS: u8 = 3;

/// How far ahead of the own a Lamport value may be.
pub const MESH_LAMPORT_AHEAD_MAX: u64 = 1 << 32;

/// Longest payload of a WebSocket's frame that is taken, in bytes: more than 50 longest frames of the room at once. What comes is
/// unmasked where it stands, so this bounds no memory; it tells who sends nonsense early.
pub const WEBSOCKET_FRAME_BYTES_MAX: usize = 64 << 10;

/// Longest payload of a WebSocket's frame that is sent, in bytes: a browser is given a message only when all of it has come, so a slow
/// network should not wait for too much.
pub const WEBSOCKET_SEND_BYTES_MAX: usize = 16 << 10;
