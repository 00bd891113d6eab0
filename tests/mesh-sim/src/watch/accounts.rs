//! What a peer sends to addresses that have not proven themselves, against what came from there: the budget, from outside.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;

/// The time over which the budget counts.
const BUDGET_MS: u64 = 60_000;

/// Which addresses have proven themselves to a peer, and an account of each of the others.
#[derive(Debug)]
pub(super) struct Accounts {
    /// Those that have.
    proven: HashSet<SocketAddr>,
    /// The accounts of the others.
    accounts: HashMap<SocketAddr, Account>,
}

/// What one address got and sent, for the budget.
#[derive(Debug, Default)]
struct Account {
    /// When and how many bytes the peer sent there.
    sent: VecDeque<(u64, usize)>,
    /// When and how many bytes came from there.
    came: VecDeque<(u64, usize)>,
}

impl Accounts {
    /// These addresses need no proof.
    pub(super) fn new(proven: &[SocketAddr]) -> Self {
        Self { proven: proven.iter().copied().collect(), accounts: HashMap::new() }
    }

    /// Whether an address has proven itself.
    pub(super) fn is_proven(&self, address: SocketAddr) -> bool {
        self.proven.contains(&address)
    }

    /// So many bytes come from an address, which proves itself or not.
    pub(super) fn hear(&mut self, now_ms: u64, source: SocketAddr, length: usize, shows_proof: bool) {
        if shows_proof {
            self.proven.insert(source);
        }
        if !self.is_proven(source) {
            let account = self.accounts.entry(source).or_default();
            account.came.push_back((now_ms, length));
        }
    }

    /// Accounts for what goes to an address that has not proven itself: in any 60 s it gets no more than what came, and twice
    /// 1,000 bytes, because two windows of the engine may meet there.
    ///
    /// # Errors
    /// Bytes that were sent there, and how many it may get at most, if these are fewer.
    pub(super) fn pay(&mut self, now_ms: u64, to: SocketAddr, length: usize) -> Result<(), (usize, usize)> {
        if self.proven.contains(&to) {
            self.accounts.remove(&to);
            return Ok(());
        }
        let account = self.accounts.entry(to).or_default();
        account.sent.push_back((now_ms, length));
        while account.sent.front().is_some_and(|(at_ms, _)| at_ms + BUDGET_MS < now_ms) {
            account.sent.pop_front();
        }
        while account.came.front().is_some_and(|(at_ms, _)| at_ms + 2 * BUDGET_MS < now_ms) {
            account.came.pop_front();
        }
        let sum = |bytes: &VecDeque<(u64, usize)>| bytes.iter().map(|(_, length)| length).sum::<usize>();
        let (sent, allowed) = (sum(&account.sent), sum(&account.came) + 2_000);
        if sent <= allowed { Ok(()) } else { Err((sent, allowed)) }
    }
}
