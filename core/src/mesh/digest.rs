//! Digests of tables and heads: FNV-1a of 64 bits (docs/mesh-protocol.md), which any language has in three lines.

use super::Digest;

/// A digest in the making.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digester(u64);

impl Digester {
    /// The digest of nothing.
    pub(super) const NEW: Self = Self(0xcbf2_9ce4_8422_2325);

    /// Takes bytes.
    #[must_use]
    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self
    }

    /// The digest of all bytes so far.
    pub(super) const fn finish(self) -> Digest {
        Digest(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_published_test_vectors() {
        assert_eq!(Digester::NEW.finish(), Digest(0xcbf2_9ce4_8422_2325));
        assert_eq!(Digester::NEW.bytes(b"a").finish(), Digest(0xaf63_dc4c_8601_ec8c));
        assert_eq!(Digester::NEW.bytes(b"foo").bytes(b"bar").finish(), Digest(0x8594_4171_f739_67e8));
    }
}
