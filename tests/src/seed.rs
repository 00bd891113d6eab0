//! Random numbers that can be repeated: the seed comes from the commit, and is printed.
//!
//! The package mesh-sim takes this file too.

use std::process::Command;

/// The environment variable that sets the seed, to repeat a failure.
const VARIABLE: &str = "CHAT_HOST_SEED";

/// Random numbers (`SplitMix64`: one word of state, every seed is good).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of this commit, or of `CHAT_HOST_SEED`. Prints the seed.
    pub fn new() -> Self {
        let seed = match std::env::var(VARIABLE) {
            Ok(seed) => seed.parse().expect("CHAT_HOST_SEED is a number"),
            Err(_) => commit(),
        };
        println!("seed: {VARIABLE}={seed}");
        Self(seed)
    }

    /// The sequence of this seed.
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.word() % end as u64).expect("it is below a usize")
    }

    /// This many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.word().to_le_bytes()[0]).collect()
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}

/// The first 16 digits of the commit's hash; without a commit, 0.
pub fn commit() -> u64 {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let hash = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    hash.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}
