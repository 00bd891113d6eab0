//! The members that left last, so that a member that comes back learns which of its own messages were taken.

use crate::limits::DEPARTED_MAX;
use crate::room::Token;
use heapless::Deque;

/// Tokens of the members that left last, at most [`DEPARTED_MAX`], each with the highest message number that was taken of it.
#[derive(Debug)]
pub(super) struct Departed {
    /// Token and number, in the order in which the members left.
    members: Deque<(Token, u32), DEPARTED_MAX>,
}

impl Departed {
    /// Nobody has left.
    pub(super) const fn new() -> Self {
        Self { members: Deque::new() }
    }

    /// A member leaves. If there are too many, the one that left first is forgotten.
    pub(super) fn push(&mut self, token: Token, taken: u32) {
        // No message was taken of the member, or it has the all-zero token and cannot be known again.
        if taken == 0 || !same_token(&token, &token) {
            return;
        }
        if self.members.is_full() {
            self.members.pop_front();
        }
        // There is room now.
        let _ = self.members.push_back((token, taken));
    }

    /// The highest message number that was taken of the member with this token before it left last; 0 if the token is not known.
    /// Takes the same time for every token.
    pub(super) fn taken(&self, token: &Token) -> u32 {
        self.members.iter().fold(0, |found, (member, taken)| if same_token(member, token) { *taken } else { found })
    }
}

/// Compares two tokens in constant time, so that the time does not tell how much of a guess was right. The all-zero token means no
/// token, and never matches: clients without randomness all have it, and none must be taken for another.
pub(super) fn same_token(first: &Token, second: &Token) -> bool {
    let difference = first.iter().zip(second).fold(0, |difference, (first, second)| difference | (first ^ second));
    let bits = first.iter().fold(0, |bits, byte| bits | byte);
    core::hint::black_box(difference) == 0 && core::hint::black_box(bits) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn departed_are_known_until_too_many_have_left_after_them() {
        let mut departed = Departed::new();
        departed.push([0xff; 16], 7);
        departed.push([0xff; 16], 9);
        assert_eq!(departed.taken(&[0xff; 16]), 9);
        for index in 0..u8::try_from(DEPARTED_MAX).unwrap() {
            departed.push([index + 1; 16], 1);
        }
        assert_eq!((departed.taken(&[0xff; 16]), departed.taken(&[1; 16])), (0, 1));
    }

    #[test]
    fn who_has_said_nothing_or_has_no_token_makes_the_room_forget_nobody() {
        let mut departed = Departed::new();
        departed.push([0xff; 16], 7);
        for index in 0..u8::try_from(DEPARTED_MAX).unwrap() {
            departed.push([index + 1; 16], 0);
            departed.push([0; 16], 5);
        }
        assert_eq!((departed.taken(&[0xff; 16]), departed.taken(&[0; 16])), (7, 0));
    }

    #[test]
    fn tokens_are_the_same_only_if_every_bit_is() {
        let token = [0x5a; 16];
        assert!(same_token(&token, &token));
        assert!(!same_token(&[0; 16], &[0; 16]));
        for bit in 0..128 {
            let mut other = token;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!same_token(&token, &other));
        }
    }
}
