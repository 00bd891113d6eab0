//! A room client's own messages that the server is not known to have taken, in the order in which they were said.
//!
//! They are kept until they come back, so that they can be sent again over another connection. A message that was taken is never sent
//! again.

use crate::limits::{ROOM_OUTBOX_BYTES_MAX, ROOM_OUTBOX_MESSAGES_MAX, TEXT_BYTES_MAX};
use crate::room::{Kind, Message, Sequence};
use crate::text::Text;
use core::ops::Range;
use heapless::Vec;

/// The messages, at most [`ROOM_OUTBOX_MESSAGES_MAX`] with [`ROOM_OUTBOX_BYTES_MAX`] bytes of text.
#[derive(Debug)]
pub(super) struct Outbox {
    /// The number of the next message.
    number_next: u32,
    /// The messages, oldest first.
    entries: Vec<Entry, ROOM_OUTBOX_MESSAGES_MAX>,
    /// The messages' texts, one behind the other in the same order.
    texts: Vec<u8, ROOM_OUTBOX_BYTES_MAX>,
    /// The highest number that is known to have been taken.
    taken: u32,
}

/// One message.
#[derive(Debug)]
struct Entry {
    /// Its number.
    number: u32,
    /// How it is said.
    kind: Kind,
    /// The length of its text.
    text_bytes: usize,
    /// How far it has got.
    stage: Stage,
    /// The frame that the room's next one was when the message was sent last: it cannot come back in an earlier frame. So an earlier
    /// message of another member with the same name is not taken for it.
    since: Sequence,
}

/// How far a message has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is to be sent.
    Unsent,
    /// It was sent.
    Sent,
    /// The server has taken it; it only has to come back. It is dropped when its room is needed.
    Taken,
}

/// The outbox is full of messages that are not known to have been taken: wait until one comes back. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxFull;

impl Outbox {
    /// Nothing was said yet.
    pub(super) const fn new() -> Self {
        Self { number_next: 1, entries: Vec::new(), texts: Vec::new(), taken: 0 }
    }

    /// Adds a message, and returns its number.
    pub(super) fn push(&mut self, kind: Kind, text: Text<'_>) -> Result<u32, OutboxFull> {
        if !self.may_push() {
            return Err(OutboxFull);
        }
        let text = text.as_str().as_bytes();
        while self.entries.is_full() || self.texts.capacity() - self.texts.len() < text.len() {
            // Messages that were taken stand first, and without them there is room.
            self.remove(0..1);
        }
        let (number, text_bytes) = (self.number_next, text.len());
        let entry = Entry { number, kind, text_bytes, stage: Stage::Unsent, since: Sequence(0) };
        self.texts.extend_from_slice(text).map_err(|_| OutboxFull)?;
        self.entries.push(entry).map_err(|_| OutboxFull)?;
        self.number_next = self.number_next.wrapping_add(1);
        Ok(number)
    }

    /// Whether there is room for a message, however long.
    pub(super) fn may_push(&self) -> bool {
        let waiting = || self.entries.iter().filter(|entry| entry.stage != Stage::Taken);
        let text_bytes: usize = waiting().map(|entry| entry.text_bytes).sum();
        waiting().count() < ROOM_OUTBOX_MESSAGES_MAX && text_bytes + TEXT_BYTES_MAX <= ROOM_OUTBOX_BYTES_MAX
    }

    /// How many messages are not known to have been taken.
    pub(super) fn waiting_count(&self) -> usize {
        self.entries.iter().filter(|entry| entry.stage != Stage::Taken).count()
    }

    /// Whether messages were sent that are not known to have been taken.
    pub(super) fn has_sent(&self) -> bool {
        self.entries.iter().any(|entry| entry.stage == Stage::Sent)
    }

    /// The highest number of a message that was sent and is not known to have been taken; 0 if there is none.
    pub(super) fn sent_last(&self) -> u32 {
        self.entries.iter().rfind(|entry| entry.stage == Stage::Sent).map_or(0, |entry| entry.number)
    }

    /// The highest number that is known to have been taken.
    pub(super) const fn taken(&self) -> u32 {
        self.taken
    }

    /// The next message to send, which counts as sent then. `since` is the number that the room's next frame had when the
    /// client was let in.
    pub(super) fn send(&mut self, since: Sequence) -> Option<Message<'_>> {
        let index = self.entries.iter().position(|entry| entry.stage == Stage::Unsent)?;
        let place = self.text_range(index);
        let entry = &mut self.entries[index];
        (entry.stage, entry.since) = (Stage::Sent, since);
        let (number, kind) = (entry.number, entry.kind);
        // The bytes were a text when they came.
        let text = core::str::from_utf8(&self.texts[place]).unwrap_or_default();
        Some(Message::Say { number, kind, text })
    }

    /// A message under the own name has come in this frame. Returns whether it is one of these messages; if so, it and all before it
    /// are removed, because the server takes messages in order.
    ///
    /// Texts are not compared as a rule, because a server may change them. `text` is given only where the number alone would not be
    /// enough: the server has forgotten this member, and while the client was away another member may have had its name.
    pub(super) fn confirm(&mut self, sequence: Sequence, number: u32, text: Option<&str>) -> bool {
        let found = self.entries.iter().position(|entry| entry.number == number && entry.stage != Stage::Unsent);
        let found = found.filter(|&index| {
            let is_same = |text: &str| &self.texts[self.text_range(index)] == text.as_bytes();
            self.entries[index].since <= sequence && text.is_none_or(is_same)
        });
        if let Some(index) = found {
            self.remove(0..index + 1);
            self.taken = self.taken.max(number);
        }
        found.is_some()
    }

    /// The server has taken what was sent up to this number.
    pub(super) fn handle_taken(&mut self, number: u32) {
        for entry in self.entries.iter_mut().filter(|entry| entry.stage == Stage::Sent && entry.number <= number) {
            entry.stage = Stage::Taken;
        }
        self.taken = self.taken.max(number);
        self.number_next = self.number_next.max(number.saturating_add(1));
    }

    /// The server has refused this message. Returns whether it was one of these.
    pub(super) fn handle_unsaid(&mut self, number: u32) -> bool {
        let found = self.entries.iter().position(|entry| entry.number == number && entry.stage == Stage::Sent);
        if let Some(index) = found {
            self.remove(index..index + 1);
        }
        found.is_some()
    }

    /// The server was restarted: it does not know any more which messages were taken.
    pub(super) fn handle_restart(&mut self) {
        self.taken = 0;
    }

    /// The messages that were sent and are not known to have been taken are to be sent again.
    pub(super) fn repeat(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.stage == Stage::Sent) {
            entry.stage = Stage::Unsent;
        }
    }

    /// Removes messages, and moves the rest up.
    fn remove(&mut self, indices: Range<usize>) {
        let start = self.text_range(indices.start).start;
        for index in indices.rev() {
            let entry = self.entries.remove(index);
            self.texts.copy_within(start + entry.text_bytes.., start);
            self.texts.truncate(self.texts.len() - entry.text_bytes);
        }
    }

    /// Where the text of a message stands.
    fn text_range(&self, index: usize) -> Range<usize> {
        let start = self.entries[..index].iter().map(|entry| entry.text_bytes).sum();
        start..start + self.entries.get(index).map_or(0, |entry| entry.text_bytes)
    }
}

impl core::fmt::Display for OutboxFull {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("too many messages are not known to have been taken: wait until one comes back")
    }
}

impl core::error::Error for OutboxFull {}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::{String, ToString as _};
    use std::vec::Vec as List;

    const HEAD: Sequence = Sequence(5);

    fn push(outbox: &mut Outbox, text: &str) -> Result<u32, OutboxFull> {
        outbox.push(Kind::Plain, Text::new(text).unwrap())
    }

    /// All that is to be sent, in words.
    fn send(outbox: &mut Outbox) -> List<String> {
        let mut sent = List::new();
        while let Some(message) = outbox.send(HEAD) {
            let Message::Say { number, text, .. } = message else { panic!("{message:?}") };
            sent.push(std::format!("{number} {text}"));
        }
        sent
    }

    /// An outbox of which three messages were sent.
    fn sent() -> Outbox {
        let mut outbox = Outbox::new();
        for (number, text) in [(1, "a"), (2, "bb"), (3, "ccc")] {
            assert_eq!(push(&mut outbox, text), Ok(number));
        }
        assert_eq!(send(&mut outbox), ["1 a", "2 bb", "3 ccc"]);
        outbox
    }

    #[test]
    fn what_was_not_taken_is_repeated_in_its_order_and_what_was_is_not() {
        let mut outbox = sent();
        push(&mut outbox, "d").unwrap();
        outbox.handle_taken(1);
        assert_eq!(outbox.waiting_count(), 3);
        outbox.repeat();
        assert_eq!(send(&mut outbox), ["2 bb", "3 ccc", "4 d"]);
    }

    #[test]
    fn message_that_comes_back_confirms_those_before_it() {
        let mut outbox = sent();
        assert!(outbox.confirm(HEAD, 2, None));
        assert!(!outbox.confirm(HEAD, 2, None));
        assert!(!outbox.confirm(HEAD, 1, None));
        assert_eq!((outbox.waiting_count(), outbox.taken(), outbox.sent_last()), (1, 2, 3));
        outbox.repeat();
        assert_eq!(send(&mut outbox), ["3 ccc"]);
    }

    #[test]
    fn message_that_was_taken_is_still_known_when_it_comes_back() {
        let mut outbox = sent();
        outbox.handle_taken(3);
        assert_eq!((outbox.waiting_count(), outbox.has_sent()), (0, false));
        assert!(outbox.confirm(HEAD, 3, None));
    }

    #[test]
    fn what_cannot_be_an_own_message_confirms_nothing() {
        let mut outbox = sent();
        assert!(!outbox.confirm(Sequence(4), 1, None));
        // Where the server has forgotten the member, the text has to be the same too.
        assert!(!outbox.confirm(HEAD, 1, Some("aa")));
        assert!(!outbox.confirm(HEAD, 4, None));
        push(&mut outbox, "d").unwrap();
        assert!(!outbox.confirm(HEAD, 4, None));
        assert_eq!(outbox.waiting_count(), 4);
    }

    #[test]
    fn number_alone_confirms_a_message_whose_text_the_server_has_changed() {
        let mut outbox = sent();
        assert!(outbox.confirm(HEAD, 1, None));
        assert_eq!(outbox.waiting_count(), 2);
    }

    #[test]
    fn refused_message_goes_and_the_others_stay() {
        let mut outbox = sent();
        assert!(outbox.handle_unsaid(2));
        assert!(!outbox.handle_unsaid(2));
        outbox.repeat();
        assert_eq!(send(&mut outbox), ["1 a", "3 ccc"]);
        assert!(outbox.confirm(HEAD, 3, None));
    }

    #[test]
    fn full_outbox_takes_no_more_until_a_message_was_taken() {
        let mut outbox = Outbox::new();
        for _ in 0..ROOM_OUTBOX_MESSAGES_MAX {
            push(&mut outbox, "m").unwrap();
        }
        assert_eq!((push(&mut outbox, "m"), outbox.may_push()), (Err(OutboxFull), false));
        send(&mut outbox);
        outbox.handle_taken(1);
        assert_eq!(push(&mut outbox, "n"), Ok(17));
        assert_eq!(push(&mut outbox, "n"), Err(OutboxFull));
        assert_eq!(send(&mut outbox), ["17 n"]);
    }

    #[test]
    fn longest_texts_fill_the_outbox_and_find_room_again() {
        let longest = "x".repeat(TEXT_BYTES_MAX);
        let mut outbox = Outbox::new();
        for number in 1..=100 {
            while outbox.may_push() {
                push(&mut outbox, &longest).unwrap();
            }
            let count = outbox.waiting_count();
            assert_eq!(count, ROOM_OUTBOX_BYTES_MAX / TEXT_BYTES_MAX);
            send(&mut outbox);
            // The server has taken them, in one way or the other.
            if number % 2 == 0 {
                outbox.handle_taken(number);
            } else {
                assert!(outbox.confirm(HEAD, number, None));
            }
            assert_eq!(outbox.waiting_count(), count - 1);
        }
    }

    #[test]
    fn number_goes_on_behind_what_the_server_says_it_has_taken() {
        let mut outbox = Outbox::new();
        outbox.handle_taken(41);
        assert_eq!(push(&mut outbox, "m"), Ok(42));
        outbox.handle_taken(u32::MAX);
        assert!(push(&mut outbox, &1.to_string()).is_ok());
    }
}
