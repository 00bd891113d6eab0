//! Peers of earlier runs: where somebody was found before, somebody may be again, even where nothing else finds them.
//!
//! One small file in the user's state folder: a first line that says what it is, then one address a line, the newest first.

use crate::failure::cause;
use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 16;

/// Bytes of a file that is read; one of ours has far less.
const FILE_BYTES_MAX: u64 = 4_096;

/// The first line.
const HEADER: &str = "chat-host peers 1";

/// Peers of earlier runs.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// The file; `None` if the user has no folder for it.
    path: Option<PathBuf>,
    /// The addresses, the newest first.
    addresses: Vec<SocketAddr>,
    /// Whether the file may have others, and nothing was given to be written since.
    changed: bool,
    /// Whether anything was learned.
    learned: bool,
}

impl Remembered {
    /// Reads the user's file. Gives what is to be told if it is broken: then it is set aside.
    pub(super) fn load() -> (Self, Option<String>) {
        state_folder().map_or_else(Default::default, |folder| Self::load_from(folder.join("chat-host").join("peers")))
    }

    /// Reads a file.
    fn load_from(path: PathBuf) -> (Self, Option<String>) {
        let (addresses, notice) = match read(&path) {
            Ok(Some(addresses)) => (addresses, None),
            Ok(None) => (Vec::new(), Some(set_aside(&path))),
            Err(error) if error.kind() == ErrorKind::NotFound => (Vec::new(), None),
            Err(error) => {
                (Vec::new(), Some(format!("cannot read the remembered peers in {}: {error}", path.display())))
            }
        };
        (Self { path: Some(path), addresses, changed: false, learned: false }, notice)
    }

    /// The addresses, the newest first.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Somebody is there: the address becomes the newest. One that only this machine or this link knows is not kept.
    pub(super) fn learn(&mut self, address: SocketAddr) {
        let is_kept = match address.ip() {
            IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
            IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
        };
        if is_kept && !self.addresses.iter().take(ADDRESSES_MAX / 2).any(|known| *known == address) {
            self.addresses.retain(|known| *known != address);
            self.addresses.insert(0, address);
            self.addresses.truncate(ADDRESSES_MAX);
            (self.changed, self.learned) = (true, true);
        }
    }

    /// What is to be written, if anything has changed since that was asked last.
    pub(super) fn take_change(&mut self) -> Option<Change> {
        if std::mem::take(&mut self.changed) { self.last_change() } else { None }
    }

    /// What is to be written at the end, if anything was learned: what was given before may not have been written.
    pub(super) fn last_change(&self) -> Option<Change> {
        let path = self.path.clone().filter(|_| self.learned)?;
        let mut text = format!("{HEADER}\n");
        self.addresses.iter().for_each(|address| text.push_str(&format!("{address}\n")));
        Some(Change { path, text })
    }
}

/// A file that is to be written.
#[derive(Debug)]
pub(super) struct Change {
    /// Where.
    path: PathBuf,
    /// All of it.
    text: String,
}

impl Change {
    /// Writes a new file that takes the old one's place, so that there is always a whole one. May wait for the disk.
    ///
    /// # Errors
    /// It cannot be written: what, in a sentence.
    pub(super) fn write(&self) -> Result<(), String> {
        let write = || {
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder)?;
            }
            let new = self.path.with_extension(format!("{}.new", std::process::id()));
            fs::write(&new, &self.text)?;
            fs::rename(&new, &self.path)
        };
        write().map_err(|error| format!("cannot remember peers in {}: {}", self.path.display(), cause(&error)))
    }
}

/// The addresses in a file; `None` if it is none of ours, or broken.
fn read(path: &Path) -> io::Result<Option<Vec<SocketAddr>>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= FILE_BYTES_MAX);
    let Some(addresses) = text.as_deref().and_then(|text| text.strip_prefix(HEADER)?.strip_prefix('\n')) else {
        return Ok(None);
    };
    let addresses: Option<Vec<SocketAddr>> = addresses.lines().map(|line| line.parse().ok()).collect();
    Ok(addresses.filter(|addresses| addresses.len() <= ADDRESSES_MAX))
}

/// Renames a broken file, so that the next has room and this one can be looked at.
fn set_aside(path: &Path) -> String {
    let aside = path.with_extension("broken");
    let shown = path.display();
    match fs::rename(path, &aside) {
        Ok(()) => format!("the file of remembered peers {shown} is broken; it is now {}", aside.display()),
        Err(error) => format!("the file of remembered peers {shown} is broken, and cannot be set aside: {error}"),
    }
}

/// The folder for what a program of the user remembers (XDG Base Directory Specification; elsewhere as the system has it).
fn state_folder() -> Option<PathBuf> {
    let folder = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        return folder("LOCALAPPDATA");
    }
    let home = || folder("HOME");
    if cfg!(target_vendor = "apple") {
        return home().map(|home| home.join("Library/Application Support"));
    }
    folder("XDG_STATE_HOME").or_else(|| home().map(|home| home.join(".local/state")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file in a folder of this test alone, which is not there yet.
    fn file(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("chat-host-remembered-{}-{test}", std::process::id()));
        // Left by an earlier run that was ended hard, under the same number.
        let _ = fs::remove_dir_all(&folder);
        folder.join("peers")
    }

    /// An address of the documentation's network.
    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 9_293))
    }

    #[test]
    fn what_was_learned_is_there_again_the_newest_first_and_at_most_sixteen() {
        let path = file("learned");
        let (mut remembered, notice) = Remembered::load_from(path.clone());
        assert_eq!((remembered.addresses(), notice), (&[][..], None));
        (1..=20).for_each(|last| remembered.learn(address(last)));
        remembered.learn("127.0.0.1:9293".parse().unwrap());
        remembered.learn("[fe80::1]:9293".parse().unwrap());
        remembered.take_change().unwrap().write().unwrap();
        assert!(remembered.take_change().is_none());
        let (again, notice) = Remembered::load_from(path.clone());
        assert_eq!(again.addresses(), (5..=20).rev().map(address).collect::<Vec<_>>());
        assert_eq!(notice, None);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_could_not_be_written_is_written_again_at_the_end() {
        let path = file("unwritten");
        let folder = path.parent().unwrap();
        let (mut remembered, _) = Remembered::load_from(path.clone());
        assert!(remembered.last_change().is_none());
        remembered.learn(address(1));
        // A file stands where the folder is to be.
        fs::write(folder, "").unwrap();
        assert!(remembered.take_change().unwrap().write().is_err());
        assert!(remembered.take_change().is_none());
        let told = remembered.last_change().unwrap().write().unwrap_err();
        assert!(told.starts_with("cannot remember peers in"), "{told}");
        fs::remove_file(folder).unwrap();
        remembered.last_change().unwrap().write().unwrap();
        assert_eq!(Remembered::load_from(path.clone()).0.addresses(), [address(1)]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn broken_file_is_set_aside_with_a_notice() {
        let path = file("broken");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let long = format!("{HEADER}\n{}", "192.0.2.1:9293\n".repeat(17));
        let huge = vec![b'x'; 5_000];
        for content in
            [&b"\xff"[..], b"", b"chat-host peers 2\n", b"chat-host peers 1\nnonsense\n", long.as_bytes(), &huge]
        {
            fs::write(&path, content).unwrap();
            let (remembered, notice) = Remembered::load_from(path.clone());
            assert!(remembered.addresses().is_empty());
            assert!(notice.unwrap().contains("peers.broken"));
            assert_eq!(fs::read(path.with_extension("broken")).unwrap(), content);
            assert!(!path.exists());
        }
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
