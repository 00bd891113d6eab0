//! The invariants of docs/mesh-protocol.md, checked after every step of a peer against what the simulator saw of it from outside.

use crate::network::Slot;
use crate::tally::Tally;
use crate::violation::{Checked, check};
use crate::watch::{Seen, Watch};
use crate::wire;
use chat_core::mesh::{Event, Item, Message, Peer, PeerId, Phase, State};
use chat_core::time::Instant;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

/// A message as its origin said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its Lamport value.
    pub lamport: u64,
    /// When it was said, by the origin's wall clock.
    pub sent_ms: i64,
    /// The origin's name.
    pub name: String,
    /// What was said.
    pub text: String,
    /// When, by the simulation's clock.
    pub at_ms: u64,
}

/// What is checked, and what has to be remembered for it.
#[derive(Debug)]
pub struct Checks {
    /// Every peer that ever started, by its generation.
    pub watches: Vec<Watch>,
    /// Which of them run, by host.
    pub running: Vec<Option<usize>>,
    /// All that was said.
    pub said: HashMap<(PeerId, u32), Said>,
    /// The highest incarnation that each id has had itself.
    incarnations: HashMap<PeerId, u32>,
    /// When peers ended, by id.
    ended: HashMap<PeerId, u64>,
    /// When a running peer was last held dead by somebody.
    held_dead_ms: Option<u64>,
    /// Whether everybody means well, and at most three of ten datagrams are lost: then no live member is ever dropped.
    pub strict: bool,
    /// Whether never two members have one name.
    pub unique: bool,
    /// Most hosts for which the promised times are checked.
    pub timed: bool,
    /// Pairs of hosts, the lower first, between which a link was ever cut.
    pub cut_pairs: HashSet<(Slot, Slot)>,
    /// When a link was cut last.
    pub cut_ms: u64,
    /// Since when no link is cut any more.
    pub mended_ms: Option<u64>,
    /// Whether cuts are all that goes wrong.
    pub only_cuts: bool,
    /// How long a message may take at most, where nothing is lost.
    pub message_ms_max: Option<u64>,
    /// Times and counts.
    pub tally: Tally,
}

/// How long after a cut nobody tells of the deaths any more that it seemed to bring.
const HEALED_MS: u64 = 30_000;

/// How long a death may take until it is off all tables.
const DEATH_MS: u64 = 12_000;

impl Checks {
    /// Nothing was seen yet.
    pub fn new(slots: usize, unique: bool, strict: bool, timed: bool) -> Self {
        Self {
            watches: Vec::new(),
            running: vec![None; slots],
            said: HashMap::new(),
            incarnations: HashMap::new(),
            ended: HashMap::new(),
            held_dead_ms: None,
            unique,
            strict,
            timed,
            cut_pairs: HashSet::new(),
            cut_ms: 0,
            mended_ms: None,
            only_cuts: false,
            message_ms_max: None,
            tally: Tally::default(),
        }
    }

    /// A peer starts.
    pub fn starts(&mut self, now_ms: u64, slot: Slot, name: &str, peer: &Peer<'_>, joins: &[SocketAddr]) {
        self.running[slot] = Some(self.watches.len());
        self.watches.push(Watch::new(peer.id(), slot, name, now_ms, joins));
        self.incarnations.insert(peer.id(), peer.incarnation());
    }

    /// The peer of a host is gone.
    pub fn ends(&mut self, now_ms: u64, slot: Slot) {
        if let Some(index) = self.running[slot].take() {
            let watch = &self.watches[index];
            self.ended.insert(watch.id, now_ms);
            self.watches[index].gone_ms.get_or_insert(now_ms);
            let watch = &self.watches[index];
            if let Some(admitted_ms) = watch.admitted_ms {
                self.tally.member_ms += now_ms - admitted_ms;
            }
        }
    }

    /// The running peers.
    pub fn runs(&self) -> impl Iterator<Item = &Watch> {
        self.running.iter().flatten().map(|&index| &self.watches[index])
    }

    /// A peer sends a datagram.
    ///
    /// # Errors
    /// Invariants 3, 7 and 8.
    pub fn sends(&mut self, now_ms: u64, index: usize, to: Option<SocketAddr>, bytes: &[u8]) -> Checked {
        let watch = &mut self.watches[index];
        let slot = watch.slot;
        check("MESH-INV-8", now_ms, bytes.len() <= 1_200, || format!("{slot} sends {} bytes", bytes.len()))?;
        if !watch.is_admitted() {
            let says = wire::items(bytes).iter().any(|item| matches!(item, Item::Say(_)));
            check("MESH-INV-3", now_ms, !says, || format!("{slot} sends a SAY and is no member"))?;
        }
        self.tally.sent += 1;
        let paid = watch.sends(now_ms, to, bytes);
        check("MESH-INV-7", now_ms, paid.is_ok(), || format!("{slot} sends to {to:?}, not proven: {paid:?}"))
    }

    /// A peer tells its user something.
    ///
    /// # Errors
    /// Invariants 1, 2 and 3.
    pub fn tells(&mut self, now_ms: u64, index: usize, event: &Event<'_>) -> Checked {
        let watch = &mut self.watches[index];
        match event {
            Event::Seeking => watch.told.clear(),
            Event::Founded => {
                watch.founded = true;
                watch.admitted_ms = Some(now_ms);
                self.tally.founded += 1;
            }
            Event::Joined(member) | Event::Renamed(member) => {
                watch.told.insert(member.id, member.name.number.max(1));
            }
            Event::Left(member) | Event::Died(member) => {
                watch.told.remove(&member.id);
                self.tell_of_death(now_ms, event);
            }
            Event::Admitted { .. } if !watch.founded => {
                watch.admitted_ms = Some(now_ms);
                self.tally.joins_ms.push(now_ms - watch.started_ms);
            }
            Event::HandedOver => watch.handed_over_ms = Some(now_ms),
            Event::Refused { reason, .. } => {
                watch.refused = Some(format!("{reason:?}"));
                watch.refused_deaf = watch.deaf_ms + DEATH_MS > now_ms && watch.deaf_ms > watch.started_ms;
                *self.tally.refused.entry(format!("{reason:?}")).or_default() += 1;
            }
            Event::Message(message) => return self.shows(now_ms, index, message),
            Event::Lost { origin, count, .. } => self.loses(*origin, index, *count),
            Event::Confirmed { number } => {
                watch.unconfirmed.remove(number);
            }
            _ => {}
        }
        Ok(())
    }

    /// A user is told that somebody is gone: is that so, and since when?
    fn tell_of_death(&mut self, now_ms: u64, event: &Event<'_>) {
        let Event::Died(member) = event else { return };
        match self.ended.get(&member.id) {
            Some(ended_ms) => self.tally.died_ms.push(now_ms - ended_ms),
            None => self.tally.false_views += 1,
        }
    }

    /// A peer shows a message.
    fn shows(&mut self, now_ms: u64, index: usize, message: &Message<'_>) -> Checked {
        // What an origin says just before it goes may come by others alone.
        let stays = !self.watches.iter().any(|other| other.id == message.origin && other.gone_ms.is_some());
        let watch = &mut self.watches[index];
        let (slot, origin, number) = (watch.slot, message.origin, message.number);
        let what = || format!("{slot} shows {origin:?}:{number} {message:?}");
        check("MESH-INV-3", now_ms, watch.is_admitted(), what)?;
        let said = Said {
            lamport: message.lamport,
            sent_ms: message.sent_ms,
            name: message.name.to_owned(),
            text: message.text.as_str().to_owned(),
            at_ms: now_ms,
        };
        if message.own {
            let before = self.said.insert((origin, number), said);
            check("MESH-INV-2", now_ms, before.is_none() && origin == watch.id, what)?;
            watch.unconfirmed.insert(number, now_ms);
        } else {
            let known = self.said.get(&(origin, number));
            let right = known.is_some_and(|known| Said { at_ms: known.at_ms, ..said } == *known);
            check("MESH-INV-2", now_ms, right, || format!("{}, said was {known:?}", what()))?;
            if let Some(known) = known.filter(|known| watch.admitted_ms.is_some_and(|since_ms| since_ms < known.at_ms))
            {
                self.tally.messages_ms.push(now_ms - known.at_ms);
                let is_late = stays && self.message_ms_max.is_some_and(|most_ms| now_ms - known.at_ms > most_ms);
                let was_there = watch.handed_over_ms.is_some_and(|since_ms| since_ms < known.at_ms);
                check("MESH-LIVE", now_ms, !is_late || !was_there, || format!("late: {}", what()))?;
            }
        }
        let is_late = message.lamport < watch.shown_lamport;
        watch.shown_lamport = watch.shown_lamport.max(message.lamport);
        check("MESH-RING-2", now_ms, is_late == message.late, || format!("late should be {is_late}: {}", what()))?;
        let shown = watch.shown.entry(origin).or_default();
        if message.history {
            let first = !shown.history.contains(&number) && shown.base.is_none() && watch.handed_over_ms.is_none();
            check("MESH-INV-1", now_ms, first, || format!("{} in its history, having {shown:?}", what()))?;
            shown.history.push(number);
            return Ok(());
        }
        let next = match shown.base {
            Some(_) => number == shown.last + 1,
            None => number > shown.lost && shown.history.iter().all(|&old| old < number - shown.lost),
        };
        check("MESH-INV-1", now_ms, next, || format!("{} live, having {shown:?}", what()))?;
        if shown.base.is_none() {
            shown.base = Some(number - 1 - shown.lost);
        }
        shown.last = number;
        Ok(())
    }

    /// A peer counts messages of an origin as lost.
    fn loses(&mut self, origin: PeerId, index: usize, count: u32) {
        let shown = self.watches[index].shown.entry(origin).or_default();
        shown.lost += count;
        if shown.base.is_some() {
            shown.lost_spans.push((shown.last + 1, shown.last + count));
            shown.last += count;
        }
        self.tally.lost += u64::from(count);
    }

    /// A peer has finished a step: its table and its place in the world.
    ///
    /// # Errors
    /// Invariants 4, 5, 6 and 9.
    pub fn step(
        &mut self,
        now_ms: u64,
        index: usize,
        (peer, now): (&Peer<'_>, Instant),
        was_admitted: bool,
    ) -> Checked {
        self.owns(now_ms, index, peer);
        let before = std::mem::replace(&mut self.watches[index].lamport, peer.lamport());
        check("MESH-RANK-1", now_ms, peer.lamport() - before <= 1 << 32, || {
            format!("the lamport of {} jumps from {before} to {}", self.watches[index].slot, peer.lamport())
        })?;
        let rows: Vec<Seen> =
            peer.rows(now).map(|row| Seen { id: row.id, incarnation: row.incarnation, state: row.state }).collect();
        let changed = rows != self.watches[index].rows;
        if changed {
            self.table(now_ms, index, &rows)?;
            self.full_names(now_ms, index, (peer, now))?;
            self.watches[index].rows = rows;
        }
        if !was_admitted && self.watches[index].is_admitted() {
            self.admission(now_ms, index)?;
        }
        Ok(())
    }

    /// Follows id and incarnation of the peer itself.
    fn owns(&mut self, now_ms: u64, index: usize, peer: &Peer<'_>) {
        let watch = &mut self.watches[index];
        if watch.id != peer.id() {
            self.ended.insert(watch.id, now_ms);
            watch.id = peer.id();
        }
        // Who leaves may still repair what it said.
        if !matches!(peer.phase(), Phase::Admitted | Phase::Member) && !watch.leaving {
            (watch.admitted_ms, watch.handed_over_ms, watch.founded) = (None, None, false);
        }
        let highest = self.incarnations.entry(peer.id()).or_insert(0);
        *highest = (*highest).max(peer.incarnation());
    }

    /// A table has changed.
    fn table(&mut self, now_ms: u64, index: usize, rows: &[Seen]) -> Checked {
        let before: HashMap<PeerId, Seen> = self.watches[index].rows.iter().map(|row| (row.id, *row)).collect();
        let slot = self.watches[index].slot;
        for row in rows {
            let old = before.get(&row.id);
            if old == Some(row) {
                continue;
            }
            // The own row is nobody's business before it is told: a newcomer has left until it claims.
            let is_own = row.id == self.watches[index].id;
            let rises = old.is_none_or(|old| match is_own {
                true => row.incarnation >= old.incarnation,
                false => (row.incarnation, row.state) > (old.incarnation, old.state),
            });
            check("MESH-INV-6", now_ms, rises, || format!("in the table of {slot}, {old:?} becomes {row:?}"))?;
            if let Some(&highest) = self.incarnations.get(&row.id) {
                check("MESH-INV-6", now_ms, row.incarnation <= highest, || {
                    format!("the table of {slot} has {row:?}, whose owner is at incarnation {highest}")
                })?;
            }
            if let Some(old) = old.filter(|old| is_live(old.state) && !is_live(row.state) && !is_own) {
                self.departs(now_ms, index, (old, row), rows)?;
            }
        }
        Ok(())
    }

    /// A row that was live is dead or left now.
    fn departs(&mut self, now_ms: u64, index: usize, (old, row): (&Seen, &Seen), rows: &[Seen]) -> Checked {
        let (timed, strict) = (self.timed, self.strict);
        let runs =
            self.runs().find(|other| other.id == row.id && self.incarnations.get(&row.id) == Some(&row.incarnation));
        let lives = runs.is_some_and(|other| other.is_admitted() && !other.leaving);
        let its_slot = runs.map(|other| other.slot);
        let watch = &self.watches[index];
        let slot = watch.slot;
        if row.state == State::Left {
            return check("MESH-LEFT", now_ms, !lives, || format!("{slot} believes that {row:?} has left"));
        }
        if let Some(ended_ms) = self.ended.get(&row.id).filter(|_| timed) {
            self.tally.deaths_ms.push(now_ms - ended_ms);
        }
        if watch.told_dead.contains(&(row.id, row.incarnation)) {
            // When a healed group compares tables, deaths are old, and no half drops its own members; a few are told of all the
            // same, and refute it at once.
            let pair = its_slot.map(|other| (slot.min(other), slot.max(other)));
            let were_together = pair.is_some_and(|pair| !self.cut_pairs.contains(&pair));
            let healed = self.only_cuts && self.cut_ms + HEALED_MS < self.mended_ms.unwrap_or(0);
            self.tally.healed_drops += usize::from(lives && were_together && healed);
            return check("MESH-HEAL", now_ms, self.tally.healed_drops <= self.running.len(), || {
                format!("{slot} is told that {row:?} is dead, from which it was never cut off, as others were")
            });
        }
        let awake = watch.woke_ms.is_none_or(|woke_ms| woke_ms + 4_000 <= now_ms);
        check("MESH-INV-9", now_ms, awake, || format!("{slot} woke at {:?} and declares {row:?} dead", watch.woke_ms))?;
        // A newcomer that was never heard proves nothing by its silence: claims can be forged.
        let is_newcomer = old.state == State::Joining && !watch.heard.contains_key(&row.id);
        let is_other = |id: PeerId| id != watch.id && id != row.id && rows.iter().any(|other| other.id == id);
        let heard = watch.heard.iter().filter(|(id, _)| is_other(**id));
        // Since the end of the last period, through which it may have slept for less than two seconds.
        let hears = heard.into_iter().any(|(_, at_ms)| at_ms + 2_700 >= now_ms);
        let met = rows
            .iter()
            .any(|other| is_other(other.id) && other.state == State::Member && watch.met.contains(&other.id));
        let fair = is_newcomer || hears || !met;
        check("MESH-INV-9", now_ms, fair, || format!("{slot} hears nobody and declares {row:?} dead"))?;
        if lives {
            self.held_dead_ms = Some(now_ms);
            self.tally.false_deaths += 1;
            return check("MESH-LIVE", now_ms, !strict, || format!("{slot} declares {row:?} dead, which lives"));
        }
        Ok(())
    }

    /// The full names of a table differ.
    fn full_names(&self, now_ms: u64, index: usize, (peer, now): (&Peer<'_>, Instant)) -> Checked {
        let slot = self.watches[index].slot;
        let mut names = HashSet::new();
        for member in peer.members(now).filter(|member| member.state == State::Member) {
            let name = (key_of(member.name.name.as_str()), member.name.number.max(1));
            check("MESH-INV-5", now_ms, names.insert(name), || format!("{slot} shows two members as {}", member.name))?;
        }
        Ok(())
    }

    /// A peer was admitted in this step.
    fn admission(&mut self, now_ms: u64, index: usize) -> Checked {
        let watch = &self.watches[index];
        if watch.founded {
            return Ok(());
        }
        let slot = watch.slot;
        let live: Vec<&Seen> = watch.rows.iter().filter(|row| is_live(row.state) && row.id != watch.id).collect();
        let silent = live.iter().find(|row| !watch.welcomers.contains(&row.id));
        check("MESH-INV-4", now_ms, silent.is_none(), || {
            format!("{slot} is admitted, and not welcomed by {silent:?}")
        })?;
        check("MESH-INV-4", now_ms, !watch.welcomers.is_empty(), || format!("{slot} is admitted by nobody"))?;
        let Some(other) = self
            .runs()
            .find(|other| other.id != watch.id && other.is_admitted() && !other.leaving && other.key == watch.key)
        else {
            return Ok(());
        };
        check("MESH-INV-5", now_ms, !self.unique, || {
            format!("{slot} and {} are both admitted as {}", other.slot, watch.name)
        })?;
        // A witness was admitted before both claims and welcomed both; of a group that was met since it has not.
        let since_ms = other.claim_ms.min(watch.claim_ms);
        let sees = |watch: &Watch, id: PeerId| {
            watch.welcomers.contains(&id) && watch.rows.iter().any(|row| row.id == id && is_live(row.state))
        };
        let witness = self.runs().find(|witness| {
            witness.id != watch.id
                && witness.id != other.id
                && witness.admitted_ms.is_some_and(|admitted_ms| admitted_ms < since_ms)
                && sees(watch, witness.id)
                && sees(other, witness.id)
        });
        let held_dead = self.held_dead_ms.is_some_and(|at_ms| at_ms + 60_000 > since_ms);
        let unseen = witness.is_none() || held_dead;
        check("MESH-INV-5", now_ms, unseen, || {
            format!(
                "{slot} and {} are both admitted as {}, in sight of {:?}",
                other.slot,
                watch.name,
                witness.map(|it| it.slot)
            )
        })?;
        self.tally.unwitnessed += 1;
        Ok(())
    }

    /// Nobody has a peer in its table for longer than promised after it died.
    ///
    /// # Errors
    /// MESH-LIVE.
    pub fn deaths_are_known(&mut self, now_ms: u64) -> Checked {
        if !self.timed {
            return Ok(());
        }
        // Who hears nobody may itself be cut off: its time begins when it hears somebody again.
        for &index in self.running.iter().flatten() {
            let watch = &mut self.watches[index];
            let is_there = |id: &PeerId| watch.rows.iter().any(|row| row.id == *id && *id != watch.id);
            if !watch.heard.iter().any(|(id, at_ms)| at_ms + 1_500 >= now_ms && is_there(id)) {
                watch.deaf_ms = now_ms;
            }
        }
        for watch in
            self.runs().filter(|watch| watch.is_admitted() && !watch.leaving && watch.deaf_ms + DEATH_MS < now_ms)
        {
            let late = watch.rows.iter().find(|row| {
                is_live(row.state) && self.ended.get(&row.id).is_some_and(|ended_ms| ended_ms + DEATH_MS < now_ms)
            });
            check("MESH-LIVE", now_ms, late.is_none(), || format!("{} still has {late:?}, dead for 12 s", watch.slot))?;
        }
        Ok(())
    }
}

/// Whether it is joining or member.
pub fn is_live(state: State) -> bool {
    matches!(state, State::Joining | State::Member)
}

/// The key of a name.
pub fn key_of(name: &str) -> String {
    crate::watch::key(name)
}
