//! Random numbers of a peer: SipHash-2-4 of a counter, under the seed. Who sees some of them cannot guess the others.

use core::hash::Hasher as _;
use core::time::Duration;
use siphasher::sip::SipHasher24;

/// Gives random numbers.
#[derive(Debug)]
pub(super) struct Random {
    /// The key.
    seed: [u8; 16],
    /// How many numbers have been given.
    given: u64,
}

impl Random {
    /// The numbers that belong to this seed.
    pub(super) const fn new(seed: [u8; 16]) -> Self {
        Self { seed, given: 0 }
    }

    /// A number of 64 bits, never 0: 0 stands for none where ids, nonces and tokens travel.
    pub(super) fn word(&mut self) -> u64 {
        loop {
            self.given = self.given.wrapping_add(1);
            let mut hasher = SipHasher24::new_with_key(&self.seed);
            hasher.write_u64(self.given);
            let word = hasher.finish();
            if word != 0 && word != u64::MAX {
                return word;
            }
        }
    }

    /// A number below `bound`; 0 if there is none.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // The upper half of a product: a bias of less than bound / 2^64.
        let product = u128::from(self.word()) * bound as u128;
        usize::try_from(product >> 64).unwrap_or(0)
    }

    /// A span between two others, in whole milliseconds.
    pub(super) fn between(&mut self, min: Duration, max: Duration) -> Duration {
        let span = max.saturating_sub(min).as_millis();
        let share = self.below(usize::try_from(span).unwrap_or(usize::MAX).saturating_add(1));
        min + Duration::from_millis(share as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut random = Random::new([7; 16]);
        let mut seen = [0; 5];
        for _ in 0..1_000 {
            seen[random.below(5)] += 1;
        }
        assert!(seen.iter().all(|&count| (140..260).contains(&count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn spans_stay_within_both_ends() {
        let mut random = Random::new([9; 16]);
        let (min, max) = (Duration::from_millis(10), Duration::from_millis(12));
        let mut seen = [false; 3];
        for _ in 0..100 {
            let span = random.between(min, max);
            seen[usize::try_from(span.as_millis()).unwrap() - 10] = true;
        }
        assert_eq!(seen, [true; 3]);
        assert_eq!(random.between(max, max), max);
    }

    #[test]
    fn two_seeds_give_different_numbers() {
        assert_ne!(Random::new([1; 16]).word(), Random::new([2; 16]).word());
    }
}
