//! Lists in the items of a datagram: addresses, and byte strings of entries one behind the other.

use crate::datagram::ItemError;
use crate::limits::{Full, MESH_ADDRESSES_MAX};
use core::fmt;
use core::marker::PhantomData;
use core::net::SocketAddr;
use heapless::Vec;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Up to four addresses: their number, then each as in the relay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses(pub Vec<SocketAddr, MESH_ADDRESSES_MAX>);

impl Serialize for Addresses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(AddressesVisitor)
    }
}

/// Takes addresses one by one.
struct AddressesVisitor;

impl<'de> de::Visitor<'de> for AddressesVisitor {
    type Value = Addresses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MESH_ADDRESSES_MAX} addresses")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut sequence: A) -> Result<Addresses, A::Error> {
        let mut addresses = Addresses::default();
        while let Some(address) = sequence.next_element()? {
            addresses.0.push(address).map_err(|_| de::Error::custom("too many addresses"))?;
        }
        Ok(addresses)
    }
}

/// A list: a byte string of entries, one behind the other.
#[derive(PartialEq, Eq)]
pub struct Packed<'a, T> {
    /// The entries.
    bytes: &'a [u8],
    /// What they are.
    entries: PhantomData<T>,
}

// Whatever the entries are: they are not copied.
impl<T> Clone for Packed<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Packed<'_, T> {}

impl<'a, T> Packed<'a, T> {
    /// No entries.
    pub const EMPTY: Self = Self::new(&[]);

    /// The list that these bytes are.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, entries: PhantomData }
    }
}

impl<'a, T: Deserialize<'a>> Packed<'a, T> {
    /// The entries in order; ends after the first that cannot be decoded.
    pub fn iter(&self) -> impl Iterator<Item = Result<T, ItemError>> + use<'a, T> {
        let mut rest = self.bytes;
        core::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let entry = postcard::take_from_bytes(rest);
            rest = entry.as_ref().map_or(&[], |(_, rest)| rest);
            Some(entry.map(|(entry, _)| entry).map_err(|_| ItemError::Malformed))
        })
    }
}

impl<T> fmt::Debug for Packed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?}", self.bytes)
    }
}

impl<T> Serialize for Packed<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.bytes)
    }
}

impl<'de: 'a, 'a, T> Deserialize<'de> for Packed<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(Self::new)
    }
}

/// Room in which a list is made.
#[derive(Debug, Clone)]
pub struct Packer<const BYTES: usize> {
    /// The entries so far.
    bytes: Vec<u8, BYTES>,
    /// How many bytes they may have.
    bytes_max: usize,
}

impl<const BYTES: usize> Packer<BYTES> {
    /// An empty list that may grow to so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max: bytes_max.min(BYTES) }
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// [`Full`] when there is no room; nothing has changed then.
    pub fn push(&mut self, entry: &impl Serialize) -> Result<(), Full> {
        let used = self.bytes.len();
        self.bytes.resize_default(self.bytes_max).map_err(|_| Full)?;
        let written = postcard::to_slice(entry, &mut self.bytes[used..]).map(|bytes| bytes.len());
        self.bytes.truncate(used + written.as_ref().copied().unwrap_or(0));
        written.map(|_| ()).map_err(|_| Full)
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The list.
    pub fn as_packed<T>(&self) -> Packed<'_, T> {
        Packed::new(&self.bytes)
    }
}
