//! A connection's bytes in memory that grows, and that an idle connection does not have.

use chat_core::limits::Full;
use chat_core::room::server::Buffer;

/// A buffer without a capacity of its own.
#[derive(Debug, Default)]
pub struct GrowingBuffer(Vec<u8>);

impl Buffer for GrowingBuffer {
    fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn room(&self) -> usize {
        usize::MAX
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.0.try_reserve(bytes.len()).map_err(|_| Full)?;
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn consume(&mut self, count: usize) {
        if count >= self.0.len() {
            self.0 = Vec::new();
        } else {
            self.0.drain(..count);
        }
    }
}
