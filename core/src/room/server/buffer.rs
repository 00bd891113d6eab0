//! The bytes of one connection that wait: received bytes that are not taken yet, or bytes to send that are not written yet.
//!
//! It is a trait because it has two implementors: [`FixedBuffer`] here, for a microcontroller, and one in host that grows.

use crate::limits::{FRAME_STUFFED_BYTES_MAX, Full};
use heapless::Vec;

/// Bytes in the order in which they came. A new buffer is empty.
pub trait Buffer: Default {
    /// The bytes.
    fn as_bytes(&self) -> &[u8];

    /// How many more bytes there is room for. An empty buffer has room for at least the longest frame as it travels, with its 0x00.
    fn room(&self) -> usize;

    /// Appends bytes.
    ///
    /// # Errors
    /// [`Full`] when there is no room for all of them; nothing has changed then.
    fn extend(&mut self, bytes: &[u8]) -> Result<(), Full>;

    /// Takes the first `count` bytes off, or all if there are fewer. A buffer that grows gives its memory back when it is empty.
    fn consume(&mut self, count: usize);
}

/// A buffer of at most `N` bytes in place.
#[derive(Debug, Default, Clone)]
pub struct FixedBuffer<const N: usize>(Vec<u8, N>);

impl<const N: usize> FixedBuffer<N> {
    /// An empty buffer must have room for the longest frame, or a connection could get stuck.
    const IS_LARGE_ENOUGH: () = assert!(N > FRAME_STUFFED_BYTES_MAX);
}

impl<const N: usize> Buffer for FixedBuffer<N> {
    fn as_bytes(&self) -> &[u8] {
        let () = Self::IS_LARGE_ENOUGH;
        &self.0
    }

    fn room(&self) -> usize {
        N - self.0.len()
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.0.extend_from_slice(bytes).map_err(|_| Full)
    }

    fn consume(&mut self, count: usize) {
        let count = count.min(self.0.len());
        self.0.rotate_left(count);
        self.0.truncate(self.0.len() - count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_buffer_takes_what_just_fits_and_nothing_of_what_does_not() {
        let mut buffer = FixedBuffer::<1_300>::default();
        buffer.extend(&[1; 1_299]).unwrap();
        assert_eq!(buffer.extend(&[2; 2]), Err(Full));
        assert_eq!((buffer.as_bytes(), buffer.room()), (&[1; 1_299][..], 1));
        buffer.extend(&[2]).unwrap();
        assert_eq!(buffer.room(), 0);
        buffer.consume(1_298);
        assert_eq!(buffer.as_bytes(), [1, 2]);
        buffer.consume(9);
        assert_eq!((buffer.as_bytes(), buffer.room()), (&[][..], 1_300));
    }
}
