//! The load on a TCP server: members that hear everything, and publishers with so many texts in flight. One thread, one epoll.

use crate::protocol::{Framing, Protocol};
use crate::stream::{Position, Stream};
use crate::text;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{self, MsgFlags, setsockopt, sockopt};
use std::error::Error;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

/// Longest that anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections that join at the same time, where the time is not measured.
const JOIN_BATCH: usize = 100;

/// Where the numbers of publishers begin among those of sockets.
const PUBLISHERS: usize = 1 << 24;

/// Bytes read at once.
const READ_BYTES: usize = 262_144;

/// Silence after which everybody has heard what the others' joins made the server say.
const QUIET: Duration = Duration::from_millis(100);

/// A connection that hears.
struct Member {
    /// Its socket.
    stream: TcpStream,
    /// What stands between it and what is spoken.
    framing: Option<Framing>,
    /// How far it has heard.
    position: Position,
    /// What it has read before it had joined; `None` from then on.
    joining: Option<Vec<u8>>,
    /// When it last heard something.
    heard: Instant,
    /// The longest time without hearing anything, since it was last asked for.
    stall: Duration,
}

/// Who publishes. Its next text goes out when member `index` has heard an earlier one.
struct Publisher {
    /// Its socket, where it is not that of the member with the same index.
    stream: Option<TcpStream>,
    /// Number of its last text.
    number: u32,
    /// Bytes that the socket has not taken yet.
    unsent: Vec<u8>,
}

impl Publisher {
    /// One more text is to be sent.
    fn say(&mut self, protocol: &mut dyn Protocol, index: usize, text_bytes: usize) {
        self.number += 1;
        let text = text::write(index, self.number, text_bytes);
        protocol.publish(self.number, &text, &mut self.unsent);
    }
}

/// Members and publishers of one server.
pub(crate) struct Load {
    /// How the server is spoken to.
    protocol: Box<dyn Protocol>,
    /// Where it is.
    address: SocketAddr,
    /// Waits for all sockets: members by their index, publishers by theirs behind [`PUBLISHERS`].
    epoll: Epoll,
    /// The members.
    members: Vec<Member>,
    /// The publishers.
    publishers: Vec<Publisher>,
    /// What was published.
    stream: Stream,
    /// Bytes of each text.
    text_bytes: usize,
    /// Where is read to.
    buffer: Vec<u8>,
    /// How many members have joined.
    joined: usize,
}

impl Load {
    /// Nobody yet.
    pub(crate) fn new(protocol: Box<dyn Protocol>, address: SocketAddr, text_bytes: usize) -> io::Result<Self> {
        Ok(Self {
            protocol,
            address,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            members: Vec::new(),
            publishers: Vec::new(),
            stream: Stream::default(),
            text_bytes,
            buffer: vec![0; READ_BYTES],
            joined: 0,
        })
    }

    /// So many members join, a few at a time, and nobody says anything any more.
    pub(crate) fn join(&mut self, count: usize) -> Result<(), Box<dyn Error>> {
        for from in (0..count).step_by(JOIN_BATCH) {
            self.join_at_once(JOIN_BATCH.min(count - from))?;
        }
        while self.turn(Some(QUIET))? > 0 {}
        Ok(())
    }

    /// So many members join at once. Says how long that took.
    pub(crate) fn join_at_once(&mut self, count: usize) -> Result<Duration, Box<dyn Error>> {
        let start = Instant::now();
        for _ in 0..count {
            let index = self.members.len();
            let stream = connect(self.address)?;
            let framing = self.protocol.framing();
            if framing.is_some() {
                Framing::shake_hands(&stream)?;
            }
            self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
            let mut bytes = Vec::new();
            self.protocol.join(index, &mut bytes);
            send_all(&stream, &bytes)?;
            self.members.push(Member {
                stream,
                framing,
                position: Position::default(),
                joining: Some(Vec::new()),
                heard: start,
                stall: Duration::ZERO,
            });
        }
        while self.joined < self.members.len() {
            self.turn(Some(PATIENCE))?;
            check_patience(start, "the members did not join")?;
        }
        Ok(start.elapsed())
    }

    /// So many publishers get ready: the first members, or connections of their own.
    pub(crate) fn add_publishers(&mut self, count: usize) -> Result<(), Box<dyn Error>> {
        for index in self.publishers.len()..count {
            let mut bytes = Vec::new();
            let stream = match self.protocol.join_as_publisher(index, &mut bytes) {
                Some(()) => {
                    let stream = connect(self.address)?;
                    send_all(&stream, &bytes)?;
                    self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, (PUBLISHERS + index) as u64))?;
                    Some(stream)
                }
                None => None,
            };
            self.publishers.push(Publisher { stream, number: 0, unsent: Vec::new() });
        }
        while self.turn(Some(QUIET))? > 0 {}
        Ok(())
    }

    /// Publishes for so long, each publisher with so many texts in flight.
    pub(crate) fn publish_for(&mut self, duration: Duration, in_flight: u32) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        while start.elapsed() < duration {
            self.publish(in_flight)?;
            if self.turn(Some(Duration::from_secs(1)))? == 0 {
                check_patience(start + duration, "nothing is heard any more")?;
            }
        }
        Ok(())
    }

    /// Every publisher publishes until it has so many texts in flight.
    pub(crate) fn publish(&mut self, in_flight: u32) -> Result<(), Box<dyn Error>> {
        for (index, publisher) in self.publishers.iter_mut().enumerate() {
            let member = &mut self.members[index];
            let heard = self.stream.number_heard(index, &mut member.position);
            while publisher.number - heard < in_flight {
                publisher.say(&mut *self.protocol, index, self.text_bytes);
            }
            if !publisher.unsent.is_empty() {
                let stream = publisher.stream.as_ref().unwrap_or(&member.stream);
                let sent = send(stream, &publisher.unsent)?;
                publisher.unsent.drain(..sent);
            }
        }
        Ok(())
    }

    /// Waits until all members have heard all that was published.
    pub(crate) fn drain(&mut self) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        let texts: u32 = self.publishers.iter().map(|publisher| publisher.number).sum();
        while self.members.iter().any(|member| self.stream.texts(&member.position) < texts as usize) {
            // What a socket did not take still has to go out.
            self.publish(0)?;
            self.turn(Some(Duration::from_secs(1)))?;
            check_patience(start, "not everybody has heard everything")?;
        }
        Ok(())
    }

    /// How many texts all members together have heard.
    pub(crate) fn deliveries(&self) -> u64 {
        self.members.iter().map(|member| self.stream.texts(&member.position) as u64).sum()
    }

    /// The member that joined last reads no more.
    pub(crate) fn stall_last(&mut self) -> Result<(), Box<dyn Error>> {
        let member = self.members.pop().ok_or("there is no member")?;
        self.epoll.delete(&member.stream)?;
        // Not closed, or it would be gone instead of stalled.
        std::mem::forget(member.stream);
        Ok(())
    }

    /// The longest time without hearing anything of all members, since this was last asked.
    pub(crate) fn take_stall(&mut self) -> Duration {
        let now = Instant::now();
        let mut longest = Duration::ZERO;
        for member in &mut self.members {
            longest = longest.max(member.stall).max(now - member.heard);
            (member.stall, member.heard) = (Duration::ZERO, now);
        }
        longest
    }

    /// Publishes one text at a time with a pause in between, for so long. Says how long it takes for the last member to hear it:
    /// the median.
    pub(crate) fn publish_lone(&mut self, duration: Duration, pause: Duration) -> Result<Duration, Box<dyn Error>> {
        let start = Instant::now();
        let mut times = Vec::new();
        while times.is_empty() || start.elapsed() < duration {
            std::thread::sleep(pause);
            let sent = Instant::now();
            self.publish(1)?;
            let mut heard = 0;
            // Each member has it in one piece, as nearly always, or is asked once more.
            while heard < self.members.len() {
                heard += self.turn(Some(PATIENCE))?;
            }
            times.push(sent.elapsed());
            self.drain()?;
        }
        times.sort();
        Ok(times[times.len() / 2])
    }

    /// Publishes so many texts a second for so long, the publishers in turn.
    pub(crate) fn publish_at(&mut self, rate: usize, duration: Duration) -> Result<(), Box<dyn Error>> {
        let (start, mut count) = (Instant::now(), 0);
        while start.elapsed() < duration {
            let due = usize::try_from(start.elapsed().as_micros())? * rate / 1_000_000;
            while count < due {
                let index = count % self.publishers.len();
                self.publishers[index].say(&mut *self.protocol, index, self.text_bytes);
                count += 1;
            }
            self.publish(0)?;
            self.turn(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Waits for what arrives and takes it. Says how many sockets had something.
    fn turn(&mut self, patience: Option<Duration>) -> Result<usize, Box<dyn Error>> {
        let mut events = [EpollEvent::empty(); 512];
        let timeout = patience.map(EpollTimeout::try_from).transpose()?.unwrap_or(EpollTimeout::NONE);
        let count = self.epoll.wait(&mut events, timeout)?;
        let now = Instant::now();
        for event in &events[..count] {
            let index = usize::try_from(event.data())?;
            let Some(member) = self.members.get_mut(index) else {
                self.turn_publisher(index - PUBLISHERS)?;
                continue;
            };
            let mut length = receive(&member.stream, &mut self.buffer)?;
            if let Some(framing) = &mut member.framing {
                length = framing.take_off(&mut self.buffer[..length])?;
            }
            let bytes = &self.buffer[..length];
            member.stall = member.stall.max(now - member.heard);
            member.heard = now;
            let protocol = &mut *self.protocol;
            match &mut member.joining {
                None => self.stream.hear(protocol, &mut member.position, bytes)?,
                Some(answer) => {
                    answer.extend_from_slice(bytes);
                    if let Some(end) = protocol.joined(answer) {
                        let rest = answer.split_off(end);
                        member.joining = None;
                        self.joined += 1;
                        self.stream.hear(protocol, &mut member.position, &rest)?;
                    }
                }
            }
        }
        Ok(count)
    }

    /// Throws away what a publisher's own connection is told.
    fn turn_publisher(&mut self, index: usize) -> Result<(), Box<dyn Error>> {
        if let Some(stream) = self.publishers.get(index).and_then(|publisher| publisher.stream.as_ref()) {
            receive(stream, &mut self.buffer)?;
        }
        Ok(())
    }
}

/// A connection that leaves nothing behind when it is closed, so that tens of thousands of them can follow one another.
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    setsockopt(&stream, sockopt::Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 })?;
    Ok(stream)
}

/// Fails when this has taken too long.
fn check_patience(start: Instant, what: &str) -> Result<(), Box<dyn Error>> {
    if start.elapsed() > PATIENCE { Err(format!("{what} within {} s", PATIENCE.as_secs()).into()) } else { Ok(()) }
}

/// Reads what is there; the end of the stream is an error.
fn receive(stream: &TcpStream, buffer: &mut [u8]) -> Result<usize, Box<dyn Error>> {
    match socket::recv(stream.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)? {
        0 => Err("the server has closed a connection".into()),
        length => Ok(length),
    }
}

/// Sends what the socket takes.
fn send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match socket::send(stream.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
        Err(nix::errno::Errno::EAGAIN) => Ok(0),
        outcome => Ok(outcome?),
    }
}

/// Sends all of it.
fn send_all(stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() || send(stream, bytes)? == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}
