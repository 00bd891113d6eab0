//! `--exec`: a program that takes part. Each message goes to its standard input as a line, and each line that it prints is said.

use crate::failure::{Failure, cause};
use crate::terminal::Feed;
use chat_core::bucket::{Bucket, Rate};
use chat_core::time::Instant;
use std::io;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// How fast its lines are said: some at once, then one a second, so that two bots that answer each other stay bearable.
const RATE: Rate = Rate { burst: 5, per_second: 1 };

/// How long the program may take to end once nothing comes any more.
const END_MAX: Duration = Duration::from_secs(1);

/// A program that takes part.
#[derive(Debug)]
pub(super) struct Program {
    /// The process.
    child: Child,
    /// Its standard input.
    feed: Option<Feed>,
    /// How fast its lines are said.
    bucket: Bucket,
}

impl Program {
    /// Starts a command line, as the shell reads it. Gives what it prints too.
    ///
    /// # Errors
    /// There is no shell.
    pub(super) fn start(command_line: &str) -> Result<(Self, ChildStdout), Failure> {
        let failure = |error: io::Error| Failure::lost(format!("cannot run {command_line}: {}", cause(&error)));
        let mut child = shell(command_line).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failure)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failure(io::ErrorKind::BrokenPipe.into()));
        };
        let feed = Some(Feed::new(input).map_err(failure)?);
        Ok((Self { child, feed, bucket: Bucket::FULL }, output))
    }

    /// Gives the program a line. What it does not read is dropped once a good deal waits.
    pub(super) fn feed(&mut self, line: &str) {
        if let Some(feed) = &self.feed {
            feed.push(line);
        }
    }

    /// Whether its next line may be said.
    ///
    /// # Errors
    /// When it may.
    pub(super) fn has_turn(&self, now: Instant) -> Result<(), Instant> {
        self.bucket.has_token(RATE, now)
    }

    /// One of its lines is said.
    pub(super) fn handle_said(&mut self, now: Instant) {
        self.bucket.take(RATE, now);
    }

    /// Ends the program: closes its input, and kills it if that does not do. Gives a sentence if it has failed by itself.
    pub(super) fn finish(&mut self, has_ended: bool) -> Option<String> {
        self.feed = None;
        let deadline = std::time::Instant::now() + END_MAX;
        while std::time::Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(status)) if has_ended && !status.success() => {
                    return Some(format!("the program of --exec has failed: {status}"));
                }
                Ok(Some(_)) | Err(_) => return None,
            }
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }
}

/// The system's shell with a command line.
fn shell(command_line: &str) -> Command {
    let (program, option) = if cfg!(windows) { ("cmd", "/C") } else { ("/bin/sh", "-c") };
    let mut command = Command::new(program);
    command.args([option, command_line]);
    command
}
