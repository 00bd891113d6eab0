//! The file that says whether the system's clock is to be trusted (`--clock-state` in docs/command-line.md).
//!
//! It is for machines without a battery clock: the program that sets the clock writes the file. The file is not polled: the kernel
//! reports changes in the file's folder, so that a file that is replaced is noticed too. A file that does not say clearly that the
//! clock is trusted counts as untrusted.

use crate::failure::{Failure, cause};
use crate::log::{self, Level};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use smol::Async;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Longest content that is read, in bytes; the longer word with its line feed has 10.
const CONTENT_BYTES_MAX: usize = 64;

/// Whether the clock is to be trusted, for all threads that tell the time.
#[derive(Debug, Clone)]
pub(crate) struct Trust(Arc<AtomicBool>);

impl Trust {
    /// A clock that is trusted until a file says otherwise.
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// Whether the clock is trusted now.
    pub(crate) fn is_given(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets whether the clock is trusted.
    fn set(&self, trusted: bool) {
        self.0.store(trusted, Ordering::Relaxed);
    }
}

/// A file that says whether the clock is to be trusted.
#[derive(Debug)]
pub(crate) struct ClockState {
    /// The file.
    path: PathBuf,
    /// Its name in its folder.
    name: OsString,
    /// The changes in its folder.
    changes: Async<Inotify>,
    /// What the file said last.
    said: Result<bool, ReadError>,
    /// The flag that all threads read.
    trust: Trust,
}

/// Why a file does not say whether the clock is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ReadError {
    /// The file does not exist, or is empty.
    Missing,
    /// The file cannot be read, for this reason.
    Unreadable(String),
    /// The file has neither of the two words, or is too long.
    Malformed,
}

impl ClockState {
    /// Reads the file, and watches it from then on.
    ///
    /// # Errors
    /// The file's folder cannot be watched. A missing file is no error: the clock is untrusted until the file comes.
    pub(crate) fn open(path: &Path, trust: Trust) -> Result<Self, Failure> {
        let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let name = path.file_name().ok_or_else(|| Failure::usage(format!("--clock-state: {path:?} names no file")))?;
        let changes = watch(folder).map_err(|error| {
            Failure::lost(format!(
                "cannot watch {folder:?} for the clock's state: {}; make that folder first, or name a file in another with \
                 --clock-state FILE",
                cause(&error)
            ))
        })?;
        // The folder is watched before the file is read, so that no change is missed.
        let said = read(path);
        trust.set(said == Ok(true));
        let state = Self { path: path.to_owned(), name: name.to_owned(), changes, said, trust };
        if state.said.is_err() {
            state.tell();
        }
        Ok(state)
    }

    /// Follows the file for ever. Cancelling loses nothing.
    ///
    /// # Errors
    /// The system does not report changes any more.
    pub(crate) async fn run(&mut self) -> io::Result<()> {
        loop {
            let events = self.changes.read_with(|inotify| inotify.read_events().map_err(io::Error::from)).await?;
            // Events without a name are about the folder, or say that events were lost.
            if events.iter().any(|event| event.name.as_ref().is_none_or(|name| *name == self.name)) {
                let said = read(&self.path);
                if said != self.said {
                    self.trust.set(said == Ok(true));
                    self.said = said;
                    self.tell();
                }
            }
        }
    }

    /// Tells the operator what the file says.
    fn tell(&self) {
        match &self.said {
            Ok(true) => log::say(Level::Information, "the clock is trusted from now on"),
            Ok(false) => log::say(Level::Information, "the clock is not trusted from now on"),
            Err(error) => {
                log::say(Level::Warning, format_args!("the clock is not trusted: {} {error}", self.path.display()));
            }
        }
    }
}

/// Watches a folder for all events that may change the content of a file in it. A file that is written counts when it is closed, so
/// that a half-written file is not read.
fn watch(folder: &Path) -> io::Result<Async<Inotify>> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    let comes = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE;
    let goes = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM | AddWatchFlags::IN_ATTRIB;
    let folder_goes = AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_ONLYDIR;
    inotify.add_watch(folder, comes | goes | folder_goes)?;
    Async::new(inotify)
}

/// Reads the file: whether the clock is to be trusted.
fn read(path: &Path) -> Result<bool, ReadError> {
    let content = read_start(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ReadError::Missing,
        _ => ReadError::Unreadable(cause(&error)),
    })?;
    match content.trim_ascii() {
        _ if content.len() > CONTENT_BYTES_MAX => Err(ReadError::Malformed),
        b"trusted" => Ok(true),
        b"untrusted" => Ok(false),
        b"" => Err(ReadError::Missing),
        _ => Err(ReadError::Malformed),
    }
}

/// The first bytes of a file, one more than it may have. Does not wait if the file is a pipe.
fn read_start(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    let mut content = Vec::new();
    file.take(CONTENT_BYTES_MAX as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing or empty"),
            Self::Unreadable(cause) => write!(f, "cannot be read: {cause}"),
            Self::Malformed => f.write_str("says neither trusted nor untrusted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// What a file with this content says.
    fn said(content: &[u8]) -> Result<bool, ReadError> {
        let path = std::env::temp_dir().join(format!("chat-host-clock-state-{}", std::process::id()));
        File::create(&path).and_then(|mut file| file.write_all(content)).unwrap();
        let said = read(&path);
        std::fs::remove_file(&path).unwrap();
        said
    }

    #[test]
    fn word_counts_without_the_space_around_it_up_to_64_bytes() {
        let padded = |length: usize| [b" \t\r\ntrusted".to_vec(), vec![b' '; length - 11]].concat();
        for (content, expected) in [
            (b"trusted".to_vec(), Ok(true)),
            (b" untrusted\n".to_vec(), Ok(false)),
            (padded(64), Ok(true)),
            (padded(65), Err(ReadError::Malformed)),
            (b"trusted untrusted".to_vec(), Err(ReadError::Malformed)),
            (b"Trusted".to_vec(), Err(ReadError::Malformed)),
            (b"\xff".to_vec(), Err(ReadError::Malformed)),
            (b"".to_vec(), Err(ReadError::Missing)),
            (b"\n".to_vec(), Err(ReadError::Missing)),
        ] {
            assert_eq!(said(&content), expected, "{content:?}");
        }
        let folder = read(&std::env::temp_dir());
        assert!(matches!(&folder, Err(ReadError::Unreadable(cause)) if cause.contains("directory")), "{folder:?}");
        assert_eq!(read(Path::new("/dev/null/none")), Err(ReadError::Unreadable("not a directory".to_owned())));
    }
}
