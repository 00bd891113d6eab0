//! Standard output and standard error, written by a thread of their own, so that nobody waits for a reader.
//!
//! What waits to be written is bounded. Lines for which there is no room are dropped and counted, and so are those that cannot be
//! written at the end: [`Output::finish`] tells.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that may wait to be written: as much as a server keeps for a slow reader by default.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// Bytes that are written at once. Small, so that progress shows even where a slow reader is.
const WRITE_BYTES_MAX: usize = 4_096;

/// Pause before a stream is tried again that another program has made one that does not wait.
const PAUSE: Duration = Duration::from_millis(10);

/// Where a line goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// Why something was not written.
#[derive(Debug)]
pub enum OutputError {
    /// The reader has gone: it does not want any more.
    Closed,
    /// The system says no: a full disk, for example.
    Failed(io::Error),
    /// Nobody reads: so many lines were dropped.
    Unread(u64),
}

/// The streams and the thread that writes them.
#[derive(Debug)]
pub(super) struct Output(Arc<Shared>);

/// What both threads know.
#[derive(Debug, Default)]
struct Shared {
    /// What waits, and what has failed.
    queue: Mutex<Queue>,
    /// Told when `queue` changes.
    changed: Condvar,
}

/// What waits, and what has failed.
#[derive(Debug, Default)]
struct Queue {
    /// The lines, oldest first.
    lines: VecDeque<(Stream, Vec<u8>)>,
    /// Their bytes.
    bytes: usize,
    /// Whether a line is being written.
    writing: bool,
    /// Counts what was written, to see whether there is progress.
    progress: u64,
    /// Lines dropped for want of room.
    dropped: u64,
    /// Why standard output cannot be written any more.
    error: Option<io::Error>,
    /// Whether nothing more comes.
    closed: bool,
}

impl Drop for Output {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Output {
    /// Writes these two, and calls `failed` once standard output cannot be written.
    ///
    /// # Errors
    /// There can be no more threads.
    pub(super) fn new(
        output: impl Write + Send + 'static,
        error: impl Write + Send + 'static,
        failed: impl FnOnce(OutputError) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        let write = move || writer.write(output, error, failed);
        std::thread::Builder::new().name("output".to_owned()).spawn(write)?;
        Ok(Self(shared))
    }

    /// Writes a line as soon as there is a reader. `line` has its end.
    ///
    /// # Errors
    /// An earlier one could not be written.
    pub(super) fn push(&self, stream: Stream, line: Vec<u8>) -> Result<(), OutputError> {
        let mut queue = self.0.lock();
        if let Some(error) = &queue.error {
            return if stream == Stream::Error { Ok(()) } else { Err(told(error)) };
        }
        if queue.bytes + line.len() > WAITING_BYTES_MAX {
            queue.dropped += u64::from(stream == Stream::Output);
            return Ok(());
        }
        queue.bytes += line.len();
        queue.lines.push_back((stream, line));
        self.0.changed.notify_all();
        Ok(())
    }

    /// Waits until all is written, or until there is no progress for so long.
    ///
    /// # Errors
    /// Something was not written.
    pub(super) fn finish(&self, progress_max: Duration) -> Result<(), OutputError> {
        let mut queue = self.0.lock();
        let mut progress = queue.progress;
        while queue.error.is_none() && (queue.writing || !queue.lines.is_empty()) {
            let (guard, waited) =
                self.0.changed.wait_timeout(queue, progress_max).unwrap_or_else(PoisonError::into_inner);
            queue = guard;
            if waited.timed_out() && queue.progress == progress {
                break;
            }
            progress = queue.progress;
        }
        if let Some(error) = &queue.error {
            return Err(told(error));
        }
        let waiting = queue.lines.iter().filter(|(stream, _)| *stream == Stream::Output).count();
        match queue.dropped + u64::try_from(waiting).unwrap_or(u64::MAX) + u64::from(queue.writing) {
            0 => Ok(()),
            lines => Err(OutputError::Unread(lines)),
        }
    }
}

impl Shared {
    /// What waits.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes, until nothing more comes or standard output fails.
    fn write(&self, mut output: impl Write, mut error: impl Write, failed: impl FnOnce(OutputError)) {
        loop {
            let mut queue = self.lock();
            queue.writing = false;
            self.changed.notify_all();
            let (stream, line) = loop {
                match queue.lines.pop_front() {
                    Some(line) => break line,
                    None if queue.closed => return,
                    None => queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            };
            queue.bytes -= line.len();
            queue.writing = true;
            drop(queue);
            let written = match stream {
                Stream::Output => self.write_line(&mut output, &line),
                // Should standard error be closed, nobody wants it.
                Stream::Error => self.write_line(&mut error, &line).or(Ok(())),
            };
            if let Err(error) = written {
                let why = told(&error);
                let mut queue = self.lock();
                (queue.error, queue.writing) = (Some(error), false);
                queue.lines.clear();
                self.changed.notify_all();
                drop(queue);
                return failed(why);
            }
        }
    }

    /// Writes one line in pieces, each of which is progress.
    fn write_line(&self, writer: &mut impl Write, line: &[u8]) -> io::Result<()> {
        for piece in line.chunks(WRITE_BYTES_MAX) {
            write_patiently(writer, piece)?;
            self.lock().progress += 1;
            self.changed.notify_all();
        }
        Ok(())
    }
}

/// What an error means to whoever wrote.
fn told(error: &io::Error) -> OutputError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => OutputError::Closed,
        // An error of the system can be told twice, but not be copied.
        _ => {
            OutputError::Failed(error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error))
        }
    }
}

/// Writes all bytes, also to a stream that another program has made one that does not wait.
fn write_patiently(writer: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match writer.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    writer.flush()
}

/// Standard output without a buffer, so that one frame is one write.
#[derive(Debug)]
pub(super) struct Direct;

/// Standard output without a buffer.
pub(super) const fn terminal() -> Direct {
    Direct
}

#[cfg(unix)]
impl Write for Direct {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        use std::fs::File;
        use std::os::fd::AsFd as _;
        use std::sync::OnceLock;
        static FILE: OnceLock<File> = OnceLock::new();
        if FILE.get().is_none() {
            // Another thread may have been quicker.
            let _ = FILE.set(File::from(io::stdout().as_fd().try_clone_to_owned()?));
        }
        let mut file = FILE.get().ok_or(io::ErrorKind::NotFound)?;
        loop {
            match file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Windows translates what is written to a console, which only its own standard output does.
#[cfg(not(unix))]
impl Write for Direct {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    const PROGRESS_MAX: Duration = Duration::from_millis(200);

    /// Hands on what is written.
    struct Reader(Sender<Vec<u8>>);

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A disk without room.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_of_both_streams_are_written_in_their_order() {
        let (sender, read) = channel();
        let output = Output::new(Reader(sender.clone()), Reader(sender), |_| {}).unwrap();
        output.push(Stream::Output, b"one\n".to_vec()).unwrap();
        output.push(Stream::Error, b"two\n".to_vec()).unwrap();
        output.push(Stream::Output, b"three\n".to_vec()).unwrap();
        output.finish(PROGRESS_MAX).unwrap();
        assert_eq!(read.try_iter().collect::<Vec<_>>().concat(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn reader_that_has_gone_is_told_apart_from_a_full_disk() {
        let (sender, read) = channel();
        drop(read);
        let output = Output::new(Reader(sender), io::sink(), |_| {}).unwrap();
        output.push(Stream::Output, b"x".to_vec()).unwrap();
        assert!(matches!(output.finish(PROGRESS_MAX), Err(OutputError::Closed)));
        let (failed, told) = channel();
        let output = Output::new(Full, io::sink(), move |_| failed.send(()).unwrap()).unwrap();
        output.push(Stream::Output, b"x".to_vec()).unwrap();
        told.recv().unwrap();
        assert!(matches!(output.push(Stream::Output, b"y".to_vec()), Err(OutputError::Failed(_))));
        assert!(output.push(Stream::Error, b"y".to_vec()).is_ok());
        assert!(matches!(output.finish(PROGRESS_MAX), Err(OutputError::Failed(_))));
    }

    #[test]
    fn lines_that_nobody_reads_are_bounded_and_counted() {
        let (reader, writer) = io::pipe().unwrap();
        let output = Output::new(writer, io::sink(), |_| {}).unwrap();
        // More than waits here and in the pipe together.
        for _ in 0..3 * WAITING_BYTES_MAX / 1_000 {
            output.push(Stream::Output, vec![b'x'; 1_000]).unwrap();
        }
        assert!(output.0.lock().bytes <= WAITING_BYTES_MAX);
        let Err(OutputError::Unread(lines)) = output.finish(PROGRESS_MAX) else { panic!("somebody has read") };
        assert!((1_000..3_146).contains(&lines), "{lines}");
        drop(reader);
    }
}
