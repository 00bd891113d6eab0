//! What the user of a peer sees: a first line that says who is here, the history, then what happens.

use super::event::Event;
use super::{tell, who};
use crate::script::{Stop, Talk};
use chat_core::mesh::{self, Member, PeerId};
use chat_core::refusal::RefusalReason;
use chat_core::time::Instant;
use chat_core::username::Username;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

/// A claim that takes longer is told: without a word it looks as if nobody were there.
const CLAIM_UNTOLD_MAX: Duration = Duration::from_millis(1_500);

/// Names of members that a newcomer is told.
const NAMES_TOLD_MAX: usize = 10;

/// The user's view.
#[derive(Debug)]
pub(super) struct View {
    /// The name that is claimed.
    name: Username,
    /// Under which name the peer is shown to all.
    shown_name: String,
    /// The own address, as it is told.
    address: SocketAddr,
    /// How far the peer has come.
    entry: Entry,
    /// When it became a member.
    admitted_at: Instant,
    /// How many messages of history were shown.
    messages: u64,
    /// The members that the user knows of.
    known: HashMap<PeerId, Known>,
    /// Own messages that have not arrived everywhere yet, by number: each is shown once it has.
    held: BTreeMap<u32, Held>,
    /// What the user was told last of what stands in the claim's way.
    waiting: Option<RefusalReason>,
    /// When the user is told that the claim takes longer than usual.
    tell_claim_at: Option<Instant>,
    /// Whether the user was told.
    is_claim_told: bool,
    /// How many members the other group had of which the user was told that it stays apart.
    too_many: Option<u32>,
}

/// How far a peer has come in entering a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// It is no member.
    Outside,
    /// It is a member, and its user is to be told who is here.
    Entering,
    /// The user was told, and the history follows.
    Told,
    /// All that comes is live.
    Live,
}

/// A member that the user knows of.
#[derive(Debug)]
struct Known {
    /// The name under which it is shown.
    name: String,
    /// When it came; `None` if it was there before.
    since: Option<Instant>,
}

/// An own message that has not arrived everywhere yet.
#[derive(Debug)]
struct Held {
    /// Its Lamport value.
    lamport: u64,
    /// When it was said.
    sent_ms: i64,
    /// What was said.
    text: String,
    /// Whether it is what the user does.
    action: bool,
}

/// That the members do not let the peer in.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Why.
    reason: RefusalReason,
    /// Who objected.
    by: Option<String>,
    /// Where that is.
    by_address: Option<SocketAddr>,
}

impl Refusal {
    /// Why, and who objected.
    pub(super) fn new(reason: RefusalReason, by: Option<Member<'_>>) -> Self {
        Self { reason, by: by.map(|by| by.name.to_string()), by_address: by.and_then(|by| by.address) }
    }
}

impl View {
    /// Nothing was shown yet.
    pub(super) fn new(name: Username, address: SocketAddr) -> Self {
        Self {
            shown_name: name.as_str().to_owned(),
            name,
            address,
            entry: Entry::Outside,
            admitted_at: Instant::from_millis(0),
            messages: 0,
            known: HashMap::new(),
            held: BTreeMap::new(),
            waiting: None,
            tell_claim_at: None,
            is_claim_told: false,
            too_many: None,
        }
    }

    /// The peer looks for others anew.
    pub(super) const fn handle_seeking(&mut self) {
        self.tell_claim_at = None;
    }

    /// When [`View::handle_timeout`] has something to do.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.tell_claim_at
    }

    /// Tells that others were found, if they do not agree soon.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub(super) fn handle_timeout(&mut self, talk: &mut Talk, now: Instant) -> Result<(), Stop> {
        if self.tell_claim_at.is_none_or(|tell_claim_at| now < tell_claim_at) {
            return Ok(());
        }
        (self.tell_claim_at, self.is_claim_told) = (None, true);
        let name = self.name.as_str();
        Ok(talk.screen.aside(&format!(
            "-- others are here; waiting until all agree to the name {name}, which takes some seconds if one does not answer --"
        ))?)
    }

    /// Whether the history is over.
    pub(super) fn is_live(&self) -> bool {
        self.entry == Entry::Live
    }

    /// Whether the user knows of nobody else.
    pub(super) fn is_alone(&self) -> bool {
        self.known.is_empty()
    }

    /// Shows what there is to show of an event of the engine.
    pub(super) fn show(
        &mut self,
        talk: &mut Talk,
        now: Instant,
        own: PeerId,
        event: &mesh::Event<'_>,
    ) -> Result<(), Stop> {
        match *event {
            // The driver knows where others are looked for, and which names are taken.
            mesh::Event::Seeking | mesh::Event::Refused { .. } | mesh::Event::Ended => {}
            mesh::Event::Founded => talk.show(&Event::Founded)?,
            mesh::Event::Claiming { members } => {
                self.tell_claim_at = (!self.is_claim_told).then_some(now + CLAIM_UNTOLD_MAX);
                talk.show(&Event::Claiming { members })?;
            }
            mesh::Event::Waiting { reason, by } => {
                self.tell_claim_at = None;
                self.show_waiting(talk, reason, by)?;
            }
            mesh::Event::Admitted { .. } => {
                (self.entry, self.admitted_at) = (Entry::Entering, now);
                (self.messages, self.waiting) = (0, None);
                (self.tell_claim_at, self.is_claim_told) = (None, false);
                talk.show(&Event::Admitted { name: self.name.as_str(), id: own })?;
            }
            mesh::Event::HandedOver => self.show_history_end(talk, now)?,
            mesh::Event::Joined(member) => self.show_joined(talk, now, &member)?,
            mesh::Event::Left(member) => self.show_gone(talk, now, &member, false)?,
            mesh::Event::Died(member) => self.show_gone(talk, now, &member, true)?,
            mesh::Event::Renamed(member) => self.show_renamed(talk, own, &member)?,
            mesh::Event::Message(message) => self.show_message(talk, now, &message)?,
            mesh::Event::Lost { origin, name, count } => {
                let name = name.map(|name| name.to_string());
                talk.show(&Event::Lost { origin, name: name.as_deref(), messages: count })?;
            }
            mesh::Event::Confirmed { number } => self.confirm(talk, now, own, number)?,
            mesh::Event::Unconfirmed { number } => {
                self.held.remove(&number);
                talk.handle_unconfirmed(number, &self.address.to_string())?;
            }
            mesh::Event::Flooded(member) => {
                let name = member.name.to_string();
                talk.show(&Event::Flooded { id: member.id, name: &name })?;
            }
            mesh::Event::TooMany { members } => {
                if self.too_many.replace(members) != Some(members) {
                    talk.show(&Event::TooMany { members })?;
                }
            }
        }
        Ok(())
    }

    /// Something stands in the claim's way. It is told once, however often the claim is made.
    fn show_waiting(&mut self, talk: &mut Talk, reason: RefusalReason, by: Option<Member<'_>>) -> Result<(), Stop> {
        if self.waiting.replace(reason) != Some(reason) {
            let by = by.map(|by| by.name.to_string());
            talk.show(&Event::Waiting { reason, by: by.as_deref() })?;
        }
        Ok(())
    }

    /// The members do not let the peer in. `taken` are the names that are known.
    pub(super) fn stop_refused(&self, talk: &mut Talk, refusal: &Refusal, taken: &[&Username]) -> Stop {
        let Refusal { reason, by, by_address } = refusal;
        let (reason, by, by_address) = (*reason, by.as_deref(), *by_address);
        let free = tell::free_name(&self.name, taken);
        let free = free.as_ref().map(Username::as_str);
        // If nobody reads the event, the line on standard error still tells.
        let _ = talk.show(&Event::Refused { reason, by, by_address, free });
        Stop::Refused(tell::refusal(reason, self.name.as_str(), by.map(|by| (by, by_address)), free))
    }

    /// Somebody has come, or was there.
    fn show_joined(&mut self, talk: &mut Talk, now: Instant, member: &Member<'_>) -> Result<(), Stop> {
        let name = member.name.to_string();
        let event = Event::Joined { id: member.id, name: &name, address: member.address };
        let is_entering = self.entry == Entry::Entering;
        if is_entering {
            talk.screen.add_name(&name);
            talk.screen.show_json(&event)?;
        } else {
            talk.handle_arrival(now, &event, &name, true)?;
        }
        self.known.insert(member.id, Known { name, since: (!is_entering).then_some(now) });
        Ok(())
    }

    /// Somebody has left or died.
    fn show_gone(&mut self, talk: &mut Talk, now: Instant, member: &Member<'_>, silent: bool) -> Result<(), Stop> {
        let known = self.known.remove(&member.id);
        let name = known.map_or_else(|| member.name.to_string(), |known| known.name);
        Ok(talk.handle_arrival(now, &Event::Left { id: member.id, name: &name, silent }, &name, false)?)
    }

    /// Somebody has another number behind the name.
    fn show_renamed(&mut self, talk: &mut Talk, own: PeerId, member: &Member<'_>) -> Result<(), Stop> {
        let name = member.name.to_string();
        let is_own = member.id == own;
        let shown = if is_own {
            Some(&mut self.shown_name)
        } else {
            self.known.get_mut(&member.id).map(|known| &mut known.name)
        };
        let before =
            shown.map_or_else(|| member.name.name.as_str().to_owned(), |shown| std::mem::replace(shown, name.clone()));
        if !is_own {
            talk.screen.remove_name(&before);
            talk.screen.add_name(&name);
        }
        Ok(talk.show(&Event::Renamed { id: member.id, name: &name, before: &before, own: is_own })?)
    }

    /// Shows a message; an own one once it has arrived.
    fn show_message(&mut self, talk: &mut Talk, now: Instant, message: &mesh::Message<'_>) -> Result<(), Stop> {
        let mesh::Message { origin, number, lamport, sent_ms, action, own, history, late, clock_off, .. } = *message;
        let text = message.text.as_str();
        if own && !history {
            self.held.insert(number, Held { lamport, sent_ms, text: text.to_owned(), action });
            return Ok(());
        }
        self.show_entry(talk, now)?;
        self.messages += u64::from(history);
        let name = match message.name_number {
            0 | 1 => message.name.to_owned(),
            number => format!("{}~{number}", message.name),
        };
        let name = name.as_str();
        Ok(talk.show(&Event::Message {
            origin,
            number,
            lamport,
            sent_ms,
            name,
            text,
            action,
            own,
            history,
            late,
            clock_off,
        })?)
    }

    /// An own message has arrived: it is shown.
    fn confirm(&mut self, talk: &mut Talk, now: Instant, own: PeerId, number: u32) -> Result<(), Stop> {
        talk.confirm(now, number)?;
        let Some(Held { lamport, sent_ms, text, action }) = self.held.remove(&number) else { return Ok(()) };
        Ok(talk.show(&Event::Message {
            origin: own,
            number,
            lamport,
            sent_ms,
            name: &self.shown_name,
            text: &text,
            action,
            own: true,
            history: false,
            late: false,
            clock_off: false,
        })?)
    }

    /// Tells who is here, once.
    fn show_entry(&mut self, talk: &mut Talk, now: Instant) -> Result<(), Stop> {
        if self.entry != Entry::Entering {
            return Ok(());
        }
        self.entry = Entry::Told;
        talk.handle_progress(now);
        let who = match self.known.len() {
            0 => "nobody else is here yet, and you are found by whoever comes".to_owned(),
            others => format!("{} here: {}", tell_others(others), few(self.known.values())),
        };
        // The lines of a script are no commands.
        let hint = if talk.screen.is_person() { "; /help lists the commands" } else { "" };
        talk.screen.aside(&format!("-- you are {}; {who}{hint} --", self.shown_name))?;
        if self.is_alone() && talk.screen.is_person() {
            talk.screen.aside("-- if somebody should be here, `chat-host doctor` finds out what is in the way --")?;
        }
        Ok(())
    }

    /// The history is over.
    fn show_history_end(&mut self, talk: &mut Talk, now: Instant) -> Result<(), Stop> {
        self.show_entry(talk, now)?;
        self.entry = Entry::Live;
        let (messages, members) = (self.messages, self.known.len() + 1);
        talk.screen.show_json(&Event::HistoryEnd { messages, members })?;
        match messages {
            0 => {}
            1 => talk.screen.aside("-- 1 message before you came --")?,
            messages => talk.screen.aside(&format!("-- {messages} messages before you came --"))?,
        }
        Ok(())
    }

    /// Shows who is here.
    pub(super) fn show_who(
        &self,
        talk: &mut Talk,
        now: Instant,
        own: PeerId,
        members: &mut [Member<'_>],
    ) -> Result<(), Stop> {
        let since = |id| {
            let known = self.known.get(&id);
            if id == own { Some(self.admitted_at) } else { known.and_then(|known| known.since) }
        };
        for line in who::lines(members, (own, self.address), now, since) {
            talk.screen.aside(&line)?;
        }
        Ok(())
    }
}

/// So many others.
fn tell_others(count: usize) -> String {
    if count == 1 { "1 other".to_owned() } else { format!("{count} others") }
}

/// A few of these names in alphabetical order, and whether there are others.
fn few<'k>(known: impl Iterator<Item = &'k Known>) -> String {
    let mut names: Vec<&str> = known.map(|known| known.name.as_str()).collect();
    names.sort_unstable();
    let more = names.len() > NAMES_TOLD_MAX;
    names.truncate(NAMES_TOLD_MAX);
    names.extend(more.then_some("..."));
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_ten_names_are_told_and_of_more_that_there_are() {
        let known = |count: u8| -> Vec<Known> {
            (0..count).rev().map(|last| Known { name: char::from(b'a' + last).to_string(), since: None }).collect()
        };
        assert_eq!(few(known(10).iter()), "a, b, c, d, e, f, g, h, i, j");
        assert_eq!(few(known(11).iter()), "a, b, c, d, e, f, g, h, i, j, ...");
    }
}
