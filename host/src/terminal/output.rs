//! Standard output and standard error, written by a thread of their own, so that nobody waits for a reader.
//!
//! What standard output takes without waiting is written at once, where the system can tell (Linux: pipes and files). That spares the
//! other thread two wake-ups for each line.
//!
//! What waits to be written is bounded. Lines for which there is no room are dropped and counted, and so are those that cannot be
//! written at the end: [`Output::finish`] tells. A reader that takes nothing for [`UNREAD_MAX`] is given up:
//! [`Output::handle_timeout`] tells. Lines for standard error that wait behind it are handed to the log.
//!
//! One thread writes both streams, so that their lines stay in order where both go to the same place.

use crate::{clock, log};
use chat_core::time::Instant;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that may wait to be written: as much as a server keeps for a slow reader by default.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// Bytes that are written at once. Small, so that progress shows even where a slow reader is.
const WRITE_BYTES_MAX: usize = 4_096;

/// A reader that takes nothing for so long is given up while the program runs.
pub(super) const UNREAD_MAX: Duration = Duration::from_secs(10);

/// Pause before a stream is tried again that another program has made one that does not wait.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

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
    /// Nobody reads: so many lines were not written.
    Unread(u64),
}

/// The streams and the thread that writes them.
#[derive(Debug)]
pub(super) struct Output {
    /// What both threads know.
    shared: Arc<Shared>,
    /// How the reader of standard output is looked at while it takes nothing.
    watch: Watch,
}

/// How the reader of standard output is looked at while it takes nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    /// A reader that takes nothing for so long is given up; `None` if it never is.
    pub(super) unread_max: Option<Duration>,
    /// How many bytes the system keeps that were written and not read, where it tells. A pipe takes more only once a whole page of it
    /// is read, so this shows a reader that is slow.
    pub(super) unread_bytes: fn() -> Option<u64>,
    /// Writes what standard output takes without waiting, and gives how many bytes that were. Whatever fails is tried again, and told,
    /// by the thread that waits.
    pub(super) write_at_once: fn(&[u8]) -> usize,
}

/// What both threads know.
#[derive(Debug)]
struct Shared {
    /// What waits, and what has failed.
    queue: Mutex<Queue>,
    /// Told when `queue` changes.
    changed: Condvar,
}

/// What waits, and what has failed.
#[derive(Debug)]
struct Queue {
    /// The lines, oldest first.
    lines: VecDeque<(Stream, Vec<u8>)>,
    /// Their bytes.
    bytes: usize,
    /// Where a line is being written.
    writing: Option<Stream>,
    /// When that began, or when the reader was last seen to take something.
    taken_at: Instant,
    /// What [`Watch::unread_bytes`] said then, if it was asked.
    unread_bytes: Option<Option<u64>>,
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
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
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
        watch: Watch,
        failed: impl FnOnce(OutputError) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::new(Queue::new()), changed: Condvar::new() });
        let writer = Arc::clone(&shared);
        let write = move || writer.write(output, error, failed);
        std::thread::Builder::new().name("output".to_owned()).spawn(write)?;
        Ok(Self { shared, watch })
    }

    /// Writes a line as soon as there is a reader. `line` has its end.
    ///
    /// # Errors
    /// An earlier one could not be written.
    pub(super) fn push(&self, stream: Stream, mut line: Vec<u8>) -> Result<(), OutputError> {
        let mut queue = self.shared.lock();
        if let Some(error) = &queue.error {
            return if stream == Stream::Error { Ok(()) } else { Err(told(error)) };
        }
        if stream == Stream::Output && queue.is_written() {
            let written = (self.watch.write_at_once)(&line);
            if written == line.len() {
                return Ok(());
            }
            line.drain(..written);
        }
        if queue.bytes + line.len() > WAITING_BYTES_MAX {
            queue.dropped += u64::from(stream == Stream::Output);
            return Ok(());
        }
        queue.bytes += line.len();
        queue.lines.push_back((stream, line));
        // Else the other thread would wake, and wait again for the lock.
        drop(queue);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Waits until all is written, or until there is no progress for so long.
    ///
    /// # Errors
    /// Something was not written.
    pub(super) fn finish(&self, progress_max: Duration) -> Result<(), OutputError> {
        let mut queue = self.shared.lock();
        let mut progress = queue.progress;
        while queue.error.is_none() && !queue.is_written() {
            let (guard, waited) =
                self.shared.changed.wait_timeout(queue, progress_max).unwrap_or_else(PoisonError::into_inner);
            queue = guard;
            if waited.timed_out() && queue.progress == progress {
                break;
            }
            progress = queue.progress;
        }
        if let Some(error) = &queue.error {
            return Err(told(error));
        }
        let unwritten = queue.unwritten();
        for line in queue.take_errors() {
            log::print_error(String::from_utf8_lossy(&line).into_owned());
        }
        if unwritten == 0 { Ok(()) } else { Err(OutputError::Unread(unwritten)) }
    }

    /// When to call [`Output::handle_timeout`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.shared.lock().deadline(self.watch)
    }

    /// Looks whether the reader has taken anything since the last look.
    ///
    /// # Errors
    /// It has taken nothing for too long.
    pub(super) fn handle_timeout(&self, now: Instant) -> Result<(), OutputError> {
        let mut queue = self.shared.lock();
        if queue.deadline(self.watch).is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        let unread_bytes = Some((self.watch.unread_bytes)());
        if queue.unread_bytes == unread_bytes {
            return Err(OutputError::Unread(queue.unwritten()));
        }
        (queue.taken_at, queue.unread_bytes) = (now, unread_bytes);
        Ok(())
    }
}

impl Queue {
    /// Nothing waits.
    const fn new() -> Self {
        Self {
            lines: VecDeque::new(),
            bytes: 0,
            writing: None,
            taken_at: Instant::from_millis(0),
            unread_bytes: None,
            progress: 0,
            dropped: 0,
            error: None,
            closed: false,
        }
    }

    /// Whether all lines are written.
    fn is_written(&self) -> bool {
        self.writing.is_none() && self.lines.is_empty()
    }

    /// A line is being written.
    fn begin(&mut self, stream: Stream) {
        self.writing = Some(stream);
        (self.taken_at, self.unread_bytes) = (clock::now(), None);
    }

    /// A piece of it was taken.
    fn handle_taken(&mut self) {
        self.progress += 1;
        (self.taken_at, self.unread_bytes) = (clock::now(), None);
    }

    /// When the reader is looked at: twice in the time that it has.
    fn deadline(&self, watch: Watch) -> Option<Instant> {
        let unread_max = watch.unread_max.filter(|_| self.writing.is_some())?;
        Some(self.taken_at + unread_max / 2)
    }

    /// How many lines of standard output were dropped or not written so far.
    fn unwritten(&self) -> u64 {
        let waiting = self.lines.iter().filter(|(stream, _)| *stream == Stream::Output).count();
        self.dropped + u64::try_from(waiting).unwrap_or(u64::MAX) + u64::from(self.writing == Some(Stream::Output))
    }

    /// Takes the lines of standard error off the queue.
    fn take_errors(&mut self) -> Vec<Vec<u8>> {
        let (errors, lines) = self.lines.drain(..).partition(|(stream, _)| *stream == Stream::Error);
        self.lines = lines;
        let errors: VecDeque<_> = errors;
        errors.into_iter().map(|(_, line)| line).collect()
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
            queue.writing = None;
            self.changed.notify_all();
            let (stream, line) = loop {
                match queue.lines.pop_front() {
                    Some(line) => break line,
                    None if queue.closed => return,
                    None => queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            };
            queue.bytes -= line.len();
            queue.begin(stream);
            drop(queue);
            let written = match stream {
                Stream::Output => self.write_line(&mut output, &line),
                // Should standard error be closed, nobody wants it.
                Stream::Error => self.write_line(&mut error, &line).or(Ok(())),
            };
            if let Err(error) = written {
                let why = told(&error);
                let mut queue = self.lock();
                (queue.error, queue.writing) = (Some(error), None);
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
            self.lock().handle_taken();
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const PROGRESS_MAX: Duration = Duration::from_millis(200);

    /// A reader that is given up after ten seconds, and of which nothing is known.
    const WATCH: Watch = Watch { unread_max: Some(UNREAD_MAX), unread_bytes: || None, write_at_once: |_| 0 };

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
        let output = Output::new(Reader(sender.clone()), Reader(sender), WATCH, |_| {}).unwrap();
        output.push(Stream::Output, b"one\n".to_vec()).unwrap();
        output.push(Stream::Error, b"two\n".to_vec()).unwrap();
        output.push(Stream::Output, b"three\n".to_vec()).unwrap();
        output.finish(PROGRESS_MAX).unwrap();
        assert_eq!(read.try_iter().collect::<Vec<_>>().concat(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn rest_of_what_is_taken_at_once_is_written_before_later_lines() {
        let (sender, read) = channel();
        let write_at_once = |bytes: &[u8]| if bytes == b"all\n" { 4 } else { 2 };
        let watch = Watch { write_at_once, ..WATCH };
        let output = Output::new(Reader(sender), io::sink(), watch, |_| {}).unwrap();
        output.push(Stream::Output, b"all\n".to_vec()).unwrap();
        assert!(output.shared.lock().is_written());
        output.push(Stream::Output, b"part\n".to_vec()).unwrap();
        output.finish(PROGRESS_MAX).unwrap();
        assert_eq!(read.try_iter().collect::<Vec<_>>().concat(), b"rt\n");
    }

    #[test]
    fn line_behind_one_that_waits_is_not_written_before_it() {
        let write_at_once = |bytes: &[u8]| if bytes == b"y\n" { 2 } else { 0 };
        let (output, _, _end) = blocked(Watch { write_at_once, ..WATCH });
        output.push(Stream::Output, b"y\n".to_vec()).unwrap();
        assert_eq!(output.shared.lock().unwritten(), 2);
    }

    #[test]
    fn reader_that_has_gone_is_told_apart_from_a_full_disk() {
        let (sender, read) = channel();
        drop(read);
        let output = Output::new(Reader(sender), io::sink(), WATCH, |_| {}).unwrap();
        output.push(Stream::Output, b"x".to_vec()).unwrap();
        assert!(matches!(output.finish(PROGRESS_MAX), Err(OutputError::Closed)));
        let (failed, told) = channel();
        let output = Output::new(Full, io::sink(), WATCH, move |_| failed.send(()).unwrap()).unwrap();
        output.push(Stream::Output, b"x".to_vec()).unwrap();
        told.recv().unwrap();
        assert!(matches!(output.push(Stream::Output, b"y".to_vec()), Err(OutputError::Failed(_))));
        assert!(output.push(Stream::Error, b"y".to_vec()).is_ok());
        assert!(matches!(output.finish(PROGRESS_MAX), Err(OutputError::Failed(_))));
    }

    #[test]
    fn lines_that_nobody_reads_are_bounded_and_counted() {
        let (reader, writer) = io::pipe().unwrap();
        let output = Output::new(writer, io::sink(), WATCH, |_| {}).unwrap();
        // More than waits here and in the pipe together.
        for _ in 0..3 * WAITING_BYTES_MAX / 1_000 {
            output.push(Stream::Output, vec![b'x'; 1_000]).unwrap();
        }
        assert!(output.shared.lock().bytes <= WAITING_BYTES_MAX);
        let Err(OutputError::Unread(lines)) = output.finish(PROGRESS_MAX) else { panic!("somebody has read") };
        assert!((1_000..3_146).contains(&lines), "{lines}");
        drop(reader);
    }

    /// A reader that takes nothing: tells that it has come to that, and waits for its end.
    struct Blocked(Sender<()>, Receiver<()>);

    impl Write for Blocked {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0.send(()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.1.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(0)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output whose reader has taken nothing since the time that is returned, until the sender is dropped.
    fn blocked(watch: Watch) -> (Output, Instant, Sender<()>) {
        let ((reached, is_blocked), (end, ended)) = (channel(), channel());
        let output = Output::new(Blocked(reached, ended), io::sink(), watch, |_| {}).unwrap();
        output.push(Stream::Output, b"x\n".to_vec()).unwrap();
        is_blocked.recv().unwrap();
        let taken_at = output.shared.lock().taken_at;
        (output, taken_at, end)
    }

    #[test]
    fn reader_that_takes_nothing_is_given_up_after_its_time_and_not_before() {
        let (output, taken_at, _end) = blocked(WATCH);
        assert_eq!(output.deadline(), Some(taken_at + UNREAD_MAX / 2));
        assert!(output.handle_timeout(taken_at + (UNREAD_MAX / 2 - Duration::from_millis(1))).is_ok());
        assert!(output.handle_timeout(taken_at + UNREAD_MAX / 2).is_ok());
        assert_eq!(output.deadline(), Some(taken_at + UNREAD_MAX));
        let told = output.handle_timeout(taken_at + UNREAD_MAX);
        assert!(matches!(told, Err(OutputError::Unread(1))), "{told:?}");
    }

    #[test]
    fn reader_that_takes_less_than_makes_room_is_not_given_up() {
        use std::sync::atomic::{AtomicU64, Ordering};
        static UNREAD: AtomicU64 = AtomicU64::new(1_000);
        let one_less = || Some(UNREAD.fetch_sub(1, Ordering::Relaxed));
        let (output, mut now, _end) = blocked(Watch { unread_bytes: one_less, ..WATCH });
        for _ in 0..100 {
            now = now + UNREAD_MAX / 2;
            assert!(output.handle_timeout(now).is_ok());
        }
    }

    #[test]
    fn terminal_that_somebody_has_stopped_is_waited_for() {
        let (output, taken_at, _end) = blocked(Watch { unread_max: None, ..WATCH });
        assert_eq!(output.deadline(), None);
        assert!(output.handle_timeout(taken_at + 1_000 * UNREAD_MAX).is_ok());
    }
}
