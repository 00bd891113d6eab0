//! MQTT 3.1.1 with quality of service 0: one topic; who subscribes may publish and hears himself.

use super::{Next, Protocol};

/// The topic, with its length.
const TOPIC: &[u8] = b"\x00\x04room";

/// Kinds of packets: the upper half of the first byte.
const CONNECT: u8 = 0x10;
/// See [`CONNECT`].
const PUBLISH: u8 = 0x30;
/// See [`CONNECT`]; the lower half is fixed.
const SUBSCRIBE: u8 = 0x82;
/// See [`CONNECT`].
const SUBSCRIBED: u8 = 0x90;

/// One topic.
pub(crate) struct Mqtt;

/// Adds a packet: its kind, its length in groups of seven bits, its parts.
fn push(kind: u8, parts: &[&[u8]], bytes: &mut Vec<u8>) {
    let mut length: usize = parts.iter().map(|part| part.len()).sum();
    bytes.push(kind);
    loop {
        let group = (length & 0x7f).to_le_bytes()[0];
        length >>= 7;
        bytes.push(if length > 0 { group | 0x80 } else { group });
        if length == 0 {
            break;
        }
    }
    bytes.extend(parts.iter().copied().flatten());
}

/// The first packet: its kind, where its content begins and ends.
fn first(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (kind, groups) = bytes.split_first()?;
    let (mut length, mut at) = (0, 1);
    for (index, group) in groups.iter().take(4).enumerate() {
        length |= usize::from(group & 0x7f) << (7 * index);
        at += 1;
        if group & 0x80 == 0 {
            return (bytes.len() >= at + length).then_some((kind & 0xf0, at, at + length));
        }
    }
    None
}

impl Protocol for Mqtt {
    fn join(&self, index: usize, bytes: &mut Vec<u8>) {
        let name = format!("m{index:07}");
        // MQTT 3.1.1, a clean session, no keep-alive.
        push(CONNECT, &[b"\x00\x04MQTT\x04\x02\x00\x00\x00\x08", name.as_bytes()], bytes);
        push(SUBSCRIBE, &[b"\x00\x01", TOPIC, b"\x00"], bytes);
    }

    fn joined(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some((kind, _, end)) = first(&bytes[at..]) {
            at += end;
            if kind == SUBSCRIBED {
                return Some(at);
            }
        }
        None
    }

    fn join_as_publisher(&self, _: usize, _: &mut Vec<u8>) -> Option<()> {
        None
    }

    fn publish(&mut self, _: u32, text: &[u8], bytes: &mut Vec<u8>) {
        push(PUBLISH, &[TOPIC, text], bytes);
    }

    fn next<'a>(&'a mut self, bytes: &'a [u8]) -> Next<'a> {
        match first(bytes) {
            None => Next::Incomplete,
            Some((PUBLISH, from, end)) => Next::Message(end, bytes.get(from + TOPIC.len()..end).unwrap_or_default()),
            Some((.., end)) => Next::Other(end),
        }
    }
}
