//! A group of members, each a process, of one kind.

use crate::address;
use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, PipeReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// So long a line may take to be with all.
const SHOWN_MAX: Duration = Duration::from_secs(60);

/// Pause before a line is said anew while a group comes together.
const GATHER_PAUSE: Duration = Duration::from_secs(1);

/// Which program the members are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `chat-host peer`.
    Peer,
    /// `mesh limit`.
    Limit,
    /// `mesh broadcast`.
    Broadcast,
    /// `mesh swim`.
    Swim,
}

impl Kind {
    /// All of them, the limit first: it is what the others are compared to.
    pub(crate) const ALL: [Self; 4] = [Self::Limit, Self::Peer, Self::Swim, Self::Broadcast];

    /// Its name in tables.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Peer => "chat-host peer",
            Self::Limit => "`sendmmsg` to all members, nothing else",
            Self::Broadcast => "one broadcast, nothing else",
            Self::Swim => "foca",
        }
    }

    /// The command that becomes the member of this number of so many.
    fn command(self, program: &Path, index: u16, members: u16) -> std::io::Result<Command> {
        let own = match self {
            Self::Peer => {
                let mut command = Command::new(program);
                let listen = address(index).to_string();
                command.args(["peer", "--no-discovery", "--listen", &listen, "--name", &format!("p{index}")]);
                if index > 0 {
                    command.args(["--join", &address(0).to_string()]);
                }
                return Ok(command);
            }
            Self::Limit => "limit",
            Self::Broadcast => "broadcast",
            Self::Swim => "swim",
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.args([own, &index.to_string(), &members.to_string()]);
        Ok(command)
    }
}

/// A running group.
pub(crate) struct Group {
    /// The members.
    members: Vec<Child>,
    /// What any of them prints.
    lines: Receiver<String>,
}

impl Group {
    /// Starts so many members, and waits until what one says is with all.
    ///
    /// # Errors
    /// A process does not start, or the group does not come together.
    pub(crate) fn start(kind: Kind, program: &Path, count: u16) -> Result<Self, Box<dyn Error>> {
        let (output, input) = std::io::pipe()?;
        let lines = read_lines(output);
        let mut group = Self { members: Vec::new(), lines };
        for index in 0..count {
            let mut command = kind.command(program, index, count)?;
            command.stdin(Stdio::piped()).stdout(input.try_clone()?).stderr(Stdio::null());
            group.members.push(command.spawn()?);
        }
        for number in 0.. {
            let text = format!("gathering {number}.");
            group.say(0, &text)?;
            if group.shown(&[&text], GATHER_PAUSE) == usize::from(count) {
                return Ok(group);
            }
            if number > 120 {
                return Err(format!("{count} of {} do not come together", kind.title()).into());
            }
        }
        Ok(group)
    }

    /// A member says something.
    pub(crate) fn say(&mut self, index: usize, text: &str) -> Result<(), Box<dyn Error>> {
        let input = self.members[index].stdin.as_mut().ok_or("its input is closed")?;
        Ok(input.write_all(format!("{text}\n").as_bytes())?)
    }

    /// How often members show these within a time; all is waited for, not longer.
    fn shown(&self, texts: &[&str], pause: Duration) -> usize {
        let (deadline, wanted, mut count) = (Instant::now() + pause, texts.len() * self.members.len(), 0);
        while count < wanted {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => count += usize::from(texts.iter().any(|text| line.contains(text))),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        count
    }

    /// Each of the first `speakers` members says so many lines, evenly spread over the time; gives how often members have shown any of
    /// them.
    ///
    /// # Errors
    /// A member has ended.
    pub(crate) fn talk(
        &mut self,
        speakers: usize,
        lines: usize,
        text_bytes: usize,
        time: Duration,
    ) -> Result<usize, Box<dyn Error>> {
        let begin = Instant::now();
        let total = u32::try_from(speakers * lines)?;
        for number in 0..total {
            std::thread::sleep((begin + time * number / total).saturating_duration_since(Instant::now()));
            let text = format!("spoken {number}.");
            self.say(usize::try_from(number)? % speakers, &format!("{text:-<text_bytes$}"))?;
        }
        let wanted = self.members.len() * usize::try_from(total)?;
        let (mut count, deadline) = (0, Instant::now() + SHOWN_MAX.min(time.max(Duration::from_secs(3))));
        while count < wanted {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => count += usize::from(line.contains("spoken ")),
                Err(_) => break,
            }
        }
        std::thread::sleep((begin + time).saturating_duration_since(Instant::now()));
        Ok(count)
    }

    /// The time that all members have had a CPU so far.
    pub(crate) fn cpu(&self) -> Result<Duration, Box<dyn Error>> {
        let mut nanos = 0;
        for member in &self.members {
            for task in fs::read_dir(proc(member).join("task"))? {
                // A thread may have ended since the folder was read.
                let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
                nanos += text.split_whitespace().next().unwrap_or_default().parse::<u64>()?;
            }
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// The memory of a member that is its own, and all that is resident, in bytes; medians.
    pub(crate) fn memory(&self) -> Result<[u64; 2], Box<dyn Error>> {
        let mut found = ["RssAnon:", "VmRSS:"].map(|_| Vec::new());
        for member in &self.members {
            let status = fs::read_to_string(proc(member).join("status"))?;
            for (name, values) in ["RssAnon:", "VmRSS:"].iter().zip(&mut found) {
                let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no memory is told")?;
                values.push(line.split_whitespace().next().unwrap_or_default().parse::<u64>()? << 10);
            }
        }
        Ok(found.map(|mut values| {
            values.sort_unstable();
            values[values.len() / 2]
        }))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for member in &mut self.members {
            // It may have ended by itself.
            let _ = member.kill();
            let _ = member.wait();
        }
    }
}

/// The system's folder for a process.
fn proc(member: &Child) -> PathBuf {
    PathBuf::from(format!("/proc/{}", member.id()))
}

/// Reads lines in a thread, until no member is left.
fn read_lines(output: PipeReader) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}
