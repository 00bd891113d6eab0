//! The envelope of a datagram, shared by relay and mesh (docs/relay-protocol.md section 3).
//!
//! A magic of three bytes and a version, which never change place, then items to the end: each a varint length and one
//! postcard message of that length. An item that cannot be decoded does not affect the next one.

use crate::limits::{DATAGRAM_BYTES_MAX, DATAGRAM_HEADER_BYTES, Full};
use serde::{Deserialize, Serialize};

/// What a datagram's first four bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    /// Three bytes that name the protocol.
    pub magic: [u8; 3],
    /// Its version; another version's items must not be read.
    pub version: u8,
}

/// Room for the bytes of one datagram.
pub type Payload = [u8; DATAGRAM_BYTES_MAX];

/// One datagram in the making: a header and the items pushed so far.
#[derive(Debug, Clone)]
pub struct Datagram {
    /// Header and items; the bytes behind them are left over from earlier use.
    bytes: Payload,
    /// Length of header and items in bytes; 0 before the first [`Datagram::begin`].
    len: usize,
}

impl Datagram {
    /// A datagram with nothing in it, for static storage.
    pub const EMPTY: Self = Self { bytes: [0; DATAGRAM_BYTES_MAX], len: 0 };

    /// Drops what it holds and begins anew with the header of `protocol`.
    pub fn begin(&mut self, protocol: Protocol) {
        self.len = begin(&mut self.bytes, protocol);
    }

    /// Appends one item. Work is bounded by the item's length.
    ///
    /// # Errors
    /// [`Full`] when header and items together would pass [`DATAGRAM_BYTES_MAX`]; header and items have not changed then.
    pub fn push(&mut self, item: &impl Serialize) -> Result<(), Full> {
        self.len = push(&mut self.bytes, self.len, item)?;
        Ok(())
    }

    /// Shortens the datagram to its first `length` bytes. A shorter one stays as it is.
    pub(crate) const fn truncate(&mut self, length: usize) {
        if length < self.len {
            self.len = length;
        }
    }

    /// Appends padding, which are items of length 0, until there are so many bytes; changes nothing if there are already.
    pub fn pad_to(&mut self, bytes: usize) {
        let end = bytes.min(DATAGRAM_BYTES_MAX);
        if let Some(padding) = self.bytes.get_mut(self.len..end) {
            padding.fill(0);
            self.len = end;
        }
    }

    /// The bytes to send: header and items.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Whether it holds no item.
    pub const fn is_empty(&self) -> bool {
        self.len <= DATAGRAM_HEADER_BYTES
    }
}

/// Writes the header of `protocol`, and returns the datagram's length in bytes.
pub(crate) fn begin(bytes: &mut Payload, protocol: Protocol) -> usize {
    bytes[..3].copy_from_slice(&protocol.magic);
    bytes[3] = protocol.version;
    DATAGRAM_HEADER_BYTES
}

/// Appends one item to a datagram of `len` bytes, and returns its new length. Work is bounded by the item's length.
///
/// # Errors
/// [`Full`], as [`Datagram::push`]; none of the `len` bytes has changed then.
pub(crate) fn push(bytes: &mut Payload, len: usize, item: &impl Serialize) -> Result<usize, Full> {
    // The item is encoded behind one byte for its length, and moved up by one byte if the length takes two.
    let room = bytes.get_mut(len..).ok_or(Full)?;
    let body = room.get_mut(1..).ok_or(Full)?;
    let length = postcard::to_slice(item, body).map_err(|_| Full)?.len();
    let length_wire = u16::try_from(length).map_err(|_| Full)?;
    let prefix_length = length_bytes(length);
    if prefix_length + length > room.len() {
        return Err(Full);
    }
    room.copy_within(1..1 + length, prefix_length);
    postcard::to_slice(&length_wire, &mut room[..prefix_length]).map_err(|_| Full)?;
    Ok(len + prefix_length + length)
}

/// Bytes of the varint that tells the length of an item.
const fn length_bytes(length: usize) -> usize {
    match length {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => 3,
    }
}

/// Why a datagram is ignored as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// It is longer than [`DATAGRAM_BYTES_MAX`].
    Overlong,
    /// It does not begin with the magic: it is of another protocol.
    Foreign,
    /// It is of another version.
    Version(u8),
    /// It holds no item.
    Empty,
}

/// Opens a datagram and gives its items.
///
/// # Errors
/// [`Rejected`] when the datagram is to be ignored as a whole.
pub fn open(protocol: Protocol, bytes: &[u8]) -> Result<Items<'_>, Rejected> {
    if bytes.len() > DATAGRAM_BYTES_MAX {
        return Err(Rejected::Overlong);
    }
    match bytes.split_first_chunk::<DATAGRAM_HEADER_BYTES>() {
        Some(([magic @ .., _], _)) if *magic != protocol.magic => Err(Rejected::Foreign),
        Some(([.., version], _)) if *version != protocol.version => Err(Rejected::Version(*version)),
        Some((_, [])) => Err(Rejected::Empty),
        Some((_, items)) => Ok(Items::new(items)),
        None => Err(Rejected::Foreign),
    }
}

/// The items of a datagram, each still encoded. Items of length 0 are padding and are left out. Ends after the first item
/// that is [`Truncated`].
#[derive(Debug, Clone)]
pub struct Items<'a> {
    /// The bytes of the items that were not given out yet.
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    /// The items in `bytes`, which are a datagram without its header.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes of the items that were not given out yet.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.rest
    }
}

/// An item's length passes the datagram's end or is not in its shortest form: the rest of the datagram cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated;

impl<'a> Iterator for Items<'a> {
    type Item = Result<&'a [u8], Truncated>;

    fn next(&mut self) -> Option<Self::Item> {
        // Padding: an item of length 0 is one byte, its length.
        while let [0, rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let length = postcard::take_from_bytes::<u16>(self.rest).ok();
        let length = length.filter(|&(length, rest)| self.rest.len() - rest.len() == length_bytes(length.into()));
        let item = length.and_then(|(length, rest)| rest.split_at_checked(usize::from(length)));
        self.rest = item.map_or(&[], |(_, rest)| rest);
        Some(item.map(|(item, _)| item).ok_or(Truncated))
    }
}

/// Why an item is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemError {
    /// Its tag belongs to no message of this version.
    Unknown,
    /// Its tag is known and its content is not what that tag demands, or it has no tag.
    Malformed,
}

/// Decodes one item of an enum with `tag_count` variants. Bytes after its known fields are ignored. A varint that is longer than it
/// need be is malformed: how long a one postcard takes depends on the machine's word size.
///
/// # Errors
/// [`ItemError`] when the item is to be skipped.
pub fn decode_item<'a, M: Deserialize<'a> + Serialize>(item: &'a [u8], tag_count: u32) -> Result<M, ItemError> {
    let (tag, _) = postcard::take_from_bytes::<u32>(item).map_err(|_| ItemError::Malformed)?;
    if tag >= tag_count {
        return Err(ItemError::Unknown);
    }
    let (message, rest) = postcard::take_from_bytes::<M>(item).map_err(|_| ItemError::Malformed)?;
    // What was read is as long as what would be written, or some varint is too long.
    let length = postcard::experimental::serialized_size(&message).map_err(|_| ItemError::Malformed)?;
    if length == item.len() - rest.len() { Ok(message) } else { Err(ItemError::Malformed) }
}

impl core::fmt::Display for Rejected {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Overlong => f.write_str("the datagram is too long"),
            Self::Foreign => f.write_str("the datagram is of another protocol"),
            Self::Version(version) => write!(f, "the datagram is of version {version}"),
            Self::Empty => f.write_str("the datagram holds no item"),
        }
    }
}

impl core::error::Error for Rejected {}

impl core::fmt::Display for Truncated {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the item's length passes the datagram's end")
    }
}

impl core::error::Error for Truncated {}

impl core::fmt::Display for ItemError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unknown => f.write_str("the item's tag belongs to no message of this version"),
            Self::Malformed => f.write_str("the content is not what its tag demands"),
        }
    }
}

impl core::error::Error for ItemError {}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const PROTOCOL: Protocol = Protocol { magic: *b"TST", version: 3 };

    /// A datagram with its header alone.
    fn begun() -> Datagram {
        let mut datagram = Datagram::EMPTY;
        datagram.begin(PROTOCOL);
        datagram
    }

    fn check_rejected(bytes: &[u8], reason: Rejected) {
        assert_eq!(open(PROTOCOL, bytes).map(|_| ()), Err(reason));
    }

    #[test]
    fn items_pushed_come_out_in_order() {
        let mut datagram = begun();
        assert!(datagram.is_empty());
        datagram.push(&"ab").unwrap();
        datagram.push(&300_u16).unwrap();
        assert_eq!(datagram.as_bytes(), b"TST\x03\x03\x02ab\x02\xac\x02");
        let items: Vec<_> = open(PROTOCOL, datagram.as_bytes()).unwrap().collect();
        assert_eq!(items, [Ok(&b"\x02ab"[..]), Ok(b"\xac\x02")]);
    }

    #[test]
    fn lengths_around_the_second_byte_are_as_short_as_can_be() {
        for (text_length, length_bytes) in [(126, &[0x7f][..]), (127, &[0x80, 0x01]), (1_000, &[0xea, 0x07])] {
            let text = std::string::String::from_utf8(std::vec![b'y'; text_length]).unwrap();
            let mut datagram = begun();
            datagram.push(&text.as_str()).unwrap();
            assert_eq!(&datagram.as_bytes()[4..4 + length_bytes.len()], length_bytes);
            let item = open(PROTOCOL, datagram.as_bytes()).unwrap().next().unwrap().unwrap();
            assert_eq!(postcard::from_bytes::<&str>(item), Ok(text.as_str()));
        }
    }

    #[test]
    fn item_that_just_fits_is_taken_and_one_byte_more_changes_nothing() {
        let text = std::string::String::from_utf8(std::vec![b'z'; DATAGRAM_BYTES_MAX]).unwrap();
        let overhead = DATAGRAM_HEADER_BYTES + 2 + 2;
        let mut datagram = begun();
        assert_eq!(datagram.push(&&text[..DATAGRAM_BYTES_MAX - overhead + 1]), Err(Full));
        assert!(datagram.is_empty());
        datagram.push(&&text[..DATAGRAM_BYTES_MAX - overhead]).unwrap();
        assert_eq!(datagram.as_bytes().len(), DATAGRAM_BYTES_MAX);
        assert_eq!(datagram.push(&0_u8), Err(Full));
        assert_eq!(datagram.as_bytes().len(), DATAGRAM_BYTES_MAX);
    }

    #[test]
    fn short_item_fills_the_datagram_to_its_last_byte() {
        let text = std::string::String::from_utf8(std::vec![b'z'; DATAGRAM_BYTES_MAX]).unwrap();
        let mut datagram = begun();
        datagram.push(&&text[..DATAGRAM_BYTES_MAX - DATAGRAM_HEADER_BYTES - 4 - 10]).unwrap();
        assert_eq!(datagram.push(&"123456789"), Err(Full));
        datagram.push(&"12345678").unwrap();
        assert_eq!(datagram.as_bytes().len(), DATAGRAM_BYTES_MAX);
        let items: Vec<_> = open(PROTOCOL, datagram.as_bytes()).unwrap().collect();
        assert_eq!(items[1], Ok(&b"\x0812345678"[..]));
    }

    #[test]
    fn foreign_datagrams_are_rejected_with_the_reason() {
        check_rejected(b"", Rejected::Foreign);
        check_rejected(b"TST", Rejected::Foreign);
        check_rejected(b"TSX\x03\x01\x00", Rejected::Foreign);
        check_rejected(b"TST\x02\x01\x00", Rejected::Version(2));
        check_rejected(b"TST\x03", Rejected::Empty);
    }

    #[test]
    fn longest_datagram_is_opened_and_one_byte_more_is_rejected() {
        let mut bytes = std::vec![0; DATAGRAM_BYTES_MAX + 1];
        bytes[..4].copy_from_slice(b"TST\x03");
        assert!(open(PROTOCOL, &bytes[..DATAGRAM_BYTES_MAX]).is_ok());
        check_rejected(&bytes, Rejected::Overlong);
    }

    #[test]
    fn padded_datagram_has_the_length_asked_for_and_no_more_items() {
        let mut datagram = begun();
        datagram.push(&"ab").unwrap();
        datagram.pad_to(12);
        assert_eq!(datagram.as_bytes(), b"TST\x03\x03\x02ab\0\0\0\0");
        datagram.pad_to(3);
        assert_eq!(datagram.as_bytes().len(), 12);
        datagram.pad_to(DATAGRAM_BYTES_MAX + 1);
        assert_eq!(datagram.as_bytes().len(), DATAGRAM_BYTES_MAX);
    }

    #[test]
    fn padding_is_left_out_wherever_it_stands() {
        let items = |bytes: &'static [u8]| open(PROTOCOL, bytes).unwrap().collect::<Vec<_>>();
        assert_eq!(items(b"TST\x03\0\0\x01a\0\x01b\0"), [Ok(&b"a"[..]), Ok(b"b")]);
        assert_eq!(items(b"TST\x03\0"), []);
        assert_eq!(items(b"TST\x03\x01a\0\x02b"), [Ok(&b"a"[..]), Err(Truncated)]);
    }

    #[test]
    fn length_past_the_end_ends_the_datagram() {
        for items in [&b"\x01a\x02b"[..], b"\x01a\xff\xff\xff\x7f", b"\x01a\x80", b"\x01a\x81\x00b", b"\x01a\x80\x00"] {
            let mut bytes = b"TST\x03".to_vec();
            bytes.extend_from_slice(items);
            let items: Vec<_> = open(PROTOCOL, &bytes).unwrap().collect();
            assert_eq!(items, [Ok(&b"a"[..]), Err(Truncated)]);
        }
    }

    #[test]
    fn unknown_tag_and_malformed_item_are_told_apart() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        enum Two<'a> {
            Zero,
            One(&'a str),
        }
        assert_eq!(decode_item(&[0, 9, 9], 2), Ok(Two::Zero));
        assert_eq!(decode_item(&[1, 1, b'x', 9], 2), Ok(Two::One("x")));
        assert_eq!(decode_item::<Two<'_>>(&[1, 2, b'x'], 2), Err(ItemError::Malformed));
        assert_eq!(decode_item::<Two<'_>>(&[], 2), Err(ItemError::Malformed));
        assert_eq!(decode_item::<Two<'_>>(&[2], 2), Err(ItemError::Unknown));
    }

    #[test]
    fn varint_that_is_longer_than_it_need_be_is_malformed_on_every_machine() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        enum One<'a> {
            Zero(u32, &'a str),
        }
        assert_eq!(decode_item(&[0, 0x80, 1, 1, b'x'], 1), Ok(One::Zero(128, "x")));
        for malformed in [
            &[0x80, 0, 1, 1, b'x'][..],
            &[0, 0x81, 0, 1, b'x'],
            &[0, 1, 0x81, 0, b'x'],
            // Six bytes for a length: a machine of 64 bits could read them, one of 32 could not.
            &[0, 1, 0x81, 0x80, 0x80, 0x80, 0x80, 0, b'x'],
        ] {
            assert_eq!(decode_item::<One<'_>>(malformed, 1), Err(ItemError::Malformed), "{malformed:?}");
        }
    }
}
