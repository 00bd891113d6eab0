//! How each server is spoken to: only as much as the load needs.

mod irc;
mod lines;
mod mqtt;
mod nats;
mod page;
mod redis;
mod room;

pub(crate) use irc::Irc;
pub(crate) use lines::Lines;
pub(crate) use mqtt::Mqtt;
pub(crate) use nats::Nats;
pub(crate) use page::{Framing, Page};
pub(crate) use redis::Redis;
pub(crate) use room::Room;

/// One frame at the beginning of what was read.
pub(crate) enum Next<'a> {
    /// It is not whole yet.
    Incomplete,
    /// Nothing that was published, in so many bytes.
    Other(usize),
    /// This text was published, in so many bytes.
    Message(usize, &'a [u8]),
}

/// What a server speaks.
pub(crate) trait Protocol {
    /// What the member with this index sends first: it joins.
    fn join(&self, index: usize, bytes: &mut Vec<u8>);

    /// How many bytes the whole answer to [`Protocol::join`] has; `None` while it is not whole.
    fn joined(&mut self, bytes: &[u8]) -> Option<usize>;

    /// What publisher `index`, a connection of its own, sends first; `None` where members publish.
    fn join_as_publisher(&self, index: usize, bytes: &mut Vec<u8>) -> Option<()>;

    /// Publishes this text.
    fn publish(&mut self, number: u32, text: &[u8], bytes: &mut Vec<u8>);

    /// Whether all members hear everything in the same order.
    fn has_one_order(&self) -> bool {
        true
    }

    /// What takes the framing off that stands between a connection and what is spoken on it; `None` where there is none.
    fn framing(&self) -> Option<Framing> {
        None
    }

    /// The first frame of what a member has read.
    fn next<'a>(&'a mut self, bytes: &'a [u8]) -> Next<'a>;
}

/// How many bytes the first line has, its end included.
fn line_bytes(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == b'\n').map(|end| end + 1)
}

/// Where `pattern` ends in `bytes`.
fn end_of(pattern: &[u8], bytes: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern).map(|start| start + pattern.len())
}
