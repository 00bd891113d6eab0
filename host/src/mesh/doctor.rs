//! `chat-host doctor`: finds out why nobody appears, and says it with what to do about it (docs/command-line.md).
//!
//! It calls as a newcomer would, by multicast and by broadcast, listens to its own calls, to those of others and to their answers, and
//! compares. It never claims a name, so no peer shows anything of it.

mod finding;
mod observed;

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
use observed::Observed;
use serde::Serialize;
use smol::future;
use std::net::SocketAddr;
use std::time::Duration;

/// Pause between two calls.
const CALL_PAUSE: Duration = Duration::from_millis(500);

/// So long it listens at least: answers take up to 100 ms, and a first datagram may be lost.
const LISTEN_MIN: Duration = Duration::from_secs(2);

/// By which a doctor's calls are known: the highest id that there is, because newcomers wait for lower ones.
const DOCTOR: PeerId = PeerId(PeerId::LAST.0 - 1);

/// The look at the network.
struct Look {
    /// The interfaces that peers use.
    interfaces: Vec<Interface>,
    /// The sockets that a peer has.
    sockets: Sockets,
    /// Peers of earlier runs.
    remembered: Vec<SocketAddr>,
    /// The call by multicast, and the others: they have nonces of their own, so that it shows which of them come back.
    calls: [Call; 2],
    /// The question whether a relay is there.
    probe: Datagram,
    /// What was seen so far.
    observed: Observed,
}

/// A datagram that looks for others.
#[derive(Debug)]
struct Call {
    /// By which it is known again.
    nonce: Nonce,
    /// The datagram.
    datagram: Datagram,
}

/// What is told besides findings.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Told<'a> {
    /// Where it has looked.
    Looked {
        /// On which interfaces.
        interfaces: Vec<&'a str>,
        /// Who has answered.
        peers: Vec<SocketAddr>,
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
/// Something was found, or it could not look.
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
    let mut look = Look {
        interfaces,
        sockets,
        remembered: Remembered::load().0.addresses().to_vec(),
        calls: [call()?, call()?],
        probe: probe()?,
        observed: Observed::default(),
    };
    if !look.interfaces.is_empty() {
        look.listen(options.seconds);
    }
    findings.extend(look.observed.findings(&look.interfaces, shares.is_ok()));
    tell(options, &look, &findings);
    match findings.len() {
        0 => Ok(()),
        1 => Err(Failure::lost("1 thing keeps peers from each other")),
        count => Err(Failure::lost(format!("{count} things keep peers from each other"))),
    }
}

/// A random number.
fn random() -> Result<u64, Failure> {
    getrandom::u64().map_err(|error| Failure::lost(format!("the system gives no random numbers: {error}")))
}

/// A call for others, as a newcomer sends it.
fn call() -> Result<Call, Failure> {
    let nonce = Nonce(random()?);
    let mut datagram = Datagram::EMPTY;
    datagram.begin(PROTOCOL);
    let from = Item::From { id: DOCTOR, incarnation: 0, token: Token::NONE };
    let pushed = datagram.push(&from).and_then(|()| datagram.push(&Item::Seek { nonce, members: 0 }));
    pushed.map_err(|full| Failure::lost(full.to_string()))?;
    datagram.pad_to(MESH_SEEK_BYTES);
    Ok(Call { nonce, datagram })
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
                let nonces = [self.calls[0].nonce, self.calls[1].nonce];
                self.observed.handle_datagram(nonces, source, arrival, bytes);
            }
        }
    }

    /// Calls on every way that a peer has, and asks those directly who were heard.
    fn call(&mut self) {
        let [multicast, other] = &self.calls;
        self.sockets.multicast(&self.interfaces, multicast.datagram.as_bytes());
        self.sockets.broadcast(&self.interfaces, PORT, other.datagram.as_bytes());
        self.sockets.broadcast(&self.interfaces, relay::PORT, self.probe.as_bytes());
        for address in self.remembered.iter().copied().chain(self.observed.unanswered()) {
            self.sockets.send(address, other.datagram.as_bytes());
            // A machine that had a peer may have a server.
            self.sockets.send((address.ip(), relay::PORT).into(), self.probe.as_bytes());
        }
    }
}

/// Tells all of it on standard output.
fn tell(options: &Doctor, look: &Look, findings: &[Finding]) {
    let interfaces: Vec<&str> = look.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    let peers = look.observed.answered();
    if options.json {
        let findings = findings.iter().map(|finding| {
            let (text, remedy) = finding.told();
            Told::Finding { kind: finding.kind(), text, remedy }
        });
        for told in std::iter::once(Told::Looked { interfaces, peers }).chain(findings) {
            let mut line = Vec::new();
            // A vector takes everything.
            let _ = json::write_line(&mut line, &told);
            log::print(String::from_utf8_lossy(&line).into_owned());
        }
        return;
    }
    let mut lines = match (interfaces.as_slice(), peers.as_slice()) {
        ([], _) => String::new(),
        (on, []) => format!("looked on {}: no peer answers\n", on.join(", ")),
        (on, peers) => {
            let peers: Vec<_> = peers.iter().map(ToString::to_string).collect();
            format!("looked on {}: peers answer at {}\n", on.join(", "), peers.join(", "))
        }
    };
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
    log::print(lines);
}
