//! What mesh peers say to each other (docs/mesh-protocol.md section 6, "The items"): the items of a datagram.
//!
//! Ids, nonces, tokens and hashes have 8 bytes, little-endian; other integers are varints. A list is one byte string that
//! holds its entries one behind the other ([`Packed`]), so that nothing is copied and a page ends where the datagram is full.

use super::list::{Addresses, Packed};
use crate::datagram::{self, ItemError, Protocol};
use crate::refusal::RefusalReason;
use crate::text::Text;
use crate::username::Username;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Magic and version of every mesh datagram.
pub const PROTOCOL: Protocol = Protocol { magic: *b"CHM", version: 1 };

/// How many tags this version knows: the variants of [`Item`].
pub const TAG_COUNT: u32 = 21;

/// Declares newtypes of 64 bits that travel as 8 bytes, little-endian.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(#[serde(with = "postcard::fixint::le")] pub u64);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }
    )+};
}

words! {
    /// A peer: a random number, new at each start. Never 0.
    PeerId,
    /// A random number that an answer repeats.
    Nonce,
    /// Proves that its holder receives what is sent to its address; 0 is none.
    Token,
    /// A digest of a table or of heads.
    Digest,
}

impl PeerId {
    /// Below every id: where a walk over all ids begins.
    pub const ZERO: Self = Self(0);
    /// Where a walk over all ids ends.
    pub const LAST: Self = Self(u64::MAX);
}

impl Token {
    /// No token.
    pub const NONE: Self = Self(0);
}

/// One item of a mesh datagram. The order of the variants is their tag on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Item<'a> {
    /// Who sends the datagram; always the first item.
    From {
        /// The sender.
        id: PeerId,
        /// Its incarnation.
        incarnation: u32,
        /// The token that the receiver gave for the address that this comes from; 0 if there is none yet.
        token: Token,
    },
    /// Is there a group?
    Seek {
        /// Comes back in Found.
        nonce: Nonce,
        /// Members of the sender's group, the sender included; 0 for a newcomer.
        members: u32,
    },
    /// Here is a group.
    Found {
        /// That of Seek.
        nonce: Nonce,
        /// The token for the address that Seek came from.
        token: Token,
        /// Members of the group.
        members: u32,
        /// The binary logarithm of the least capacity in the table.
        capacity_log2: u8,
        /// The digest of the table's live rows.
        table: Digest,
    },
    /// Asks for rows.
    RowsAsk {
        /// Rows of higher ids only.
        after: PeerId,
        /// The token to answer with.
        token: Token,
    },
    /// Rows: a page of the table, or (after and until 0) rows that ride on another item's datagram.
    Rows {
        /// Below the first id of the page.
        after: PeerId,
        /// The last id of the page; all ones on the last page.
        until: PeerId,
        /// The rows.
        #[serde(borrow)]
        rows: Packed<'a, WireRow>,
    },
    /// I want to be a member under this name.
    Claim {
        /// Comes back in Welcome and Object.
        nonce: Nonce,
        /// The incarnation that claims: by Via, From has that of somebody else.
        incarnation: u32,
        /// The token to answer with.
        token: Token,
        /// The name.
        name: Username,
        /// The addresses under which the newcomer can be reached, as far as it knows.
        addresses: Addresses,
    },
    /// No objection to a Claim.
    Welcome {
        /// That of Claim.
        nonce: Nonce,
        /// The token for the address that Claim came from.
        token: Token,
        /// The Lamport value of the sender.
        lamport: u64,
        /// The number of the sender's last message.
        head: u32,
        /// Members of the group.
        members: u32,
        /// The digest of the table's live rows.
        table: Digest,
    },
    /// An objection to a Claim.
    Object {
        /// That of Claim.
        nonce: Nonce,
        /// Why.
        reason: RefusalReason,
        /// The row of whoever holds the name.
        holder: Option<WireRow>,
    },
    /// The sender leaves.
    Left {
        /// Its incarnation.
        incarnation: u32,
    },
    /// Are you there?
    Ping {
        /// Comes back in Ack.
        nonce: Nonce,
    },
    /// Yes.
    Ack {
        /// That of Ping.
        nonce: Nonce,
        /// The token for the address that Ping came from.
        token: Token,
    },
    /// An item for somebody else, to be passed on; or one that was passed on.
    Via {
        /// For whom it is.
        target: PeerId,
        /// Who sends it.
        from: PeerId,
        /// One item: Claim, Welcome, Object, Ping or Ack.
        #[serde(borrow)]
        item: &'a [u8],
    },
    /// What was said so far.
    Heads {
        /// The number of the sender's last message.
        head: u32,
        /// The digest of the members' entries in its vector that have not changed lately.
        vector: Digest,
        /// Up to eight origins that were heard lately.
        #[serde(borrow)]
        pairs: Packed<'a, Pair>,
    },
    /// A message.
    Say(#[serde(borrow)] Say<'a>),
    /// Up to this number all messages of the receiver are here.
    Took {
        /// The number.
        number: u32,
    },
    /// Asks for messages.
    Ask {
        /// Who said them.
        origin: PeerId,
        /// The first number.
        first: u32,
        /// Which numbers: bit i stands for `first + i`.
        bits: u32,
    },
    /// The first message that was asked for is not here.
    None {
        /// Who said it.
        origin: PeerId,
        /// The lowest number of this origin that is here; 0 if there is none.
        lowest: u32,
    },
    /// Asks for the vector.
    VectorAsk {
        /// Entries of higher ids only.
        after: PeerId,
    },
    /// A page of the vector.
    Vector {
        /// Below the first id of the page.
        after: PeerId,
        /// The last id of the page; all ones on the last page.
        until: PeerId,
        /// The entries.
        #[serde(borrow)]
        pairs: Packed<'a, Pair>,
    },
    /// Asks which messages are the most recent.
    RecentAsk,
    /// The most recent messages, or that the sender does not know itself.
    Recent {
        /// Whether the sender gives neither vector nor messages yet.
        no_giver: bool,
        /// Up to ten messages, by origin and number.
        #[serde(borrow)]
        pairs: Packed<'a, Pair>,
    },
}

impl<'a> Item<'a> {
    /// Decodes one item. Bytes after its known fields are ignored.
    ///
    /// # Errors
    /// [`ItemError`] when the item is to be skipped.
    pub fn decode(item: &'a [u8]) -> Result<Self, ItemError> {
        datagram::decode_item(item, TAG_COUNT)
    }
}

/// A message as it travels, is stored and is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Say<'a> {
    /// Who said it.
    pub origin: PeerId,
    /// The origin's number of the message, from 1 on.
    pub number: u32,
    /// Its Lamport value.
    pub lamport: u64,
    /// When it was said by the origin's clock, in Unix milliseconds.
    pub sent_ms: i64,
    /// [`Say::ACKNOWLEDGE`], [`Say::ACTION`].
    pub flags: u8,
    /// The origin's name.
    pub name: &'a str,
    /// What was said.
    #[serde(borrow)]
    pub text: Text<'a>,
}

impl Say<'_> {
    /// The origin asks the receiver to acknowledge. Means nothing when another peer repeats the message.
    pub const ACKNOWLEDGE: u8 = 1;
    /// The message is an action.
    pub const ACTION: u8 = 2;
}

/// An origin and a number of its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The origin.
    pub origin: PeerId,
    /// The number.
    pub number: u32,
}

/// A row of the table as it travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireRow {
    /// Whose row it is.
    pub id: PeerId,
    /// Its incarnation.
    pub incarnation: u32,
    /// Its state, and what belongs to it.
    pub standing: Standing,
}

/// The state of a row as it travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Standing {
    /// It is being admitted.
    Joining(Body),
    /// It is a member.
    Member(Body),
    /// It is dead; with all that is known of it.
    Dead(Body),
    /// It has left; with all that is known of it.
    Left(Body),
    /// It is dead: a rumour.
    DeadBare,
    /// It has left: a rumour.
    LeftBare,
}

/// The part of a row that says who and where somebody is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// The Lamport value at the admission; 0 while joining.
    pub rank: u64,
    /// The binary logarithm of the number of members that it has room for, rounded down.
    pub capacity_log2: u8,
    /// Its name.
    pub name: Username,
    /// Its addresses, the best first.
    pub addresses: Addresses,
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::mesh::list::Packer;
    use std::string::String;
    use std::vec::Vec;

    const ID: PeerId = PeerId(0x0807_0605_0403_0201);
    const NONCE: Nonce = Nonce(0x1817_1615_1413_1211);
    const TOKEN: Token = Token(0x2827_2625_2423_2221);
    const DIGEST: Digest = Digest(0x3837_3635_3433_3231);

    /// The bytes of a hexadecimal string; `I`, `N`, `T`, `D` stand for the id, nonce, token and digest of these tests.
    fn bytes(hex: &str) -> Vec<u8> {
        let hex: String = hex
            .chars()
            .filter(|character| *character != ' ')
            .map(|character| match character {
                'I' => "0102030405060708".into(),
                'N' => "1112131415161718".into(),
                'T' => "2122232425262728".into(),
                'D' => "3132333435363738".into(),
                other => String::from(other),
            })
            .collect();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn addresses() -> Addresses {
        let mut addresses = Addresses::default();
        addresses.0.push("192.0.2.7:9292".parse().unwrap()).unwrap();
        addresses.0.push("[2001:db8::1]:9292".parse().unwrap()).unwrap();
        addresses
    }

    fn row() -> WireRow {
        let body = Body { rank: 300, capacity_log2: 8, name: Username::new("anna").unwrap(), addresses: addresses() };
        WireRow { id: ID, incarnation: 2, standing: Standing::Member(body) }
    }

    const ROW: &str = "I 02 01 ac02 08 04616e6e61 02 00c0000207cc48 0120010db8000000000000000000000001cc48";

    /// Checks that an item has these bytes, comes back from them, and that none of it can be cut off.
    fn check(item: &Item<'_>, hex: &str) {
        let wire = bytes(hex);
        let mut buffer = [0xa5; 1_200];
        assert_eq!(postcard::to_slice(item, &mut buffer).unwrap(), wire, "{item:?}");
        assert_eq!(Item::decode(&wire).as_ref(), Ok(item));
        let longer: Vec<u8> = wire.iter().copied().chain([0xff]).collect();
        assert_eq!(Item::decode(&longer).as_ref(), Ok(item), "bytes behind the last field are ignored");
        for length in 0..wire.len() {
            assert_eq!(Item::decode(&wire[..length]), Err(ItemError::Malformed), "{item:?} cut to {length}");
        }
    }

    #[test]
    fn items_of_admission_have_their_bytes() {
        check(&Item::From { id: ID, incarnation: 5, token: TOKEN }, "00 I 05 T");
        check(&Item::Seek { nonce: NONCE, members: 300 }, "01 N ac02");
        let found = Item::Found { nonce: NONCE, token: TOKEN, members: 3, capacity_log2: 8, table: DIGEST };
        check(&found, "02 N T 03 08 D");
        check(&Item::RowsAsk { after: ID, token: TOKEN }, "03 I T");
        let name = Username::new("anna").unwrap();
        let claim = Item::Claim { nonce: NONCE, incarnation: 1, token: TOKEN, name, addresses: Addresses::default() };
        check(&claim, "05 N 01 T 04616e6e61 00");
        let welcome = Item::Welcome { nonce: NONCE, token: TOKEN, lamport: 300, head: 7, members: 2, table: DIGEST };
        check(&welcome, "06 N T ac02 07 02 D");
        let object = |holder| Item::Object { nonce: NONCE, reason: RefusalReason::NameHeld, holder };
        check(&object(None), "07 N 12 00");
        check(&object(Some(row())), &std::format!("07 N 12 01 {ROW}"));
        check(&Item::Left { incarnation: 2 }, "08 02");
    }

    #[test]
    fn items_of_membership_have_their_bytes() {
        let mut rows = Packer::<200>::new(200);
        rows.push(&row()).unwrap();
        rows.push(&WireRow { id: ID, incarnation: 2, standing: Standing::DeadBare }).unwrap();
        let length = rows.as_packed::<WireRow>().iter().count();
        assert_eq!(length, 2);
        let page = Item::Rows { after: PeerId::ZERO, until: PeerId::LAST, rows: rows.as_packed() };
        check(&page, &std::format!("04 0000000000000000 ffffffffffffffff 37 {ROW} I 02 04"));
        check(&Item::Ping { nonce: NONCE }, "09 N");
        check(&Item::Ack { nonce: NONCE, token: TOKEN }, "0a N T");
        check(&Item::Via { target: ID, from: PeerId(1), item: &bytes("09 N") }, "0b I 0100000000000000 09 09 N");
    }

    #[test]
    fn items_of_the_log_have_their_bytes() {
        let mut pairs = Packer::<64>::new(64);
        pairs.push(&Pair { origin: ID, number: 300 }).unwrap();
        let pairs = pairs.as_packed();
        check(&Item::Heads { head: 4, vector: DIGEST, pairs }, "0c 04 D 0a I ac02");
        let text = Text::new("hi").unwrap();
        let say = Say { origin: ID, number: 4, lamport: 300, sent_ms: -1, flags: Say::ACTION, name: "anna", text };
        check(&Item::Say(say), "0d I 04 ac02 01 02 04616e6e61 026869");
        check(&Item::Took { number: 4 }, "0e 04");
        check(&Item::Ask { origin: ID, first: 4, bits: 0x80 }, "0f I 04 8001");
        check(&Item::None { origin: ID, lowest: 9 }, "10 I 09");
        check(&Item::VectorAsk { after: ID }, "11 I");
        check(&Item::Vector { after: PeerId::ZERO, until: ID, pairs }, "12 0000000000000000 I 0a I ac02");
        let empty = Packed::EMPTY;
        assert_eq!(postcard::to_slice(&Item::RecentAsk, &mut [0; 4]).unwrap(), [0x13]);
        check(&Item::Recent { no_giver: true, pairs: empty }, "14 01 00");
        check(&Item::Recent { no_giver: false, pairs }, "14 00 0a I ac02");
    }

    #[test]
    fn unknown_tag_is_told_from_malformed_content() {
        assert_eq!(Item::decode(&[21]), Err(ItemError::Unknown));
        assert_eq!(Item::decode(&[32, 1]), Err(ItemError::Unknown));
        assert_eq!(Item::decode(&[]), Err(ItemError::Malformed));
        assert_eq!(Item::decode(&bytes("05 N 01 T 0120 00")), Err(ItemError::Malformed), "no name is a space");
    }

    #[test]
    fn list_ends_after_the_first_entry_that_cannot_be_read() {
        let list = bytes("I 04 I");
        let pairs: Vec<_> = Packed::<Pair>::new(&list).iter().collect();
        assert_eq!(pairs, [Ok(Pair { origin: ID, number: 4 }), Err(ItemError::Malformed)]);
        assert_eq!(Packed::<Pair>::EMPTY.iter().count(), 0);
    }

    #[test]
    fn fifth_address_makes_an_item_malformed() {
        let address = "00c0000207cc48 ".repeat(5);
        let claim = |count, addresses: &str| bytes(&std::format!("05 N 01 T 04616e6e61 {count} {addresses}"));
        assert!(Item::decode(&claim("04", &address)).is_ok());
        assert_eq!(Item::decode(&claim("05", &address)), Err(ItemError::Malformed));
    }

    #[test]
    fn longest_items_fit_where_they_have_to() {
        let mut longest = Addresses::default();
        while longest.0.push("[2001:db8:1:1:1:1:1:1]:65535".parse().unwrap()).is_ok() {}
        let name = Username::new(&"x".repeat(32)).unwrap();
        let body = Body { rank: u64::MAX, capacity_log2: u8::MAX, name: name.clone(), addresses: longest.clone() };
        let holder = Some(WireRow { id: ID, incarnation: u32::MAX, standing: Standing::Member(body) });
        let reason = RefusalReason::Other(u16::MAX);
        let object = Item::Object { nonce: NONCE, reason, holder };
        let claim = Item::Claim { nonce: NONCE, incarnation: u32::MAX, token: TOKEN, name, addresses: longest };
        for item in [object, claim] {
            let mut buffer = [0; 1_200];
            let length = postcard::to_slice(&item, &mut buffer).unwrap().len();
            let mut datagram = datagram::Datagram::EMPTY;
            datagram.begin(PROTOCOL);
            datagram.push(&Item::From { id: ID, incarnation: u32::MAX, token: TOKEN }).unwrap();
            datagram.push(&item).unwrap();
            assert!(datagram.as_bytes().len() <= crate::limits::MESH_CLAIM_BYTES, "{}", datagram.as_bytes().len());
            assert!(length <= crate::limits::MESH_VIA_BYTES_MAX, "{length}");
        }
    }
}
