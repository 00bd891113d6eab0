//! What is counted of the room.

use crate::TEXT;
use chat_core::frame::{Decoder, Frame};
use chat_core::room::message::VERSION;
use chat_core::room::server::{
    Config, Connection, Context, FixedBuffer, FixedRoster, History, Journal, Mark, Room, WallTime,
};
use chat_core::room::{Kind, Message, Sequence};
use chat_core::time::Instant;
use std::hint::black_box;

/// Bytes of the journal: it wraps around in between.
const JOURNAL_BYTES: usize = 1 << 16;

/// A message that somebody has said.
fn said(sequence: u32) -> Message<'static> {
    let sent_ms = 1_800_000_000_000;
    Message::Said {
        sequence: Sequence(sequence.into()),
        sent_ms,
        number: sequence,
        kind: Kind::Plain,
        name: "ann",
        text: TEXT,
    }
}

/// A message of 128 bytes becomes a frame.
pub(super) fn encode(count: u32) {
    let mut frame = Frame::EMPTY;
    for sequence in 0..count {
        let _ = black_box(frame.encode(&black_box(said(sequence))));
    }
}

/// A frame is found, unstuffed and read.
pub(super) fn decode(count: u32) {
    let mut frame = Frame::EMPTY;
    let bytes = frame.encode(&said(1)).unwrap_or_default();
    let mut decoder = Decoder::new();
    for _ in 0..count {
        let mut input = black_box(bytes);
        if let Some(Ok(frame)) = decoder.next_frame(&mut input) {
            let _ = black_box(Message::decode(frame));
        }
    }
}

/// A frame goes into the journal.
pub(super) fn journal_append(count: u32) {
    let mut journal = Journal::new(vec![0; JOURNAL_BYTES], vec![Mark::default(); 64]);
    let mut frame = Frame::EMPTY;
    let bytes = frame.encode(&said(1)).unwrap_or_default();
    for _ in 0..count {
        black_box(journal.append(black_box(bytes)));
    }
    black_box(&journal);
}

/// A cursor that is one frame behind is given what it lacks.
pub(super) fn cursor_read(count: u32) {
    let mut journal = Journal::new(vec![0; JOURNAL_BYTES], vec![Mark::default(); 64]);
    let cursor = journal.head();
    let mut frame = Frame::EMPTY;
    journal.append(frame.encode(&said(1)).unwrap_or_default());
    for _ in 0..count {
        let _ = black_box(black_box(&journal).read(black_box(cursor)));
    }
}

/// One message of a room is given to one more member: a sixty-fourth of what a message to 64 costs, taking it included.
pub(super) fn fan_out(count: u32) {
    let (journal, history) = (vec![0; JOURNAL_BYTES], vec![Frame::EMPTY; 10]);
    let journal = Journal::new(journal, vec![Mark::default(); 64]);
    let mut room = Room::new(Config::DEFAULT, 1, FixedRoster::<64>::new(), journal, History::new(history));
    let (mut decoder, config) = (Decoder::new(), Config { rate: None, ..Config::DEFAULT });
    let now = Instant::from_millis(0);
    let context = Context { config: &config, now, wall_time: WallTime { unix_ms: 0, trusted: true } };
    let mut frame = Frame::EMPTY;
    let mut members: Vec<Connection<FixedBuffer<2_048>>> = (0..64).map(|_| Connection::new(now, None)).collect();
    for (index, member) in members.iter_mut().enumerate() {
        let join = Message::Join { version: VERSION, token: [0; 16], seen: None, name: &format!("m{index}") };
        member.handle_bytes(context, &mut room, &mut decoder, frame.encode(&join).unwrap_or_default());
    }
    let (mut number, mut given) = (0, 0);
    while given < count {
        number += 1;
        let say = Message::Say { number, kind: Kind::Plain, text: TEXT };
        members[0].handle_bytes(context, &mut room, &mut decoder, frame.encode(&say).unwrap_or_default());
        for member in &mut members {
            while let Ok((first, second)) = member.poll_output(&room) {
                let length = black_box(first).len() + black_box(second).len();
                if length == 0 || !member.handle_sent(now, &room, length) {
                    break;
                }
            }
        }
        given += 64;
    }
}
