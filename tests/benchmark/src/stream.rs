//! What was published, as the first member has heard it: every other member must hear the same bytes in the same order.

use crate::protocol::{Next, Protocol};
use crate::text;

/// Everything that was published.
#[derive(Default)]
pub(crate) struct Stream {
    /// All frames that hold something published.
    bytes: Vec<u8>,
    /// Where each ends, and who published it.
    frames: Vec<(usize, usize)>,
    /// The number that each publisher's last has.
    numbers: Numbers,
}

/// How far a member has heard.
#[derive(Default)]
pub(crate) struct Position {
    /// Bytes of the stream.
    at: usize,
    /// The beginning of a frame that is no part of the stream, or not known to be.
    partial: Vec<u8>,
    /// Texts of the stream that were counted as its own or another's, and how many were its own.
    counted: (usize, u32),
    /// Where members hear in different orders: what this one has heard of each publisher.
    numbers: Numbers,
}

/// The number that each publisher's last text has. Each begins at 1.
#[derive(Default)]
struct Numbers {
    /// By publisher.
    last: Vec<u32>,
    /// How many there were in all.
    count: usize,
}

impl Numbers {
    /// One more text: its number has to be the next of its publisher.
    fn push(&mut self, publisher: usize, number: u32) -> Result<(), String> {
        if self.last.len() <= publisher {
            self.last.resize(publisher + 1, 0);
        }
        let last = &mut self.last[publisher];
        if number != *last + 1 {
            return Err(format!("publisher {publisher}: number {number} comes behind {last}"));
        }
        *last = number;
        self.count += 1;
        Ok(())
    }
}

impl Stream {
    /// A member has read these bytes. The first to read them has their content checked, every other has them compared.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn hear(
        &mut self,
        protocol: &mut dyn Protocol,
        position: &mut Position,
        bytes: &[u8],
    ) -> Result<(), String> {
        if position.partial.is_empty() {
            let known = self.bytes.get(position.at..).unwrap_or_default();
            if known.len() >= bytes.len() && known[..bytes.len()] == *bytes {
                position.at += bytes.len();
                return Ok(());
            }
        }
        self.hear_frames(protocol, position, bytes)
    }

    /// The same frame by frame.
    fn hear_frames(
        &mut self,
        protocol: &mut dyn Protocol,
        position: &mut Position,
        bytes: &[u8],
    ) -> Result<(), String> {
        let from = self.frames[..self.texts_to(position.at)].last().map_or(0, |frame| frame.0);
        let mut input = self.bytes[from..position.at].to_vec();
        input.append(&mut position.partial);
        input.extend_from_slice(bytes);
        position.at = from;
        let mut rest = &input[..];
        let one_order = protocol.has_one_order();
        loop {
            let length = match protocol.next(rest) {
                Next::Incomplete => break,
                Next::Other(length) => length,
                Next::Message(length, text) if !one_order => {
                    let (publisher, number) = text::read(text).ok_or("a text has changed")?;
                    position.numbers.push(publisher, number)?;
                    length
                }
                Next::Message(length, text) => {
                    match self.bytes.get(position.at..position.at + length) {
                        Some(known) if *known == rest[..length] => {}
                        Some(_) => return Err("a member has heard something else than another".into()),
                        None => {
                            let (publisher, number) = text::read(text).ok_or("a text has changed")?;
                            self.numbers.push(publisher, number)?;
                            self.bytes.extend_from_slice(&rest[..length]);
                            self.frames.push((self.bytes.len(), publisher));
                        }
                    }
                    position.at += length;
                    length
                }
            };
            rest = &rest[length..];
        }
        position.partial = rest.to_vec();
        Ok(())
    }

    /// How many texts end up to this place.
    fn texts_to(&self, at: usize) -> usize {
        self.frames.partition_point(|frame| frame.0 <= at)
    }

    /// How many texts a member has heard.
    pub(crate) fn texts(&self, position: &Position) -> usize {
        // Members are mostly near the end.
        if position.at == self.bytes.len() {
            return self.frames.len() + position.numbers.count;
        }
        self.texts_to(position.at) + position.numbers.count
    }

    /// The number of the last text of this publisher that its member has heard: always the same one for a position.
    pub(crate) fn number_heard(&self, publisher: usize, position: &mut Position) -> u32 {
        let (counted, own) = &mut position.counted;
        while let Some(&(_, by)) = self.frames.get(*counted).filter(|frame| frame.0 <= position.at) {
            *counted += 1;
            *own += u32::from(by == publisher);
        }
        *own + position.numbers.last.get(publisher).copied().unwrap_or(0)
    }
}
