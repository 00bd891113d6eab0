//! Tokens: who repeats one has received what was sent to its address (docs/mesh-protocol.md, after RFC 9000 section 8).
//!
//! A token is SipHash-2-4, under a secret of its own, of the other peer's id and address. Nothing is stored for it.

use super::random::Random;
use super::{Nonce, PeerId, Token};
use crate::address::Address;
use core::hash::{Hash as _, Hasher as _};
use siphasher::sip::SipHasher24;

/// Gives tokens and checks them; draws the nonces of Claims.
#[derive(Debug)]
pub(super) struct Tokens {
    /// The secret.
    key: [u8; 16],
}

impl Tokens {
    /// Tokens under a secret that nobody else knows.
    pub(super) fn new(random: &mut Random) -> Self {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&random.word().to_le_bytes());
        key[8..].copy_from_slice(&random.word().to_le_bytes());
        Self { key }
    }

    /// The token of a peer at an address; never [`Token::NONE`].
    pub(super) fn token(&self, id: PeerId, address: Address) -> Token {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_u8(0);
        hasher.write_u64(id.0);
        address.hash(&mut hasher);
        Token(hasher.finish().max(1))
    }

    /// The nonce of every Ping to a peer that is not probed: to the dead, and to addresses that are not proven.
    pub(super) fn ping_nonce(&self, to: PeerId) -> Nonce {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_u8(2);
        hasher.write_u64(to.0);
        Nonce(hasher.finish())
    }

    /// The nonce of the Claim that this incarnation makes to a peer.
    pub(super) fn claim_nonce(&self, to: PeerId, incarnation: u32) -> Nonce {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_u8(1);
        hasher.write_u64(to.0);
        hasher.write_u32(incarnation);
        Nonce(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::SocketAddr;

    fn address(text: &str) -> Address {
        Address::from(text.parse::<SocketAddr>().unwrap())
    }

    #[test]
    fn token_belongs_to_one_secret_id_and_address() {
        let tokens = Tokens::new(&mut Random::new([1; 16]));
        let token = tokens.token(PeerId(5), address("10.0.0.1:9292"));
        assert_eq!(tokens.token(PeerId(5), address("10.0.0.1:9292")), token);
        assert_ne!(tokens.token(PeerId(6), address("10.0.0.1:9292")), token);
        assert_ne!(tokens.token(PeerId(5), address("10.0.0.2:9292")), token);
        assert_ne!(tokens.token(PeerId(5), address("10.0.0.1:9293")), token);
        let others = Tokens::new(&mut Random::new([2; 16]));
        assert_ne!(others.token(PeerId(5), address("10.0.0.1:9292")), token);
    }

    #[test]
    fn claim_nonce_belongs_to_one_row_and_incarnation() {
        let tokens = Tokens::new(&mut Random::new([1; 16]));
        let nonce = tokens.claim_nonce(PeerId(5), 1);
        assert_eq!(tokens.claim_nonce(PeerId(5), 1), nonce);
        assert_ne!(tokens.claim_nonce(PeerId(5), 2), nonce);
        assert_ne!(tokens.claim_nonce(PeerId(6), 1), nonce);
    }
}
