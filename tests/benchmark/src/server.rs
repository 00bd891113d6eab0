//! The servers that are measured, each a process of its own on a CPU of its own.

use crate::protocol::{Irc, Lines, Mqtt, Nats, Page, Protocol, Redis, Room};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::error::Error;
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time for a server to start.
const START_MAX: Duration = Duration::from_secs(20);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// One `send` for each text and member.
    LimitEach,
    /// One `send` for each round and member.
    LimitRound,
    /// Each datagram to all, in batches.
    LimitUdp,
    /// chat-host's room.
    Room,
    /// chat-host's room with two workers, beside the generator on both CPUs.
    RoomOfTwo,
    /// chat-host's room with its page, whose members are on WebSockets.
    Page,
    /// chat-host's relay.
    Relay,
    /// Redis.
    Redis,
    /// NATS.
    Nats,
    /// ngIRCd.
    Ngircd,
    /// Mosquitto.
    Mosquitto,
}

/// All of them.
pub(crate) const KINDS: [Kind; 11] = [
    Kind::LimitEach,
    Kind::LimitRound,
    Kind::LimitUdp,
    Kind::Room,
    Kind::RoomOfTwo,
    Kind::Page,
    Kind::Relay,
    Kind::Redis,
    Kind::Nats,
    Kind::Ngircd,
    Kind::Mosquitto,
];

/// The programs of others that a room is compared with.
pub(crate) const PEERS: [Kind; 4] = [Kind::Redis, Kind::Nats, Kind::Ngircd, Kind::Mosquitto];

impl Kind {
    /// How it is called in tables.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::LimitEach => "limit-a",
            Self::LimitRound => "limit-b",
            Self::LimitUdp => "sendmmsg loop",
            Self::Room => "room",
            Self::RoomOfTwo => "room, 2 workers",
            Self::Page => "room, WebSocket",
            Self::Relay => "relay",
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Ngircd => "ngircd",
            Self::Mosquitto => "mosquitto",
        }
    }

    /// How it is spoken to over TCP.
    pub(crate) fn protocol(self) -> Box<dyn Protocol> {
        match self {
            Self::LimitEach | Self::LimitRound | Self::LimitUdp => Box::new(Lines),
            Self::Room | Self::RoomOfTwo | Self::Relay => Box::new(Room::new()),
            Self::Page => Box::new(Page::new()),
            Self::Redis => Box::new(Redis),
            Self::Nats => Box::new(Nats),
            Self::Ngircd => Box::new(Irc),
            Self::Mosquitto => Box::new(Mqtt),
        }
    }

    /// Most members with which it is measured. ngIRCd lets a hundred in within some three seconds.
    pub(crate) const fn members_max(self) -> usize {
        match self {
            Self::Ngircd => 100,
            _ => usize::MAX,
        }
    }

    /// The name of a program that has to be installed.
    const fn installed(self) -> Option<&'static str> {
        match self {
            Self::Redis => Some("redis-server"),
            Self::Nats => Some("nats-server"),
            Self::Ngircd => Some("ngircd"),
            Self::Mosquitto => Some("mosquitto"),
            _ => None,
        }
    }

    /// Whether it can be started here.
    pub(crate) fn is_there(self) -> bool {
        self.installed().is_none_or(|name| find(name).is_some())
    }
}

/// Where an installed program is. Servers often stand where only the administrator looks.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Which CPUs the two sides run on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpus {
    /// The server.
    pub(crate) server: usize,
    /// The generator.
    pub(crate) load: usize,
    /// How many there are.
    pub(crate) count: usize,
}

impl Cpus {
    /// The first two that may be used; both sides on the same one if there is no other.
    pub(crate) fn find() -> nix::Result<Self> {
        let set = sched_getaffinity(Pid::from_raw(0))?;
        let usable: Vec<_> = (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect();
        let server = usable.first().copied().unwrap_or(0);
        Ok(Self { server, load: usable.get(1).copied().unwrap_or(server), count: usable.len() })
    }
}

/// Lets this thread, and processes that it starts, run on these CPUs only.
pub(crate) fn pin(cpus: &[usize]) -> nix::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
}

/// A server that runs. It is killed when this is dropped.
pub(crate) struct Server {
    /// Its process.
    child: Child,
    /// Where it is reached.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it in this folder, on its CPU; `programs` is the folder of our own ones.
    pub(crate) fn start(kind: Kind, cpus: Cpus, programs: &Path, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let both = [cpus.server, cpus.load];
        pin(if kind == Kind::RoomOfTwo { &both } else { &both[..1] })?;
        let server = Self::spawn(kind, programs, folder);
        pin(&both[1..])?;
        server.map_err(|error| format!("{}: {error}", kind.title()).into())
    }

    /// Starts it on the CPUs on which this thread runs.
    fn spawn(kind: Kind, programs: &Path, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let mut limit = Command::new(programs.join("limit"));
        let mut host = Command::new(programs.join("chat-host"));
        host.arg("serve");
        let workers = if kind == Kind::RoomOfTwo { "2" } else { "1" };
        match kind {
            Kind::LimitEach => return Self::announced(limit.arg("tcp-each"), ""),
            Kind::LimitRound => return Self::announced(limit.arg("tcp-round"), ""),
            Kind::LimitUdp => return Self::announced(limit.arg("udp"), ""),
            Kind::Relay => return Self::announced(host.args(["--udp", "127.0.0.1:0"]), "udp "),
            Kind::Room | Kind::RoomOfTwo => {
                return Self::announced(
                    host.args(["--rate", "off", "--tcp", "127.0.0.1:0", "--web", "off", "--threads", workers]),
                    "tcp ",
                );
            }
            Kind::Page => {
                host.args(["--rate", "off", "--tcp", "127.0.0.1:0", "--web", "127.0.0.1:0", "--threads", workers]);
                return Self::announced(&mut host, "web ");
            }
            _ => {}
        }
        // These cannot be told to take any port, so one is taken that was free a moment ago.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let port = address.port().to_string();
        let program = kind.installed().and_then(find).ok_or("not installed")?;
        let mut command = Command::new(program);
        command.current_dir(folder);
        match kind {
            Kind::Redis => {
                command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
                command.args(["--maxclients", "15000", "--tcp-backlog", "4096"]);
            }
            Kind::Nats => {
                command.args(["--addr", "127.0.0.1", "--port", &port]);
            }
            Kind::Mosquitto => {
                let settings = format!("listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n");
                std::fs::write(folder.join("mosquitto.conf"), settings)?;
                command.args(["-c", "mosquitto.conf"]);
            }
            _ => {
                let settings = format!(
                    "[Global]\nName = irc.example.net\nInfo = benchmark\nListen = 127.0.0.1\nPorts = {port}\n\
                     [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxJoins = 0\nMaxNickLength = 16\n\
                     MaxPenaltyTime = 0\n[Options]\nDNS = no\nIdent = no\nPAM = no\nRequireAuthPing = no\n\
                     [Channel]\nName = #room\nModes = tP\n",
                );
                std::fs::write(folder.join("ngircd.conf"), settings)?;
                command.args(["--nodaemon", "--config", "ngircd.conf"]);
            }
        }
        let log = std::fs::File::create(folder.join(format!("{}.log", kind.title())))?;
        command.stdout(log.try_clone()?).stderr(log);
        let mut server = Self { child: command.stdin(Stdio::null()).spawn()?, address };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("ended at once: {status}").into());
            }
            if start.elapsed() > START_MAX {
                return Err("did not start".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Starts a program of our own, which prints its address behind `prefix`.
    fn announced(command: &mut Command, prefix: &str) -> Result<Self, Box<dyn Error>> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        for line in BufReader::new(output).lines() {
            if let Some(address) = line?.strip_prefix(prefix).and_then(|address| address.parse().ok()) {
                return Ok(Self { child, address });
            }
        }
        Err("ended without an address".into())
    }

    /// Its process.
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0))
    }

    /// What its threads have used so far.
    pub(crate) fn cpu(&self) -> nix::Result<Duration> {
        Ok(nix::time::clock_getcpuclockid(self.pid())?.now()?.into())
    }

    /// A figure of a file of its in `/proc`: the sum over its threads if the file is theirs.
    fn status(&self, key: &str) -> io::Result<u64> {
        let folder = PathBuf::from(format!("/proc/{}", self.child.id()));
        let mut sum = 0;
        for thread in std::fs::read_dir(folder.join("task"))? {
            let status = std::fs::read_to_string(thread?.path().join("status"))?;
            let value = status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok());
            let value: u64 = value.ok_or_else(|| io::Error::other(format!("there is no {key}")))?;
            if key.starts_with("Rss") || key.starts_with("Vm") {
                // The same for all threads.
                return Ok(value * 1_024);
            }
            sum += value;
        }
        Ok(sum)
    }

    /// Bytes of memory of its own: stack, heap, written data.
    pub(crate) fn own_bytes(&self) -> io::Result<u64> {
        self.status("RssAnon:")
    }

    /// Bytes of memory in all, its program included.
    pub(crate) fn resident_bytes(&self) -> io::Result<u64> {
        self.status("VmRSS:")
    }

    /// How often its threads have waited.
    pub(crate) fn waits(&self) -> io::Result<u64> {
        self.status("voluntary_ctxt_switches:")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
