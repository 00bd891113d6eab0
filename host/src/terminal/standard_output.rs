//! Standard output as the system has it: without a buffer, what nobody has read yet, and what it takes without waiting.

use std::io::{self, Write};

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
        use super::output::PAUSE;
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

/// How many bytes of a pipe on standard output nobody has read yet; `None` if that is not known.
#[cfg(unix)]
pub(super) fn unread_bytes() -> Option<u64> {
    rustix::io::ioctl_fionread(io::stdout()).ok()
}

/// Other systems do not tell.
#[cfg(not(unix))]
pub(super) fn unread_bytes() -> Option<u64> {
    None
}

/// Writes what standard output takes without waiting: how many bytes. Terminals do not tell, and are not asked again.
#[cfg(target_os = "linux")]
pub(super) fn write_at_once(bytes: &[u8]) -> usize {
    use rustix::io::{Errno, ReadWriteFlags, pwritev2};
    use std::sync::atomic::{AtomicBool, Ordering};
    /// The offset that stands for where the stream is.
    const CURRENT: u64 = u64::MAX;
    static CANNOT_TELL: AtomicBool = AtomicBool::new(false);
    if CANNOT_TELL.load(Ordering::Relaxed) {
        return 0;
    }
    match pwritev2(io::stdout(), &[io::IoSlice::new(bytes)], CURRENT, ReadWriteFlags::NOWAIT) {
        Ok(written) => written,
        Err(error) => {
            let cannot_tell = matches!(error, Errno::NOTSUP | Errno::NOSYS | Errno::INVAL);
            CANNOT_TELL.store(cannot_tell, Ordering::Relaxed);
            0
        }
    }
}

/// Other systems do not tell.
#[cfg(not(target_os = "linux"))]
pub(super) const fn write_at_once(_: &[u8]) -> usize {
    0
}
