//! What happens in one run: how the links behave, and who does what when. It is data: drawn from a seed, shrunk, written as
//! text and read again.

use crate::network::{Link, Slot};
use std::fmt;
use std::str::FromStr;

/// One run of the simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Seed of the links' fates and of the engines.
    pub seed: u64,
    /// How many hosts there are.
    pub slots: usize,
    /// How the links behave while there are faults.
    pub link: Link,
    /// What happens, by ascending time.
    pub steps: Vec<Step>,
    /// When the faults end: from here on links lose nothing, and nothing more happens.
    pub calm_ms: u64,
    /// How long the group has until what holds at rest is checked.
    pub rest_ms: u64,
    /// Whether never two members have one name, though somebody alive is held dead.
    pub unique: bool,
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When, in milliseconds since the beginning.
    pub at_ms: u64,
    /// What.
    pub action: Action,
}

/// What can happen. Whatever does not fit the moment (a crash of a peer that does not run) is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A peer starts on a host.
    Start(Start),
    /// The peer of a host is gone, without a word.
    Crash(Slot),
    /// The peer of a host leaves.
    Leave(Slot),
    /// The peer of a host says a text of so many bytes.
    Say(Slot, usize),
    /// Nothing of the first host reaches the second any more.
    Cut(Slot, Slot),
    /// The link from the first to the second host works again.
    Mend(Slot, Slot),
    /// All links work again.
    MendAll,
    /// So many datagrams of a thousand are lost from now on.
    Loss(u32),
    /// The wall clock of a host jumps by so many milliseconds.
    Clock(Slot, i64),
    /// The wall clock of a host says 1970.
    Epoch(Slot),
    /// A host sleeps for so many milliseconds: no timer, and its sockets' buffers overflow.
    Sleep(Slot, u64),
    /// A host moves into another network: its address is another from now on.
    Move(Slot),
    /// An address translator in front of a host forgets it: its port is another from now on.
    Rebind(Slot),
    /// Links carry no datagram of more bytes than this.
    Mtu(usize),
    /// The link from the first to the second host carries no datagram of more bytes than this.
    LinkMtu(Slot, Slot, usize),
    /// The network brings a host once more all that it brought it in the last so many milliseconds.
    Again(Slot, u64),
    /// Somebody who is no member does harm to the peer of a host.
    Attack(Attack, Slot),
}

/// How a peer starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The host.
    pub slot: Slot,
    /// The name that it claims.
    pub name: String,
    /// Its UDP port.
    pub port: u16,
    /// Whether it seeks and is found by multicast.
    pub discovery: bool,
    /// The hosts that it is told to join, at port 9292.
    pub join: Vec<Slot>,
    /// Names that it denies.
    pub denied: Vec<String>,
}

/// What can be done to harm a peer: by somebody who is no member, if nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// LEFT, in the name and from the address of each member, without a token.
    Left,
    /// Rows that call each member dead, from the address of another.
    Deaths,
    /// SAY in the name of each member.
    Say,
    /// Claims of many ids from one address, for names of all kinds.
    Claims,
    /// Claims from many addresses.
    ClaimsSpread,
    /// OBJECT and WELCOME with guessed nonces, from the members' addresses.
    Objections,
    /// Datagrams of random bytes behind a right beginning.
    Noise,
    /// A member that has gone bad claims an impossible rank.
    Rank,
    /// A member that has gone bad repeats what it said, far too often.
    Flood,
}

/// Every attack and its word in the text of a scenario.
const ATTACKS: [(Attack, &str); 9] = [
    (Attack::Left, "left"),
    (Attack::Deaths, "deaths"),
    (Attack::Say, "say"),
    (Attack::Claims, "claims"),
    (Attack::ClaimsSpread, "claims-spread"),
    (Attack::Objections, "objections"),
    (Attack::Noise, "noise"),
    (Attack::Rank, "rank"),
    (Attack::Flood, "flood"),
];

impl Attack {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Left,
        Self::Deaths,
        Self::Say,
        Self::Claims,
        Self::ClaimsSpread,
        Self::Objections,
        Self::Noise,
        Self::Rank,
        Self::Flood,
    ];
}

impl Action {
    /// The hosts that it concerns; it is left out when one of them is taken out of the scenario.
    pub fn slots(&self) -> Vec<Slot> {
        match self {
            Self::Start(start) => vec![start.slot],
            Self::Crash(slot) | Self::Leave(slot) | Self::Say(slot, _) | Self::Clock(slot, _) | Self::Epoch(slot) => {
                vec![*slot]
            }
            Self::Sleep(slot, _) | Self::Attack(_, slot) | Self::Move(slot) | Self::Rebind(slot) => vec![*slot],
            Self::Again(slot, _) => vec![*slot],
            Self::Cut(from, to) | Self::Mend(from, to) | Self::LinkMtu(from, to, _) => vec![*from, *to],
            Self::MendAll | Self::Loss(_) | Self::Mtu(_) => Vec::new(),
        }
    }
}

impl Scenario {
    /// How many peers start in it: so many memories it needs.
    pub fn starts(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step.action, Action::Start(_))).count()
    }

    /// When the faults end: when the scenario says so, and everybody has slept out.
    pub fn calm_from_ms(&self) -> u64 {
        let ends_ms = self.steps.iter().map(|step| match step.action {
            Action::Sleep(_, span_ms) => step.at_ms + span_ms,
            _ => 0,
        });
        ends_ms.max().unwrap_or(0).max(self.calm_ms)
    }

    /// Sorts the steps by time; those of one time keep their order.
    pub fn sort(&mut self) {
        self.steps.sort_by_key(|step| step.at_ms);
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Link { delay_ms, spread_ms, jitter_ms, loss, duplicates } = self.link;
        writeln!(f, "seed {}", self.seed)?;
        writeln!(f, "slots {}", self.slots)?;
        writeln!(f, "link {delay_ms} {spread_ms} {jitter_ms} {loss} {duplicates}")?;
        for step in &self.steps {
            writeln!(f, "{} {}", step.at_ms, step.action)?;
        }
        if self.unique {
            writeln!(f, "expect unique")?;
        }
        writeln!(f, "calm {} {}", self.calm_ms, self.rest_ms)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(start) => {
                write!(f, "start {} {} {}", start.slot, start.name, start.port)?;
                if start.discovery {
                    write!(f, " discovery")?;
                }
                start.join.iter().try_for_each(|slot| write!(f, " join:{slot}"))?;
                start.denied.iter().try_for_each(|name| write!(f, " deny:{name}"))
            }
            Self::Crash(slot) => write!(f, "crash {slot}"),
            Self::Leave(slot) => write!(f, "leave {slot}"),
            Self::Say(slot, length) => write!(f, "say {slot} {length}"),
            Self::Cut(from, to) => write!(f, "cut {from} {to}"),
            Self::Mend(from, to) => write!(f, "mend {from} {to}"),
            Self::MendAll => write!(f, "mend-all"),
            Self::Loss(permille) => write!(f, "loss {permille}"),
            Self::Clock(slot, shift_ms) => write!(f, "clock {slot} {shift_ms}"),
            Self::Epoch(slot) => write!(f, "epoch {slot}"),
            Self::Sleep(slot, ms) => write!(f, "sleep {slot} {ms}"),
            Self::Move(slot) => write!(f, "move {slot}"),
            Self::Rebind(slot) => write!(f, "rebind {slot}"),
            Self::Mtu(bytes) => write!(f, "mtu {bytes}"),
            Self::LinkMtu(from, to, bytes) => write!(f, "link-mtu {from} {to} {bytes}"),
            Self::Again(slot, span_ms) => write!(f, "again {slot} {span_ms}"),
            Self::Attack(attack, slot) => {
                let (_, word) = ATTACKS.iter().find(|(known, _)| known == attack).expect("the table has all of them");
                write!(f, "attack {word} {slot}")
            }
        }
    }
}

/// The text of a scenario that cannot be read.
#[derive(Debug)]
pub struct Unreadable(pub String);

impl FromStr for Scenario {
    type Err = Unreadable;

    /// Reads what [`fmt::Display`] writes; lines that begin with `#` and empty lines are comments.
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let link = Link { delay_ms: 1, spread_ms: 0, jitter_ms: 0, loss: 0, duplicates: 0 };
        let mut scenario =
            Self { seed: 0, slots: 0, link, steps: Vec::new(), calm_ms: 0, rest_ms: 15_000, unique: false };
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            read_line(&mut scenario, line).ok_or_else(|| Unreadable(line.to_owned()))?;
        }
        Ok(scenario)
    }
}

/// Reads one line into the scenario.
fn read_line(scenario: &mut Scenario, line: &str) -> Option<()> {
    let (first, rest) = line.split_once(' ')?;
    match first {
        "seed" => scenario.seed = rest.parse().ok()?,
        "slots" => scenario.slots = rest.parse().ok()?,
        "link" => {
            let fields: Vec<u64> = rest.split(' ').map(|field| field.parse().ok()).collect::<Option<_>>()?;
            let [delay_ms, spread_ms, jitter_ms, loss, duplicates] = fields.try_into().ok()?;
            let (loss, duplicates) = (u32::try_from(loss).ok()?, u32::try_from(duplicates).ok()?);
            scenario.link = Link { delay_ms, spread_ms, jitter_ms, loss, duplicates };
        }
        "calm" => {
            let (calm_ms, rest_ms) = rest.split_once(' ')?;
            (scenario.calm_ms, scenario.rest_ms) = (calm_ms.parse().ok()?, rest_ms.parse().ok()?);
        }
        "expect" if rest == "unique" => scenario.unique = true,
        at_ms => scenario.steps.push(Step { at_ms: at_ms.parse().ok()?, action: read_action(rest)? }),
    }
    Some(())
}

/// Reads one action.
fn read_action(text: &str) -> Option<Action> {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |index: usize| -> Option<usize> { words.get(index)?.parse().ok() };
    Some(match words[0] {
        "start" => Action::Start(read_start(&words)?),
        "crash" => Action::Crash(number(1)?),
        "leave" => Action::Leave(number(1)?),
        "say" => Action::Say(number(1)?, number(2)?),
        "cut" => Action::Cut(number(1)?, number(2)?),
        "mend" => Action::Mend(number(1)?, number(2)?),
        "mend-all" => Action::MendAll,
        "loss" => Action::Loss(words.get(1)?.parse().ok()?),
        "clock" => Action::Clock(number(1)?, words.get(2)?.parse().ok()?),
        "epoch" => Action::Epoch(number(1)?),
        "sleep" => Action::Sleep(number(1)?, words.get(2)?.parse().ok()?),
        "move" => Action::Move(number(1)?),
        "rebind" => Action::Rebind(number(1)?),
        "mtu" => Action::Mtu(number(1)?),
        "link-mtu" => Action::LinkMtu(number(1)?, number(2)?, number(3)?),
        "again" => Action::Again(number(1)?, words.get(2)?.parse().ok()?),
        "attack" => {
            let (attack, _) = ATTACKS.iter().find(|(_, word)| words.get(1) == Some(word))?;
            Action::Attack(*attack, number(2)?)
        }
        _ => return None,
    })
}

/// Reads how a peer starts.
fn read_start(words: &[&str]) -> Option<Start> {
    let (slot, name, port) = (words.get(1)?.parse().ok()?, (*words.get(2)?).to_owned(), words.get(3)?.parse().ok()?);
    let mut start = Start { slot, name, port, discovery: false, join: Vec::new(), denied: Vec::new() };
    for word in &words[4..] {
        match word.split_once(':') {
            None if *word == "discovery" => start.discovery = true,
            Some(("join", slot)) => start.join.push(slot.parse().ok()?),
            Some(("deny", name)) => start.denied.push(name.to_owned()),
            _ => return None,
        }
    }
    Some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenario_is_read_as_it_was_written() {
        let text = "seed 7\nslots 3\nlink 1 20 5 300 10\n0 start 0 ann 9292 discovery\n10 start 1 bob 9293 join:0 deny:eve\n\
            20 crash 0\n30 leave 1\n40 say 1 12\n50 cut 0 1\n60 mend 0 1\n70 mend-all\n80 loss 100\n90 clock 1 -3600000\n\
            91 epoch 1\n92 sleep 1 2500\n93 attack left 1\n94 attack claims-spread 0\n95 move 1\n96 rebind 0\n97 mtu 1200\n98 link-mtu 0 1 600\n99 again 1 3000\nexpect unique\ncalm 10000 15000\n";
        let scenario: Scenario = text.parse().unwrap();
        assert_eq!(scenario.steps.len(), 19);
        assert_eq!(scenario.to_string(), text);
    }

    #[test]
    fn line_that_means_nothing_is_told() {
        let error = "seed 7\n10 dance 3\n".parse::<Scenario>().unwrap_err();
        assert_eq!(error.0, "10 dance 3");
    }
}
