//! What somebody who is no member sends. It knows ids, addresses and names of all, and no token or nonce that was not sent to it.
//! And what a member sends that has gone bad.

use crate::check::Checks;
use crate::network::{Flight, Slot};
use crate::node::Node;
use crate::scenario::Attack;
use crate::seed::Random;
use crate::watch::Watch;
use crate::wire::forge;
use chat_core::limits::{MESH_CLAIM_BYTES, MESH_SEEK_BYTES};
use chat_core::mesh::{Addresses, Body, Digest, Item, Nonce, Packed, Packer, PeerId, Say, Standing, Token, WireRow};
use chat_core::refusal::RefusalReason;
use chat_core::text::Text;
use chat_core::username::Username;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// Datagrams with how much later each is sent, against the peer of a host.
pub fn flights(
    attack: Attack,
    target: Slot,
    seed: u64,
    nodes: &[Option<Node<'_>>],
    checks: &Checks,
) -> Vec<(u64, Flight)> {
    let mut random = Random::seeded(seed);
    let Some(victim) = nodes.get(target).and_then(Option::as_ref) else { return Vec::new() };
    let members: Vec<(PeerId, u32, SocketAddr)> =
        nodes.iter().flatten().map(|node| (node.peer.id(), node.peer.incarnation(), node.address)).collect();
    let mut sent: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
    match attack {
        Attack::Left => {
            for &(id, incarnation, address) in &members {
                for token in [Token::NONE, Token(random.word())] {
                    sent.push((address, forge(id, incarnation, token, &[Item::Left { incarnation }], 0)));
                }
            }
        }
        Attack::Deaths => sent.extend(deaths(&members, &mut random)),
        Attack::Say => sent.extend(says(&members, &mut random)),
        Attack::Claims => {
            let address = stranger(&mut random);
            sent.extend((0..60).map(|count| (address, claim(count, &mut random))));
        }
        Attack::ClaimsSpread => {
            sent.extend((0..120).map(|count| (stranger(&mut random), claim(count, &mut random))));
        }
        Attack::Rank | Attack::Flood => sent.extend(insider(attack, victim, nodes, checks)),
        Attack::Objections => sent.extend(objections(&members, &mut random)),
        Attack::Noise => {
            for _ in 0..50 {
                let mut bytes = b"CHM\x01".to_vec();
                let length = random.below(1_300);
                bytes.extend(random.bytes(length));
                sent.push((stranger(&mut random), bytes));
            }
            let (id, incarnation, address) = members[random.below(members.len())];
            sent.push((address, forge(id, incarnation, Token(random.word()), &[], 0)));
        }
    }
    let at = Some(victim.address);
    // A flood lasts three seconds, at 67 in a second; others ten datagrams in a millisecond.
    let at_ms = |count: usize| if attack == Attack::Flood { count as u64 * 15 } else { count as u64 / 10 };
    let flight = |(count, (source, bytes))| (at_ms(count), Flight { source, to: target, at, bytes });
    sent.into_iter().enumerate().map(flight).collect()
}

/// What a member that has gone bad sends to the victim, with the token that this gave it.
fn insider(
    attack: Attack,
    victim: &Node<'_>,
    nodes: &[Option<Node<'_>>],
    checks: &Checks,
) -> Vec<(SocketAddr, Vec<u8>)> {
    let watch_of = |slot: Slot| checks.running[slot].map(|index| &checks.watches[index]);
    let Some(given) = watch_of(victim.slot).map(|watch| &watch.last_given) else { return Vec::new() };
    let is_member = |node: &&Node<'_>| node.slot != victim.slot && watch_of(node.slot).is_some_and(Watch::is_admitted);
    let Some(bad) = nodes.iter().flatten().find(is_member) else { return Vec::new() };
    let Some(&token) = given.get(&bad.address) else { return Vec::new() };
    let (id, incarnation) = (bad.peer.id(), bad.peer.incarnation());
    if attack == Attack::Rank {
        let mut rows = Packer::<160>::new(160);
        let name = Username::new("rank").expect("it is allowed");
        let body = Body { rank: 1 << 50, capacity_log2: 8, name, addresses: Addresses::default() };
        rows.push(&WireRow { id, incarnation, standing: Standing::Member(body) }).expect("it fits");
        let rows = Item::Rows { after: PeerId::ZERO, until: PeerId::ZERO, rows: rows.as_packed() };
        return vec![(bad.address, forge(id, incarnation, Token(token), &[rows], 0))];
    }
    let Some(said) = checks.said.get(&(id, bad.peer.head())) else { return Vec::new() };
    let text = Text::new(&said.text).expect("it was said");
    let (lamport, sent_ms, number) = (said.lamport, said.sent_ms, bad.peer.head());
    let say = Item::Say(Say { origin: id, number, lamport, sent_ms, flags: 0, name: &said.name, text });
    vec![(bad.address, forge(id, incarnation, Token(token), &[say], 0)); 200]
}

/// An address where nobody is.
fn stranger(random: &mut Random) -> SocketAddr {
    let [a, b, c, ..] = random.word().to_le_bytes();
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(172, 16 + a % 16, b, c), 5_000 + u16::from(a)))
}

/// Each member is called dead by another one.
fn deaths(members: &[(PeerId, u32, SocketAddr)], random: &mut Random) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut sent = Vec::new();
    for &(id, incarnation, _) in members {
        let mut rows = Packer::<64>::new(64);
        let row = WireRow { id, incarnation, standing: Standing::DeadBare };
        rows.push(&row).expect("it fits");
        let rows = Item::Rows { after: PeerId::ZERO, until: PeerId::ZERO, rows: rows.as_packed() };
        for &(teller, incarnation, address) in members.iter().filter(|(teller, ..)| *teller != id) {
            for token in [Token::NONE, Token(random.word())] {
                sent.push((address, forge(teller, incarnation, token, std::slice::from_ref(&rows), 0)));
            }
        }
    }
    sent
}

/// Each member is made to say something, and to have said much.
fn says(members: &[(PeerId, u32, SocketAddr)], random: &mut Random) -> Vec<(SocketAddr, Vec<u8>)> {
    let text = Text::new("forged").expect("it is allowed");
    let mut sent = Vec::new();
    for &(id, incarnation, address) in members {
        for number in 1..20 {
            let (lamport, flags) = (random.word() >> random.below(64), Say::ACKNOWLEDGE);
            let say = Say { origin: id, number, lamport, sent_ms: 0, flags, name: "ann", text };
            sent.push((address, forge(id, incarnation, Token(random.word()), &[Item::Say(say)], 0)));
        }
        let heads = Item::Heads { head: 1_000, vector: Digest(1), pairs: Packed::EMPTY };
        let ping = Item::Ping { nonce: Nonce(random.word()) };
        sent.push((address, forge(id, incarnation, Token::NONE, &[heads, ping], 0)));
    }
    sent
}

/// A claim of somebody new.
fn claim(count: usize, random: &mut Random) -> Vec<u8> {
    let names = ["mallory", "zoe", "ann", "ida", "yan"];
    let name =
        if count.is_multiple_of(2) { names[random.below(5)].to_owned() } else { format!("mal{}", random.below(1_000)) };
    let name = Username::new(&name).expect("it is allowed");
    let (nonce, token) = (Nonce(random.word()), Token(random.word()));
    let claim = Item::Claim { nonce, incarnation: 1, token, name, addresses: Addresses::default() };
    let seek = Item::Seek { nonce: Nonce(random.word()), members: 0 };
    let (items, length) = if count.is_multiple_of(5) { ([seek], MESH_SEEK_BYTES) } else { ([claim], MESH_CLAIM_BYTES) };
    forge(PeerId(random.word() | 1), 1, Token::NONE, &items, length)
}

/// Objections and welcomes whose nonce is a guess.
fn objections(members: &[(PeerId, u32, SocketAddr)], random: &mut Random) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut sent = Vec::new();
    for &(id, incarnation, address) in members {
        for reason in [RefusalReason::NameTaken, RefusalReason::NameDenied, RefusalReason::Full] {
            for nonce in [0, random.word()] {
                let object = Item::Object { nonce: Nonce(nonce), reason, holder: None };
                sent.push((address, forge(id, incarnation, Token(random.word()), &[object], 0)));
            }
        }
        let (nonce, token) = (Nonce(random.word()), Token(random.word()));
        let welcome = Item::Welcome { nonce, token, lamport: 1 << 40, head: 9, members: 3, table: Digest(1) };
        sent.push((address, forge(id, incarnation, Token(random.word()), &[welcome], 0)));
    }
    sent
}
