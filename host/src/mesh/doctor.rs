//! `chat-host doctor`: finds out why nobody appears, and says it with what to do about it (docs/command-line.md).
//!
//! It calls as a newcomer would, by multicast and by broadcast, listens to its own calls, to those of others and to their answers, and
//! compares. It never claims a name, so no peer shows anything of it.

mod finding;
mod observed;

use super::event::serialize_id;
use super::interfaces::{Interface, Selection};
use super::remembered::Remembered;
use super::sockets::{Received, Sockets};
use crate::clock;
use crate::command::Doctor;
use crate::failure::Failure;
use crate::log;
use crate::terminal::json;
use chat_core::datagram::Datagram;
use chat_core::limits::MESH_SEEK_BYTES;
use chat_core::mesh::{Item, Nonce, PORT, PROTOCOL, PeerId, Token};
use chat_core::relay;
use finding::Finding;
use observed::{Answering, Observed, Own};
use serde::Serialize;
use smol::future;
use std::net::SocketAddr;
use std::time::Duration;

/// Pause between two calls.
const CALL_PAUSE: Duration = Duration::from_millis(500);

/// So long it listens at least: answers take up to 100 ms, and a first datagram may be lost.
const LISTEN_MIN: Duration = Duration::from_secs(2);

/// By which a doctor is known: the highest id that there is, because newcomers wait for lower ones.
const DOCTOR: PeerId = PeerId(PeerId::LAST.0 - 1);

/// The look at the network.
struct Look {
    /// The interfaces that peers use.
    interfaces: Vec<Interface>,
    /// The sockets that a peer has.
    sockets: Sockets,
    /// Peers of earlier runs.
    remembered: Vec<SocketAddr>,
    /// By what the answers to the own datagrams are known.
    own: Own,
    /// The call by multicast, and the others: they have nonces of their own, so that it shows which of them come back.
    calls: [Datagram; 2],
    /// The question whether a relay is there.
    probe: Datagram,
    /// What was seen so far.
    observed: Observed,
}

/// What is told besides findings.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Told<'a> {
    /// Where it has looked.
    Looked {
        /// On which interfaces.
        interfaces: Vec<&'a str>,
        /// From where somebody has answered.
        peers: Vec<SocketAddr>,
    },
    /// A peer that has answered.
    Answered {
        /// By which its group knows it.
        #[serde(serialize_with = "serialize_id")]
        id: PeerId,
        /// Its name, if it has told it.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Where it has answered from.
        addresses: Vec<SocketAddr>,
    },
    /// Something that keeps peers from each other.
    Finding {
        /// Which of the list in docs/command-line.md.
        kind: &'static str,
        /// What it is.
        text: String,
        /// What to do about it.
        remedy: String,
    },
}

/// Looks at the network, and tells what it has found.
///
/// # Errors
/// Something was found, or it could not look or tell.
pub fn run(options: &Doctor) -> Result<(), Failure> {
    let mut sockets = Sockets::open(None)?;
    let selection = Selection::new(&options.interface, None);
    let mut interfaces =
        selection.look().map_err(|error| Failure::lost(format!("cannot see the interfaces: {error}")))?;
    let mut findings = finding::of_machine(&selection, &interfaces, clock::unix_ms());
    if findings.contains(&Finding::NoInterface) {
        interfaces.clear();
    }
    let shares = sockets.share();
    findings.extend(shares.is_err().then_some(Finding::PortTaken));
    sockets.join(&interfaces);
    let own = Own { nonces: [Nonce(random()?), Nonce(random()?)], token: Token(random()?) };
    let mut look = Look {
        interfaces,
        sockets,
        remembered: Remembered::load().0.addresses().to_vec(),
        own,
        calls: [call(own.nonces[0])?, call(own.nonces[1])?],
        probe: probe()?,
        observed: Observed::new(own),
    };
    if !look.interfaces.is_empty() {
        look.listen(options.seconds);
    }
    findings.extend(look.observed.findings(&look.interfaces, shares.is_ok()));
    let written = log::print_now(&told(options, &look, &findings));
    let found = match findings.len() {
        0 => return written,
        1 => "1 thing keeps peers from each other".to_owned(),
        count => format!("{count} things keep peers from each other"),
    };
    Err(Failure::lost(match written {
        Ok(()) => found,
        Err(failure) => format!("{found}; {failure}"),
    }))
}

/// A random number.
fn random() -> Result<u64, Failure> {
    getrandom::u64().map_err(|error| Failure::lost(format!("the system gives no random numbers: {error}")))
}

/// A datagram of the doctor with this item, for somebody who has given this token.
fn datagram(token: Token, item: &Item<'_>) -> Result<Datagram, Failure> {
    let mut datagram = Datagram::EMPTY;
    datagram.begin(PROTOCOL);
    let pushed = datagram.push(&Item::From { id: DOCTOR, incarnation: 0, token }).and_then(|()| datagram.push(item));
    pushed.map_err(|full| Failure::lost(full.to_string()))?;
    Ok(datagram)
}

/// A call for others, as a newcomer sends it.
fn call(nonce: Nonce) -> Result<Datagram, Failure> {
    let mut datagram = datagram(Token::NONE, &Item::Seek { nonce, members: 0 })?;
    datagram.pad_to(MESH_SEEK_BYTES);
    Ok(datagram)
}

/// The question whether a relay is there.
fn probe() -> Result<Datagram, Failure> {
    let echo = random()?.to_le_bytes();
    let mut datagram = Datagram::EMPTY;
    datagram.begin(relay::PROTOCOL);
    if let Some(echo) = relay::Echo::new(&echo) {
        datagram.push(&relay::Message::Probe { echo }).map_err(|full| Failure::lost(full.to_string()))?;
    }
    Ok(datagram)
}

impl Look {
    /// Calls and listens until somebody has answered and nothing is unclear, or for so long.
    fn listen(&mut self, listen_max: Duration) {
        let begin = clock::now();
        let mut call_at = begin;
        loop {
            let now = clock::now();
            let passed = now - begin;
            let is_clear = self.observed.is_clear(&self.interfaces);
            if passed >= listen_max || (passed >= LISTEN_MIN && is_clear) {
                return;
            }
            if call_at <= now {
                self.call();
                call_at = now + CALL_PAUSE;
            }
            self.sockets.wait(Some(call_at), future::pending::<()>());
            while let Ok(Some(Received { bytes, source, arrival })) = self.sockets.receive() {
                self.observed.handle_datagram(source, arrival, bytes);
            }
        }
    }

    /// Calls on every way that a peer has, asks those directly who were heard, and those for their names who have answered.
    fn call(&mut self) {
        let [multicast, other] = &self.calls;
        self.sockets.multicast(&self.interfaces, multicast.as_bytes());
        self.sockets.broadcast(&self.interfaces, PORT, other.as_bytes());
        self.sockets.broadcast(&self.interfaces, relay::PORT, self.probe.as_bytes());
        for address in self.remembered.iter().copied().chain(self.observed.unanswered()) {
            self.sockets.send(address, other.as_bytes());
            // A machine that had a peer may have a server.
            self.sockets.send((address.ip(), relay::PORT).into(), self.probe.as_bytes());
        }
        for (id, address, token) in self.observed.nameless() {
            let ask = Item::RowsAsk { after: PeerId(id.0.saturating_sub(1)), token: self.own.token };
            // It always fits.
            if let Ok(ask) = datagram(token, &ask) {
                self.sockets.send(address, ask.as_bytes());
            }
        }
    }
}

/// All of it as it is printed.
fn told(options: &Doctor, look: &Look, findings: &[Finding]) -> String {
    let interfaces: Vec<&str> = look.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    let peers = look.observed.answered();
    if options.json {
        return told_as_json(interfaces, peers, findings);
    }
    let mut lines = match (interfaces.join(", "), peers.len()) {
        (on, _) if on.is_empty() => String::new(),
        (on, 0) => format!("looked on {on}: no peer answers\n"),
        (on, 1) => format!("looked on {on}: 1 peer answers\n"),
        (on, count) => format!("looked on {on}: {count} peers answer\n"),
    };
    for Answering { name, addresses, .. } in &peers {
        let name = name.as_ref().map_or("a peer", |name| name.as_str());
        lines += &format!("  {name} at {}\n", list(addresses));
    }
    for finding in findings {
        let (text, remedy) = finding.told();
        lines += &format!("found: {text}\n  {remedy}\n");
    }
    if findings.is_empty() {
        lines += if peers.is_empty() {
            "nothing is wrong on this machine; start chat-host peer on another one, and look again\n"
        } else {
            "all is well\n"
        };
    }
    lines
}

/// Addresses in one line.
fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// All of it as programs read it.
fn told_as_json(interfaces: Vec<&str>, peers: Vec<Answering>, findings: &[Finding]) -> String {
    let addresses = peers.iter().flat_map(|peer| peer.addresses.iter().copied()).collect();
    let answered = peers.into_iter().map(|Answering { id, name, addresses }| {
        let name = name.map(|name| name.as_str().to_owned());
        Told::Answered { id, name, addresses }
    });
    let findings = findings.iter().map(|finding| {
        let (text, remedy) = finding.told();
        Told::Finding { kind: finding.kind(), text, remedy }
    });
    let mut lines = Vec::new();
    for told in std::iter::once(Told::Looked { interfaces, peers: addresses }).chain(answered).chain(findings) {
        // A vector takes everything.
        let _ = json::write_line(&mut lines, &told);
    }
    String::from_utf8_lossy(&lines).into_owned()
}
