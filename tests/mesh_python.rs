//! The peer of docs/examples/python, written from docs/mesh-protocol.md alone, talks with the engine over loopback.
#![cfg(not(loom))]

use chat_core::datagram::{Datagram, open};
use chat_core::mesh::{
    Addresses, Body, Digest, Item, Nonce, PROTOCOL, Packed, Packer, Pair, PeerId, Say, Standing, Token, WireRow,
};
use chat_core::username::Username;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use tests::DEADLINE;
use tests::mesh::Host;
use tests::process::Process;
use tests::workspace::root;

/// Starts the Python peer under this name.
fn python(name: &str, host: &Host) -> Process {
    python_at(name, host.address).0
}

/// Starts the Python peer under this name, which joins whoever is at this address. With the address that is its first line.
fn python_at(name: &str, join: SocketAddr) -> (Process, SocketAddr) {
    let mut command = Command::new("python3");
    command.arg(root().join("docs/examples/python/peer.py"));
    command.args(["--name", name, "--listen", "127.0.0.1:0", "--join", &join.to_string()]);
    let process = Process::start_command(&mut command);
    let line = process.output.find("peer 127.0.0.1:");
    let address = line.trim_start_matches("peer ").parse().unwrap();
    (process, address)
}

/// The token that a puppet gives to whoever asks.
const GIVEN: Token = Token(7);

/// A peer that the test plays itself: it admits whoever asks, and says what it likes.
struct Puppet {
    /// Where it is.
    socket: UdpSocket,
    /// Who it is.
    id: PeerId,
    /// Whom it has heard last.
    other: PeerId,
    /// The token that the other side has given to it.
    token: Token,
    /// The rows of its page, its own first.
    rows: Vec<WireRow>,
    /// Whether it answers ROWS_ASK.
    tells_rows: bool,
    /// Whether it answers PING.
    acknowledges: bool,
}

impl Puppet {
    /// A member of this name. Its id is told by the name.
    fn new(name: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let id = PeerId(u64::from(name.as_bytes()[0]));
        let mut addresses = Addresses::default();
        addresses.0.push(socket.local_addr().unwrap()).unwrap();
        let body = Body { rank: 1, capacity_log2: 8, name: Username::new(name).unwrap(), addresses };
        let row = WireRow { id, incarnation: 1, standing: Standing::Member(body) };
        Self {
            socket,
            id,
            other: PeerId::ZERO,
            token: Token::NONE,
            rows: vec![row],
            tells_rows: true,
            acknowledges: true,
        }
    }

    /// Where it is.
    fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Sends these items, in a datagram that is long enough for every answer.
    fn send(&self, to: SocketAddr, token: Token, items: &[Item<'_>]) {
        self.socket.send_to(&self.datagram(token, items), to).unwrap();
    }

    /// A datagram with these items.
    fn datagram(&self, token: Token, items: &[Item<'_>]) -> Vec<u8> {
        let mut datagram = Datagram::EMPTY;
        datagram.begin(PROTOCOL);
        datagram.push(&Item::From { id: self.id, incarnation: 1, token }).unwrap();
        items.iter().for_each(|item| datagram.push(item).unwrap());
        datagram.pad_to(200);
        datagram.as_bytes().to_vec()
    }

    /// Sends an item of these bytes.
    fn send_raw(&self, to: SocketAddr, item: &[u8]) {
        let head = self.datagram(self.token, &[]);
        let length = u8::try_from(item.len()).expect("short items alone");
        assert!(length < 0x80, "its length is one byte");
        self.socket.send_to(&[&head, &[length][..], item].concat(), to).unwrap();
    }

    /// Takes what comes, and answers it as a member does, until an item comes that is wanted.
    fn serve(&mut self, mut wanted: impl FnMut(&Item<'_>) -> bool) {
        let mut buffer = [0; 2_048];
        let mut found = false;
        while !found {
            let (length, source) = self.socket.recv_from(&mut buffer).expect("something comes in time");
            let items = open(PROTOCOL, &buffer[..length]).unwrap().map(|item| Item::decode(item.unwrap()).unwrap());
            for item in items {
                found |= wanted(&item);
                self.answer(source, &item);
            }
        }
    }

    /// What it answers.
    fn answer(&mut self, to: SocketAddr, item: &Item<'_>) {
        if let Item::From { id, .. } = item {
            self.other = *id;
        }
        if let Item::Claim { token, .. } | Item::RowsAsk { token, .. } | Item::Ack { token, .. } = item {
            self.token = *token;
        }
        let mut packer = Packer::<512>::new(512);
        self.rows.iter().for_each(|row| packer.push(row).unwrap());
        // Never the table hash of the other side: so it asks for rows behind a WELCOME.
        let table = Digest(1);
        let answer = match *item {
            Item::Seek { nonce, .. } => Item::Found { nonce, token: GIVEN, members: 1, capacity_log2: 8, table },
            Item::RowsAsk { after, .. } if self.tells_rows => {
                Item::Rows { after, until: PeerId::LAST, rows: packer.as_packed() }
            }
            Item::Claim { nonce, .. } => Item::Welcome { nonce, token: GIVEN, lamport: 1, head: 0, members: 1, table },
            Item::Ping { nonce } if self.acknowledges => Item::Ack { nonce, token: GIVEN },
            Item::VectorAsk { .. } => Item::Recent { no_giver: true, pairs: Packed::EMPTY },
            Item::Say(Say { number, .. }) => Item::Took { number },
            _ => return,
        };
        self.send(to, self.token, &[answer]);
    }

    /// Waits until the peer there has taken all that this one has sent to it before.
    fn settle(&mut self, to: SocketAddr, nonce: Nonce) {
        self.send(to, self.token, &[Item::Ping { nonce }]);
        self.serve(|item| matches!(item, Item::Ack { nonce: answered, .. } if *answered == nonce));
    }
}

/// A puppet whose group of one a Python peer has joined, and where that is.
fn admitted() -> (Puppet, Process, SocketAddr) {
    let mut mal = Puppet::new("mal");
    let (pia, address) = python_at("pia", mal.address());
    mal.serve(|item| matches!(item, Item::VectorAsk { .. }));
    pia.output.find("joined as pia");
    (mal, pia, address)
}

/// A CLAIM of this incarnation.
fn raw_claim(incarnation: &[u8]) -> Vec<u8> {
    [&[5][..], &[1; 8], incarnation, &[1; 8], b"\x03zoe\0"].concat()
}

/// 2^32 as a varint: one more than fits into 32 bits.
const TOO_LARGE: [u8; 5] = [0x80, 0x80, 0x80, 0x80, 0x10];

/// A group of ann, who has said two things, and bob.
fn group() -> (Host, Host) {
    let ann = Host::start("ann", &[], &["eve"]);
    ann.find("Founded");
    ann.say("one");
    ann.say("two");
    let bob = Host::start("bob", &[ann.address], &[]);
    bob.find("message ann: two");
    bob.find("HandedOver");
    (ann, bob)
}

#[test]
fn python_peer_joins_gets_the_history_speaks_and_leaves() {
    let (ann, bob) = group();
    let mut pia = python("pia", &bob);
    pia.output.find("joined as pia");
    assert_eq!(pia.output.find("history"), "history ann: one");
    assert_eq!(pia.output.find("history"), "history ann: two");
    pia.write("grüße aus Python\n".as_bytes());
    ann.find("message pia: grüße aus Python");
    bob.find("message pia: grüße aus Python");
    // Sixteen probes of each go by, which it answers.
    for count in 0..16 {
        bob.say(&format!("count {count}"));
        pia.output.find(&format!("bob: count {count}"));
        ann.find(&format!("message bob: count {count}"));
    }
    pia.end_input();
    assert_eq!(pia.finish().code, Some(0));
    ann.find("left pia");
    bob.find("left pia");
}

#[test]
fn engine_joins_a_group_in_which_a_python_peer_is() {
    let (ann, _bob) = group();
    let mut pia = python("pia", &ann);
    pia.output.find("joined as pia");
    pia.write(b"first\n");
    ann.find("message pia: first");
    let cy = Host::start("cy", &[ann.address], &[]);
    cy.find("Admitted");
    cy.find("message pia: first");
    cy.find("HandedOver");
    cy.say("hello");
    pia.output.find("cy: hello");
    pia.write(b"second\n");
    cy.find("message pia: second");
    let dora = Host::start("PIA", &[ann.address], &[]);
    assert!(dora.find("Refused").contains("NameTaken"));
}

#[test]
fn python_peer_is_told_who_refuses_it() {
    let (_ann, bob) = group();
    for (name, line) in [
        ("ANN", "refused: the name is taken (reason 16), says ann"),
        ("Bob", "refused: the name is taken (reason 16), says bob"),
        ("eve", "refused: a member does not allow this name (reason 19), says ann"),
    ] {
        let mut refused = python(name, &bob);
        assert_eq!(refused.output.find("refused"), line);
        assert_eq!(refused.finish().code, Some(1));
    }
}

#[test]
fn python_peer_outlives_what_strangers_send_it() {
    let (ann, bob) = group();
    let (mut pia, address) = python_at("pia", bob.address);
    pia.output.find("joined as pia");
    let mut stranger = Puppet::new("sam");
    let longest = [0xff; 9];
    for incarnation in
        [&TOO_LARGE[..], &[&longest[..], &[1]].concat(), &[&longest[..], &[0xff, 1]].concat(), &[0x81, 0]]
    {
        stranger.send_raw(address, &raw_claim(incarnation));
    }
    // A text of which a byte is missing, a tag of 2^32, an item that is longer than the datagram, and a FROM alone.
    stranger.send_raw(address, &raw_claim(&[1])[..21]);
    stranger.send_raw(address, &TOO_LARGE);
    stranger.socket.send_to(b"CHM\x01\xff\x7f\0", address).unwrap();
    stranger.socket.send_to(&[b"CHM\x01\x16\0", &[9; 8][..], &TOO_LARGE, &[0; 8]].concat(), address).unwrap();
    stranger.settle(address, Nonce(5));
    pia.write(b"still here\n");
    ann.find("message pia: still here");
}

#[test]
fn python_peer_outlives_what_members_send_it() {
    let (mut mal, mut pia, address) = admitted();
    let list = |bytes| Packed::<WireRow>::new(bytes);
    let pairs = |bytes| Packed::<Pair>::new(bytes);
    let no_hash = Digest(0);
    let row = |ending: &[u8]| [&[9; 8][..], b"\x01\x01\x01\x08\x03bob\x01\0\x7f\0\0\x01", ending].concat();
    let (port_of_17_bits, from_last) = (row(&[0xf0, 0xa2, 4]), (PeerId::ZERO, PeerId::LAST));
    for item in [
        Item::Rows { after: PeerId::ZERO, until: PeerId::ZERO, rows: list(&[1, 2]) },
        Item::Rows { after: PeerId::ZERO, until: PeerId::ZERO, rows: list(&port_of_17_bits) },
        Item::Heads { head: 0, vector: no_hash, pairs: pairs(&[1]) },
        Item::Vector { after: from_last.0, until: from_last.1, pairs: pairs(&[1; 20]) },
        Item::Recent { no_giver: false, pairs: pairs(&[1; 8]) },
    ] {
        mal.send(address, mal.token, &[item]);
    }
    // The row of the peer itself, dead with the highest incarnation that there is.
    let mut dead = Packer::<64>::new(64);
    dead.push(&WireRow { id: mal.other, incarnation: u32::MAX, standing: Standing::DeadBare }).unwrap();
    mal.send(address, mal.token, &[Item::Rows { after: PeerId::ZERO, until: PeerId::ZERO, rows: dead.as_packed() }]);
    mal.settle(address, Nonce(4));
    // It says so to every member, at whatever ports they are.
    pia.write(b"still here\n");
    mal.serve(|item| matches!(item, Item::Say(say) if say.text.as_str() == "still here"));
}

#[test]
fn python_peer_takes_no_acknowledgement_for_which_it_has_not_asked() {
    let (mut mal, _pia, address) = admitted();
    let mut stranger = Puppet::new("mal");
    stranger.send(address, Token::NONE, &[Item::Ack { nonce: Nonce(999), token: Token(12345) }]);
    stranger.settle(address, Nonce(1));
    let mut tokens = Vec::new();
    mal.send(address, mal.token, &[Item::Ping { nonce: Nonce(2) }]);
    mal.serve(|item| {
        if let Item::From { token, .. } = item {
            tokens.push(*token);
        }
        matches!(item, Item::Ack { nonce: Nonce(2), .. })
    });
    assert!(tokens.iter().all(|token| *token == GIVEN), "{tokens:?}");
}

#[test]
fn python_peer_claims_twice_at_an_address_that_is_not_proven_and_then_asks_whether_anybody_is_there() {
    let (mut mal, mut silent) = (Puppet::new("mal"), Puppet::new("bob"));
    silent.acknowledges = false;
    mal.rows.push(silent.rows[0].clone());
    let (_pia, _) = python_at("pia", mal.address());
    mal.serve(|item| matches!(item, Item::Claim { .. }));
    // Nothing is answered: two claims, and then no more but pings.
    let mut buffer = [0; 2_048];
    let (mut claims, mut nonce, mut from) = (0, None, None);
    for _ in 0..5 {
        let (length, source) = silent.socket.recv_from(&mut buffer).unwrap();
        for item in open(PROTOCOL, &buffer[..length]).unwrap() {
            match Item::decode(item.unwrap()).unwrap() {
                Item::Claim { .. } => claims += 1,
                Item::Ping { nonce: asked } => nonce = Some(asked),
                _ => {}
            }
        }
        from = Some(source);
    }
    assert_eq!(claims, 2);
    let ack = Item::Ack { nonce: nonce.expect("pings come"), token: GIVEN };
    silent.send(from.unwrap(), Token::NONE, &[ack]);
    silent.serve(|item| matches!(item, Item::Claim { .. }));
}

#[test]
fn python_peer_is_not_admitted_while_pages_are_under_way() {
    let (mut mal, mut bob) = (Puppet::new("mal"), Puppet::new("bob"));
    let (pia, _) = python_at("pia", mal.address());
    let (mut claimed, mut acknowledged) = (None, false);
    mal.serve(|item| matches!(item, Item::RowsAsk { .. }));
    mal.tells_rows = false;
    mal.serve(|item| {
        if let Item::Claim { nonce, .. } = item {
            claimed = Some(*nonce);
        }
        claimed.is_some()
    });
    // It is welcome, by a table that is not its own: it acknowledges, and asks for the rows of that again and again.
    let mut asks = 0;
    mal.serve(|item| {
        assert!(!matches!(item, Item::VectorAsk { .. }), "it takes itself for a member");
        acknowledged |= matches!(item, Item::Ack { nonce, .. } if Some(*nonce) == claimed);
        asks += u32::from(matches!(item, Item::RowsAsk { .. }));
        asks == 3
    });
    assert!(acknowledged);
    mal.rows.push(bob.rows[0].clone());
    mal.tells_rows = true;
    mal.serve(|item| matches!(item, Item::RowsAsk { .. }));
    bob.serve(|item| matches!(item, Item::Claim { .. }));
    bob.serve(|item| matches!(item, Item::RowsAsk { .. }));
    pia.output.find("joined as pia");
}

#[test]
fn python_peer_refuses_a_text_that_is_too_long_and_cuts_none() {
    let (ann, bob) = group();
    let mut pia = python("pia", &bob);
    pia.output.find("joined as pia");
    let longest = "é".repeat(512);
    pia.write(format!("{longest}é\n").as_bytes());
    pia.output.find("not said, a text has 1 to 1,024 bytes");
    pia.write(b"\xff\n");
    pia.output.find("not said, it is not UTF-8");
    pia.write(format!("{longest}\n").as_bytes());
    ann.find(&format!("message pia: {longest}"));
}

#[test]
fn python_peer_says_ten_at_once_and_then_five_a_second() {
    let (mut mal, mut pia, _) = admitted();
    pia.write("line\n".repeat(14).as_bytes());
    let mut sent = Vec::new();
    mal.serve(|item| {
        if let Item::Say(say) = item
            && usize::try_from(say.number).unwrap() > sent.len()
        {
            sent.push(say.sent_ms);
        }
        sent.len() == 14
    });
    assert!(sent[13] - sent[0] >= 700, "{sent:?}");
}
