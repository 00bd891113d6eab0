//! The load on a UDP server: members that hear everything, each with a socket of its own, and publishers among them.

use crate::text;
use chat_core::datagram::{Datagram, open};
use chat_core::relay::{Message, PROTOCOL};
use chat_core::text::Text;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{self, MsgFlags, MultiHeaders, setsockopt, sockopt};
use std::error::Error;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

/// Datagrams received by one system call.
const BATCH: usize = 32;

/// Receive buffer of a member: what is lost is to be the server's loss.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// Silence after which what is missing counts as lost.
const QUIET: Duration = Duration::from_millis(300);

/// What the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// The relay's protocol (docs/relay-protocol.md).
    Relay,
    /// A datagram is a text; an empty one registers.
    Bare,
}

/// One member.
struct Member {
    /// Its socket, connected to the server.
    socket: UdpSocket,
    /// The number of the last text heard of each publisher.
    numbers: Vec<u32>,
}

/// What the members have heard.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    /// Texts.
    texts: u64,
    /// Texts that were missing when a later one of the same publisher came.
    missing: u64,
}

/// Members and publishers of one server.
pub(crate) struct DatagramLoad {
    /// How the server is spoken to.
    wire: Wire,
    /// Bytes of each text.
    text_bytes: usize,
    /// Waits for all sockets.
    epoll: Epoll,
    /// The members; the first of them publish.
    members: Vec<Member>,
    /// The number of each publisher's last text.
    published: Vec<u32>,
    /// What all members have heard.
    heard: Heard,
    /// Where is received to.
    buffers: Vec<[u8; 2_048]>,
}

impl DatagramLoad {
    /// So many members register at the server, the first so many publish.
    pub(crate) fn new(
        wire: Wire,
        address: SocketAddr,
        text_bytes: usize,
        members: usize,
        publishers: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let mut load = Self {
            wire,
            text_bytes,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            members: Vec::new(),
            published: vec![0; publishers],
            heard: Heard::default(),
            buffers: vec![[0; 2_048]; BATCH],
        };
        for index in 0..members {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect(address)?;
            let _ = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES)
                .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER_BYTES));
            load.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
            load.register(&socket)?;
            load.members.push(Member { socket, numbers: vec![0; publishers] });
        }
        // Registrations are not answered: everybody is registered when everybody hears.
        let start = Instant::now();
        for round in 1.. {
            load.publish(0)?;
            load.drain()?;
            if load.members.iter().all(|member| member.numbers[0] == round) {
                break;
            }
            if start.elapsed() > Duration::from_secs(20) {
                return Err("not all registered".into());
            }
        }
        load.heard = Heard::default();
        Ok(load)
    }

    /// Registers a member.
    fn register(&self, socket: &UdpSocket) -> io::Result<usize> {
        match self.wire {
            Wire::Bare => socket.send(&[]),
            Wire::Relay => {
                let mut datagram = Datagram::EMPTY;
                datagram.begin(PROTOCOL);
                // The first item always fits.
                let _ = datagram.push(&Message::Greeting { features: 0 });
                socket.send(datagram.as_bytes())
            }
        }
    }

    /// One publisher sends its next text.
    fn publish(&mut self, publisher: usize) -> Result<(), Box<dyn Error>> {
        self.published[publisher] += 1;
        let number = self.published[publisher];
        let text = text::write(publisher, number, self.text_bytes);
        let socket = &self.members[publisher].socket;
        match self.wire {
            Wire::Bare => socket.send(&text)?,
            Wire::Relay => {
                let mut datagram = Datagram::EMPTY;
                datagram.begin(PROTOCOL);
                let text = Text::new(std::str::from_utf8(&text)?).map_err(|_| "the text is too long")?;
                datagram.push(&Message::Message { number, text }).map_err(|_| "the text is too long")?;
                socket.send(datagram.as_bytes())?
            }
        };
        Ok(())
    }

    /// Publishes for so long, each publisher with so many texts that it has not heard itself. What is lost is published anew.
    pub(crate) fn publish_for(&mut self, duration: Duration, in_flight: u32) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        let mut lost = vec![0; self.published.len()];
        while start.elapsed() < duration {
            for (publisher, lost) in lost.iter().enumerate() {
                while self.published[publisher] - self.members[publisher].numbers[publisher].max(*lost) < in_flight {
                    self.publish(publisher)?;
                }
            }
            if self.turn(QUIET)? == 0 {
                lost.copy_from_slice(&self.published);
            }
        }
        Ok(())
    }

    /// Publishes so many texts a second for so long.
    pub(crate) fn publish_at(&mut self, rate: u32, duration: Duration) -> Result<(), Box<dyn Error>> {
        let (start, mut count) = (Instant::now(), 0_u32);
        while start.elapsed() < duration {
            if f64::from(count) < start.elapsed().as_secs_f64() * f64::from(rate) {
                self.publish(count as usize % self.published.len())?;
                count += 1;
            } else {
                self.turn(Duration::ZERO)?;
            }
        }
        Ok(())
    }

    /// Publishes one text after the other for so long, each when everybody has heard the one before.
    pub(crate) fn publish_lone(&mut self, duration: Duration) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        while start.elapsed() < duration {
            let until = self.heard.texts + self.members.len() as u64;
            self.publish(0)?;
            while self.heard.texts < until {
                if self.turn(QUIET)? == 0 {
                    return Err("a lone text was lost".into());
                }
            }
        }
        Ok(())
    }

    /// Takes what arrives until nothing does any more.
    pub(crate) fn drain(&mut self) -> Result<(), Box<dyn Error>> {
        while self.turn(QUIET)? > 0 {}
        Ok(())
    }

    /// How many texts all members together have heard.
    pub(crate) const fn deliveries(&self) -> u64 {
        self.heard.texts
    }

    /// How many texts have not reached all members, out of so many that should have: after [`DatagramLoad::drain`].
    pub(crate) fn lost(&self) -> (u64, u64) {
        let last: u64 = self.published.iter().map(|&number| u64::from(number)).sum();
        let reached: u64 =
            self.members.iter().flat_map(|member| &member.numbers).map(|&number| u64::from(number)).sum();
        let all = last * self.members.len() as u64;
        (self.heard.missing + (all - reached), self.heard.texts + self.heard.missing + (all - reached))
    }

    /// Waits for what arrives and takes it. Says how many sockets had something.
    fn turn(&mut self, patience: Duration) -> Result<usize, Box<dyn Error>> {
        let mut events = [EpollEvent::empty(); 512];
        let count = self.epoll.wait(&mut events, EpollTimeout::try_from(patience)?)?;
        for event in &events[..count] {
            self.receive(usize::try_from(event.data())?)?;
        }
        Ok(count)
    }

    /// Takes what has arrived for a member.
    fn receive(&mut self, index: usize) -> Result<(), Box<dyn Error>> {
        let Member { socket, numbers } = &mut self.members[index];
        let mut headers = MultiHeaders::<()>::preallocate(BATCH, None);
        let mut slices: Vec<_> = self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let messages = match socket::recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None) {
            Err(Errno::EAGAIN | Errno::ECONNREFUSED) => return Ok(()),
            outcome => outcome?,
        };
        for message in messages {
            let bytes = message.iovs().next().unwrap_or_default();
            match self.wire {
                Wire::Bare => hear(numbers, &mut self.heard, bytes)?,
                Wire::Relay => {
                    for item in open(PROTOCOL, bytes).map_err(|error| format!("a datagram is {error:?}"))? {
                        match item.map(Message::decode) {
                            Ok(Ok(Message::Incoming { text, .. })) => {
                                hear(numbers, &mut self.heard, text.as_str().as_bytes())?;
                            }
                            other => return Err(format!("an item is {other:?}").into()),
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// A member has heard this text.
fn hear(numbers: &mut [u32], heard: &mut Heard, text: &[u8]) -> Result<(), Box<dyn Error>> {
    let (publisher, number) = text::read(text).ok_or("a text has changed")?;
    let last = numbers.get_mut(publisher).ok_or("nobody published this")?;
    if number <= *last {
        return Err(format!("publisher {publisher}: number {number} comes behind {last}").into());
    }
    heard.texts += 1;
    heard.missing += u64::from(number - *last - 1);
    *last = number;
    Ok(())
}
