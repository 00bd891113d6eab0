//! Standard output and standard error, written in whole lines. Only a client's screen is written elsewhere.
//!
//! A caller never waits until a line is written, because a terminal may be stopped, or the reader of a pipe may not read. Each of the
//! two streams has a bounded queue of lines, and a thread that writes them and ends when the queue is empty. Lines that find no room or
//! cannot be written are dropped and counted, and the count is written as soon as possible. The streams themselves stay blocking:
//! O_NONBLOCK would also change them for the shell, which shares them.

mod queue;

use crate::failure::{Failure, cause};
use queue::{Entry, Queue};
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{panic, process};

/// How long a program that ran until it was ended waits until its last lines are written.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Pause before another try, where another program has made the stream non-blocking and it is full.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Bytes of the writing threads' stacks; they need little.
const STACK_BYTES: usize = 64 << 10;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The program ends, for this reason.
    Failure,
    /// Something is not as it should be, and the program goes on.
    Warning,
    /// Something that an operator may want to know.
    Information,
}

/// Standard output.
static OUTPUT: Stream = Stream::new(
    |bytes| write_all(io::stdout(), bytes),
    |lost| {
        say(Level::Warning, format_args!("standard output cannot be written: {} lost", counted(lost)));
        true
    },
);

/// Standard error.
static ERRORS: Stream = Stream::new(
    |bytes| write_all(io::stderr(), bytes),
    |lost| {
        let line = line(Level::Warning, format_args!("{} could not be written here", counted(lost)));
        write_all(io::stderr(), line.as_bytes()).is_ok()
    },
);

/// Writes a text to standard output at once, for a program that says nothing else. A reader that has gone has what it wanted.
///
/// # Errors
/// The text cannot be written: the disk is full, for example.
pub fn print_now(text: &str) -> Result<(), Failure> {
    match write_all(io::stdout(), text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::lost(format!("cannot write standard output: {}", cause(&error))))
        }
        _ => Ok(()),
    }
}

/// Writes whole lines to standard output.
pub fn print(lines: String) {
    OUTPUT.push(lines);
}

/// Writes whole lines to standard error without a prefix: counters.
pub fn print_error(lines: String) {
    ERRORS.push(lines);
}

/// Writes one line for the operator to standard error.
pub fn say(level: Level, text: impl Display) {
    ERRORS.push(line(level, text));
}

/// From now on a panic writes one line and ends the program with exit code 1. A panic is a fault of the program, or of a library that
/// did not get what it needs from the system.
pub fn report_panics() {
    panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text =
            payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let place = panic.location().map(|place| format!(" ({place})")).unwrap_or_default();
        say(
            Level::Failure,
            format_args!("a fault that should not be, please report it: {}{place}", text.unwrap_or("unknown")),
        );
        finish(Some(PATIENCE));
        process::exit(1);
    }));
}

/// Waits until all lines are written, at most for `patience`. `None` waits as long as it takes, which is right for a program whose
/// purpose is its output. To be called at the end of the program.
pub fn finish(patience: Option<Duration>) {
    let deadline = patience.map(|patience| Instant::now() + patience);
    OUTPUT.finish(deadline);
    ERRORS.finish(deadline);
}

/// So many lines, in words.
fn counted(lines: u64) -> String {
    if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") }
}

/// A line with its prefix.
fn line(level: Level, text: impl Display) -> String {
    let prefix = match level {
        Level::Failure => "",
        Level::Warning => "warning: ",
        Level::Information => "info: ",
    };
    format!("chat-host: {prefix}{text}\n")
}

/// A stream and the lines that wait to be written to it.
struct Stream {
    /// The lines that wait.
    queue: Mutex<Queue>,
    /// Notified when the queue is empty and the writing thread ends.
    drained: Condvar,
    /// Writes whole lines.
    write: fn(&[u8]) -> io::Result<()>,
    /// Writes how many lines are lost. Returns whether that could be written.
    tell_lost: fn(u64) -> bool,
}

impl Stream {
    /// A stream to which nothing has been written.
    const fn new(write: fn(&[u8]) -> io::Result<()>, tell_lost: fn(u64) -> bool) -> Self {
        Self { queue: Mutex::new(Queue::new()), drained: Condvar::new(), write, tell_lost }
    }

    /// Takes the lock. A thread that panics while it holds the lock leaves the queue in order.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues lines, and starts a thread that writes them unless one runs. Does not wait.
    fn push(&'static self, lines: String) {
        let begins = {
            let mut queue = self.lock();
            queue.push(lines);
            queue.begin_writing()
        };
        let writer =
            || thread::Builder::new().name("log".to_owned()).stack_size(STACK_BYTES).spawn(|| self.write_queued());
        if begins && writer().is_err() {
            // No thread can be started now: the next line tries again, or the program's end writes the queue.
            self.lock().end_writing(0);
        }
    }

    /// Writes until the queue is empty.
    fn write_queued(&self) {
        let mut lost = 0;
        loop {
            let mut queue = self.lock();
            lost += queue.take_untold();
            match queue.pop() {
                Some(Entry::Lost(lines)) => lost += lines,
                Some(Entry::Lines(lines)) => {
                    drop(queue);
                    self.tell(&mut lost);
                    if (self.write)(lines.as_bytes()).is_err() {
                        lost += queue::count(&lines);
                    }
                }
                None if lost == 0 => {
                    queue.end_writing(0);
                    self.drained.notify_all();
                    return;
                }
                None => {
                    drop(queue);
                    self.tell(&mut lost);
                    if lost > 0 {
                        // The count could not be written: the next line tries again.
                        let mut queue = self.lock();
                        if queue.is_empty() {
                            queue.end_writing(lost);
                            self.drained.notify_all();
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Writes how many lines are lost, if any are; sets the count to 0 if that worked.
    fn tell(&self, lost: &mut u64) {
        if *lost > 0 && (self.tell_lost)(*lost) {
            *lost = 0;
        }
    }

    /// Waits until the queue is empty, or until the deadline. Writes the lines itself if no thread does.
    fn finish(&self, deadline: Option<Instant>) {
        let mut queue = self.lock();
        if !queue.is_empty() && queue.begin_writing() {
            drop(queue);
            return self.write_queued();
        }
        while queue.is_writing() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            queue = match left {
                Some(Duration::ZERO) => return,
                Some(left) => self.drained.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.drained.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// Writes all bytes, however long that takes.
fn write_all(mut stream: impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) => wait_if_full(error)?,
        }
    }
    while let Err(error) = stream.flush() {
        wait_if_full(error)?;
    }
    Ok(())
}

/// Waits a moment if a non-blocking stream is full; passes other errors on.
fn wait_if_full(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock => {
            thread::sleep(RETRY_PAUSE);
            Ok(())
        }
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::ErrorKind;

    /// Does these things, one for each call, from the last to the first; 0 is "nothing fits just now".
    struct Sink(Vec<Result<usize, ErrorKind>>, Vec<u8>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = match self.0.pop().unwrap() {
                Ok(0) => return Err(ErrorKind::WouldBlock.into()),
                outcome => outcome?,
            };
            self.1.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn stream_that_others_have_made_one_that_does_not_wait_loses_nothing() {
        let mut sink = Sink(vec![Ok(3), Ok(0), Err(ErrorKind::Interrupted), Ok(2), Ok(0)], Vec::new());
        write_all(&mut sink, b"abcde").unwrap();
        assert_eq!(sink.1, b"abcde");
    }

    #[test]
    fn one_line_is_one() {
        assert_eq!((counted(1), counted(12)), ("1 line".to_owned(), "12 lines".to_owned()));
    }

    #[test]
    fn error_ends_the_try() {
        let mut sink = Sink(vec![Err(ErrorKind::StorageFull), Ok(2)], Vec::new());
        assert_eq!(write_all(&mut sink, b"abcde").unwrap_err().kind(), ErrorKind::StorageFull);
    }

    /// What a test's stream has taken, and whether its disk is full.
    static TAKEN: Mutex<(Vec<String>, bool)> = Mutex::new((Vec::new(), false));

    /// Writes to the test's stream.
    fn take(text: String) -> io::Result<()> {
        let mut taken = TAKEN.lock().unwrap();
        if taken.1 {
            return Err(ErrorKind::StorageFull.into());
        }
        taken.0.push(text);
        Ok(())
    }

    #[test]
    fn lines_of_a_full_disk_are_counted_and_told_before_the_next_line() {
        static STREAM: Stream = Stream::new(
            |bytes| take(String::from_utf8(bytes.to_vec()).unwrap()),
            |lost| take(format!("{lost} lost")).is_ok(),
        );
        let say = |line: &str| {
            STREAM.push(line.to_owned());
            STREAM.finish(None);
        };
        say("a\n");
        TAKEN.lock().unwrap().1 = true;
        say("b\n");
        say("c\nd\n");
        TAKEN.lock().unwrap().1 = false;
        say("e\n");
        assert_eq!(TAKEN.lock().unwrap().0, ["a\n", "3 lost", "e\n"]);
    }
}
