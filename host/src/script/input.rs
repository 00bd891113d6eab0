//! Where a client's lines come from: keys that are read elsewhere, standard input, a program, or nowhere. Lines are read with bounded
//! memory however long they are.

use crate::terminal::{Entry, Line};
use chat_core::limits::TEXT_BYTES_MAX;
use smol::Unblock;
use smol::channel::Receiver;
use smol::future;
use smol::io::{AsyncRead, AsyncReadExt as _};
use std::io::{self, Read};
use std::pin::Pin;

/// Bytes read at once.
const CHUNK_BYTES: usize = 4_096;

/// Bytes of standard input that are read ahead.
const READ_AHEAD_BYTES: usize = 4_096;

/// What the user does.
pub struct Input {
    /// What is told by other threads: keys, and that nothing can be shown any more.
    entries: Receiver<Entry>,
    /// Lines that are read here; `None` if there are none, or their end has come.
    lines: Option<Lines<Pin<Box<dyn AsyncRead>>>>,
}

impl Input {
    /// Only what other threads tell.
    pub const fn new(entries: Receiver<Entry>) -> Self {
        Self { entries, lines: None }
    }

    /// The lines of standard input too.
    pub fn with_standard_input(entries: Receiver<Entry>) -> Self {
        Self::with_reader(entries, StandardInput { ended: false })
    }

    /// The lines of a reader too, which may block.
    pub fn with_reader(entries: Receiver<Entry>, reader: impl Read + Send + 'static) -> Self {
        let reader: Pin<Box<dyn AsyncRead>> = Box::pin(Unblock::with_capacity(READ_AHEAD_BYTES, reader));
        Self { entries, lines: Some(Lines::new(reader)) }
    }

    /// What comes next. Lines are read here only if one is wanted, and after their end nothing comes any more. Cancelling loses
    /// nothing.
    pub async fn next(&mut self, wants_line: bool) -> Entry {
        let Self { entries, lines } = self;
        let told = async {
            match entries.recv().await {
                Ok(entry) => entry,
                Err(_) => future::pending().await,
            }
        };
        let read = async {
            match lines {
                Some(lines) if wants_line => lines.next().await,
                _ => future::pending().await,
            }
        };
        let entry = future::or(told, async {
            match read.await {
                Ok(Some(line)) => Entry::Line(line),
                Ok(None) => Entry::End,
                Err(error) => Entry::Unreadable(error),
            }
        });
        let entry = entry.await;
        if matches!(entry, Entry::End | Entry::Unreadable(_)) {
            self.lines = None;
        }
        entry
    }
}

/// Standard input that stays at its end. At a terminal that is Ctrl-D, behind which more could be read.
#[derive(Debug)]
struct StandardInput {
    /// Whether the end has come.
    ended: bool,
}

impl Read for StandardInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let length = io::stdin().read(buffer)?;
        // Nothing read into no room is no end.
        self.ended = length == 0 && !buffer.is_empty();
        Ok(length)
    }
}

/// Splits what a reader gives into lines.
#[derive(Debug)]
pub struct Lines<R> {
    /// Where it comes from.
    reader: R,
    /// Room for what is read at once. It stands here, because a future that has it would be moved with it at each wait.
    chunk: Box<[u8]>,
    /// How much of `chunk` was read last.
    read: usize,
    /// How much of that has been taken.
    taken: usize,
    /// The beginning of the line, no more than can be sent and the carriage return.
    line: Vec<u8>,
    /// How long the line is so far.
    line_bytes: usize,
    /// Whether the reader has come to its end.
    ended: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// The lines that `reader` gives.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            read: 0,
            taken: 0,
            line: Vec::new(),
            line_bytes: 0,
            ended: false,
        }
    }

    /// The next line; `None` at the end. A last line without line feed is a line. Cancelling loses nothing.
    ///
    /// # Errors
    /// What the reader says.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let rest = &self.chunk[self.taken..self.read];
            if let Some(length) = rest.iter().position(|&byte| byte == b'\n') {
                self.take(length);
                self.taken += 1;
                return Ok(Some(self.finish()));
            }
            self.take(rest.len());
            if self.ended {
                return Ok(if self.line_bytes > 0 { Some(self.finish()) } else { None });
            }
            (self.read, self.taken) = (0, 0);
            self.read = self.reader.read(&mut self.chunk).await?;
            self.ended = self.read == 0;
        }
    }

    /// Adds the next `length` bytes of the chunk to the line, as far as they could still be sent.
    fn take(&mut self, length: usize) {
        let bytes = &self.chunk[self.taken..self.taken + length];
        let room = (TEXT_BYTES_MAX + 1).saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..length.min(room)]);
        self.line_bytes += length;
        self.taken += length;
    }

    /// Ends the line and begins the next.
    fn finish(&mut self) -> Line {
        let mut bytes = std::mem::take(&mut self.line);
        let mut length = std::mem::take(&mut self.line_bytes);
        if bytes.len() == length && bytes.last() == Some(&b'\r') {
            bytes.pop();
            length -= 1;
        }
        match length {
            0 => Line::Empty,
            1..=TEXT_BYTES_MAX => String::from_utf8(bytes).map_or(Line::NotUtf8, Line::Text),
            _ => Line::Overlong(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future::FutureExt as _;

    /// All lines of these bytes, handed over in pieces of this length.
    fn lines(bytes: &[u8], piece: usize) -> Vec<Line> {
        let mut reader: Box<dyn AsyncRead + Unpin> = Box::new(smol::io::empty());
        for part in bytes.chunks(piece).rev() {
            reader = Box::new(smol::io::Cursor::new(part.to_vec()).chain(reader));
        }
        let mut lines = Lines::new(reader);
        let all = async {
            let mut all = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                all.push(line);
            }
            all
        };
        smol::block_on(all.boxed_local())
    }

    fn text(text: &str) -> Line {
        Line::Text(text.to_owned())
    }

    #[test]
    fn lines_come_out_whole_in_whatever_pieces_they_come() {
        for piece in [1, 2, 3, 100] {
            let expected = [text("one"), Line::Empty, text("two"), Line::Empty, text("l\rast")];
            assert_eq!(lines(b"one\n\ntwo\r\n\r\nl\rast", piece), expected);
        }
        assert_eq!(lines(b"", 1), []);
        assert_eq!(lines(b"end\n", 9), [text("end")]);
    }

    #[test]
    fn longest_line_is_taken_and_one_byte_more_is_overlong() {
        let longest = "x".repeat(TEXT_BYTES_MAX);
        assert_eq!(lines(format!("{longest}\r\nb").as_bytes(), 700), [text(&longest), text("b")]);
        assert_eq!(lines(format!("{longest}x\nb").as_bytes(), 700), [Line::Overlong(TEXT_BYTES_MAX + 1), text("b")]);
        assert_eq!(lines(format!("{longest}x\r\nb").as_bytes(), 9), [Line::Overlong(TEXT_BYTES_MAX + 2), text("b")]);
    }

    #[test]
    fn line_without_end_keeps_bounded_memory() {
        let mut lines = Lines::new(smol::io::empty());
        lines.chunk.fill(b'x');
        for _ in 0..1_000 {
            lines.taken = 0;
            lines.take(CHUNK_BYTES);
        }
        assert!(lines.line.capacity() <= 4 * TEXT_BYTES_MAX);
        assert_eq!(lines.line_bytes, 1_000 * CHUNK_BYTES);
    }

    #[test]
    fn line_that_is_not_utf8_is_told() {
        assert_eq!(lines(b"gr\xfc\xdfe\nok", 4), [Line::NotUtf8, text("ok")]);
    }
}
