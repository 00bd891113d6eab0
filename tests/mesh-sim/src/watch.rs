//! What the simulator remembers of one peer, from outside: what came, what went, what it showed.

mod accounts;

use crate::network::Slot;
use crate::wire;
use accounts::Accounts;
use chat_core::mesh::{Item, PeerId, State};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;

/// One row as it was last seen in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whose it is.
    pub id: PeerId,
    /// Its incarnation.
    pub incarnation: u32,
    /// Its state.
    pub state: State,
}

/// What was shown of one origin.
#[derive(Debug, Default)]
pub struct Shown {
    /// Numbers of the history.
    pub history: Vec<u32>,
    /// The number below the first that was shown or lost live.
    pub base: Option<u32>,
    /// The last number that was shown live or lost.
    pub last: u32,
    /// How many were lost.
    pub lost: u32,
    /// Numbers that were lost, from the first to the last.
    pub lost_spans: Vec<(u32, u32)>,
}

/// Everything about one peer that the checks need.
#[derive(Debug)]
pub struct Watch {
    /// Its id at present.
    pub id: PeerId,
    /// Its host.
    pub slot: Slot,
    /// Its name.
    pub name: String,
    /// The key of its name.
    pub key: String,
    /// When it started.
    pub started_ms: u64,
    /// When it first claimed with its present incarnation.
    pub claim_ms: u64,
    /// The incarnation that it claims with.
    claiming: u32,
    /// Nonces of the claims of that incarnation.
    claims: HashSet<u64>,
    /// Who welcomed that claim.
    pub welcomers: HashSet<PeerId>,
    /// When it was admitted last.
    pub admitted_ms: Option<u64>,
    /// Whether it was admitted as a founder.
    pub founded: bool,
    /// When its hand-over was done.
    pub handed_over_ms: Option<u64>,
    /// Why it was refused.
    pub refused: Option<String>,
    /// Whether it was refused a moment after it heard nobody, and all that it waited for were dead.
    pub refused_deaf: bool,
    /// Whether it was told to leave.
    pub leaving: bool,
    /// When it crashed or was told to leave.
    pub gone_ms: Option<u64>,
    /// Its table as it was last seen.
    pub rows: Vec<Seen>,
    /// What it showed, by origin.
    pub shown: BTreeMap<PeerId, Shown>,
    /// The number behind the name of each other member, as its user was told last; 1 for none. The own number too.
    pub told: BTreeMap<PeerId, u16>,
    /// The highest Lamport value of a message that it showed.
    pub shown_lamport: u64,
    /// What its giver called the most recent messages: origin and number.
    pub ten: Vec<(PeerId, u32)>,
    /// Deaths that it was told of: id and incarnation.
    pub told_dead: HashSet<(PeerId, u32)>,
    /// When it last heard each peer.
    pub heard: HashMap<PeerId, u64>,
    /// Its Lamport value.
    pub lamport: u64,
    /// When it last heard nobody of its table.
    pub deaf_ms: u64,
    /// When it heard nobody of its table: from and until.
    deaf_spans: Vec<(u64, u64)>,
    /// When it was last looked whether it hears somebody.
    looked_ms: u64,
    /// When it last woke late.
    pub woke_ms: Option<u64>,
    /// Tokens that it gave, and to which address.
    given: HashSet<(SocketAddr, u64)>,
    /// The last of them for each address.
    pub last_given: HashMap<SocketAddr, u64>,
    /// Nonces that it sent in SEEK, CLAIM and PING.
    nonces: HashSet<u64>,
    /// What it sent to addresses.
    accounts: Accounts,
    /// When each own message was said, until it is confirmed.
    pub unconfirmed: BTreeMap<u32, u64>,
    /// Bytes that it sent.
    pub sent_bytes: u64,
    /// Datagrams that it sent.
    pub sent: u64,
    /// Datagrams that came.
    pub came: u64,
}

/// Who has heard somebody so long ago hears somebody: three periods of probes.
const HEARD_MS: u64 = 1_500;

impl Watch {
    /// A peer that starts.
    pub fn new(id: PeerId, slot: Slot, name: &str, now_ms: u64, joins: &[SocketAddr]) -> Self {
        Self {
            id,
            slot,
            name: name.to_owned(),
            key: key(name),
            started_ms: now_ms,
            claim_ms: now_ms,
            claiming: 0,
            claims: HashSet::new(),
            welcomers: HashSet::new(),
            admitted_ms: None,
            founded: false,
            handed_over_ms: None,
            refused: None,
            refused_deaf: false,
            leaving: false,
            gone_ms: None,
            rows: Vec::new(),
            shown: BTreeMap::new(),
            told: BTreeMap::new(),
            shown_lamport: 0,
            ten: Vec::new(),
            told_dead: HashSet::new(),
            heard: HashMap::new(),
            deaf_ms: now_ms,
            deaf_spans: Vec::new(),
            looked_ms: now_ms,
            woke_ms: None,
            given: HashSet::new(),
            last_given: HashMap::new(),
            lamport: 0,
            nonces: HashSet::new(),
            // Its user named them: they get as many SEEKs as it takes.
            accounts: Accounts::new(joins),
            unconfirmed: BTreeMap::new(),
            sent_bytes: 0,
            sent: 0,
            came: 0,
        }
    }

    /// Whether it is a member.
    pub const fn is_admitted(&self) -> bool {
        self.admitted_ms.is_some()
    }

    /// Looks whether it hears somebody of its table.
    pub fn look(&mut self, now_ms: u64) {
        let is_there = |id: &PeerId| self.rows.iter().any(|row| row.id == *id && *id != self.id);
        if !self.heard.iter().any(|(id, at_ms)| at_ms + HEARD_MS >= now_ms && is_there(id)) {
            self.deaf_ms = now_ms;
            self.deaf_spans.push((self.looked_ms, now_ms));
        }
        self.looked_ms = now_ms;
    }

    /// For how long it has run and heard somebody since.
    pub fn hearing_ms(&self, since_ms: u64, now_ms: u64) -> u64 {
        let since_ms = since_ms.max(self.started_ms);
        let deaf = self.deaf_spans.iter().map(|&(from_ms, until_ms)| until_ms.saturating_sub(from_ms.max(since_ms)));
        (now_ms - since_ms) - deaf.sum::<u64>()
    }

    /// A datagram comes from this address.
    pub fn came(&mut self, now_ms: u64, source: SocketAddr, bytes: &[u8]) {
        self.came += 1;
        let items = wire::items(bytes);
        let Some(Item::From { id: sender, token, .. }) = items.first() else { return };
        let gave_token = token.0 != 0 && self.given.contains(&(source, token.0));
        let shows_proof = gave_token || items.iter().any(|item| self.answers(item));
        self.accounts.hear(now_ms, source, bytes.len(), shows_proof);
        if shows_proof {
            self.hears(now_ms, *sender, &items);
        }
        let is_proven = self.accounts.is_proven(source);
        wire::visit(bytes, |from, _, item| self.learns(from, is_proven, item));
    }

    /// Whether this item repeats a nonce of its own.
    fn answers(&self, item: &Item<'_>) -> bool {
        match item {
            Item::Found { nonce, .. }
            | Item::Welcome { nonce, .. }
            | Item::Object { nonce, .. }
            | Item::Ack { nonce, .. } => self.nonces.contains(&nonce.0),
            _ => false,
        }
    }

    /// It hears the sender of a datagram that shows a proof, and whose items that one passes on. Who has no row yet is nobody who was heard.
    fn hears(&mut self, now_ms: u64, sender: PeerId, items: &[Item<'_>]) {
        let passed_on = items.iter().filter_map(|item| match item {
            // What was passed on to a peer that was here before is not for this one.
            Item::Via { target, from, .. } if *target == self.id => Some(*from),
            _ => None,
        });
        for id in std::iter::once(sender).chain(passed_on) {
            if self.rows.iter().any(|row| row.id == id) {
                self.heard.insert(id, now_ms);
            }
        }
    }

    /// It is told something by somebody.
    fn learns(&mut self, from: PeerId, is_proven: bool, item: &Item<'_>) {
        match item {
            Item::Welcome { nonce, .. } if self.claims.contains(&nonce.0) => {
                self.welcomers.insert(from);
            }
            // Of others deaths are not believed.
            Item::Rows { rows, .. } if is_proven => {
                let rows = rows.iter().flatten();
                self.told_dead.extend(rows.filter(|row| is_gone(&row.standing)).map(|row| (row.id, row.incarnation)));
            }
            // The first one counts: an older one may come behind it.
            Item::Recent { no_giver: false, pairs } if self.handed_over_ms.is_none() && self.ten.is_empty() => {
                self.ten = pairs.iter().flatten().map(|pair| (pair.origin, pair.number)).collect();
            }
            Item::Object { holder: Some(row), .. } if is_gone(&row.standing) => {
                self.told_dead.insert((row.id, row.incarnation));
            }
            _ => {}
        }
    }

    /// It sends a datagram to this address, or to all.
    ///
    /// # Errors
    /// Bytes that were sent to an address that has not proven itself, and how many it may get at most, if these are fewer.
    pub fn sends(&mut self, now_ms: u64, to: Option<SocketAddr>, bytes: &[u8]) -> Result<(), (usize, usize)> {
        self.sent += 1;
        self.sent_bytes += bytes.len() as u64;
        let (id, mut incarnation) = (self.id, 0);
        for item in wire::items(bytes) {
            match item {
                Item::From { incarnation: own, .. } => incarnation = own,
                // Another giver begins anew.
                Item::VectorAsk { .. } if self.handed_over_ms.is_none() => self.ten.clear(),
                Item::Seek { nonce, .. } | Item::Ping { nonce } => {
                    self.nonces.insert(nonce.0);
                }
                Item::Claim { nonce, token, .. } => {
                    self.claims(now_ms, incarnation, nonce.0);
                    self.gives(to, token.0);
                }
                Item::Found { token, .. } | Item::Welcome { token, .. } | Item::Ack { token, .. } => {
                    self.gives(to, token.0);
                }
                Item::RowsAsk { token, .. } => self.gives(to, token.0),
                Item::Via { from, item, .. } if from == id => match Item::decode(item) {
                    Ok(Item::Claim { nonce, .. }) => self.claims(now_ms, incarnation, nonce.0),
                    Ok(Item::Ping { nonce }) => {
                        self.nonces.insert(nonce.0);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        to.map_or(Ok(()), |to| self.accounts.pay(now_ms, to, bytes.len()))
    }

    /// It claims with this incarnation and nonce.
    fn claims(&mut self, now_ms: u64, incarnation: u32, nonce: u64) {
        self.nonces.insert(nonce);
        if self.claiming != incarnation {
            self.claiming = incarnation;
            self.claims.clear();
            self.welcomers.clear();
            self.claim_ms = now_ms;
        }
        self.claims.insert(nonce);
    }

    /// Whether it has claimed with this nonce, in its present incarnation.
    pub fn claims_with(&self, nonce: u64) -> bool {
        self.claims.contains(&nonce)
    }

    /// It gives a token for this address.
    fn gives(&mut self, to: Option<SocketAddr>, token: u64) {
        if let Some(to) = to.filter(|_| token != 0) {
            self.given.insert((to, token));
            self.last_given.insert(to, token);
        }
    }
}

/// Whether a row says that somebody is dead or has left.
fn is_gone(standing: &chat_core::mesh::Standing) -> bool {
    use chat_core::mesh::Standing;
    matches!(standing, Standing::Dead(_) | Standing::Left(_) | Standing::DeadBare | Standing::LeftBare)
}

/// The key of a name.
pub fn key(name: &str) -> String {
    let name = chat_core::username::Username::new(name).expect("a scenario's names are allowed");
    format!("{:?}", name.key())
}
