//! A buffer for a connection's bytes that grows, and that takes no memory for an idle connection.

use chat_core::limits::Full;
use chat_core::room::server::Buffer;

/// A buffer without a fixed capacity. An empty one is one pointer: a room has many members, most of them idle.
#[derive(Debug, Default)]
pub struct GrowingBuffer(
    #[allow(clippy::box_collection, reason = "the vector's own three words are too many")] Option<Box<Vec<u8>>>,
);

impl Buffer for GrowingBuffer {
    fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    fn room(&self) -> usize {
        usize::MAX
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), Full> {
        if !bytes.is_empty() {
            let held = self.0.get_or_insert_default();
            held.try_reserve(bytes.len()).map_err(|_| Full)?;
            held.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn consume(&mut self, count: usize) {
        match &mut self.0 {
            Some(held) if count < held.len() => drop(held.drain(..count)),
            held => *held = None,
        }
    }
}
