//! What the bare system calls reach: every line, or datagram, that comes goes to all clients, and nothing else is done.
//!
//! `limit tcp-each`: one `send` for each line and client. `limit tcp-round`: all that arrived in one round of epoll goes out in one
//! `send` for each client. `limit udp`: `recvmmsg`, then each datagram in `sendmmsg` batches to all clients. One thread each; the
//! first line printed is the bound address.

use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{self, AddressFamily, Backlog, MsgFlags, MultiHeaders, SockFlag, SockType, SockaddrStorage};
use nix::sys::socket::{SockaddrIn, sockopt};
use std::error::Error;
use std::io::{self, IoSlice, IoSliceMut, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;

/// Bytes read at once.
const READ_BYTES: usize = 65_536;

/// Datagrams in one system call.
const BATCH: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("tcp-each") => Lines::listen(false)?.serve(),
        Some("tcp-round") => Lines::listen(true)?.serve(),
        Some("udp") => serve_datagrams(),
        _ => Err("usage: limit tcp-each | tcp-round | udp".into()),
    }
}

/// Prints where the server is reached.
fn announce(address: impl std::fmt::Display) -> io::Result<()> {
    let mut output = io::stdout();
    writeln!(output, "{address}")?;
    output.flush()
}

/// One connection.
struct Client {
    /// Its socket.
    stream: TcpStream,
    /// Its place.
    key: u64,
    /// The beginning of a line.
    partial: Vec<u8>,
    /// What the socket did not take.
    backlog: Vec<u8>,
}

/// A server of lines.
struct Lines {
    /// Accepts.
    listener: TcpListener,
    /// Waits for all.
    epoll: Epoll,
    /// The connections; those that are gone leave their place empty.
    clients: Vec<Option<Client>>,
    /// Whether what arrived in one round goes out together.
    rounds: bool,
}

impl Lines {
    /// Binds to any port of the loopback interface.
    fn listen(rounds: bool) -> Result<Self, Box<dyn Error>> {
        let listener = socket::socket(
            AddressFamily::Inet,
            SockType::Stream,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        socket::bind(listener.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0))?;
        socket::listen(&listener, Backlog::new(BACKLOG)?)?;
        announce(socket::getsockname::<SockaddrIn>(listener.as_raw_fd())?)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, u64::MAX))?;
        Ok(Self { listener: listener.into(), epoll, clients: Vec::new(), rounds })
    }

    /// Serves until it is killed.
    fn serve(mut self) -> Result<(), Box<dyn Error>> {
        let mut events = vec![EpollEvent::empty(); 1_024];
        let mut buffer = vec![0; READ_BYTES];
        let mut arrived = Vec::new();
        loop {
            let count = self.epoll.wait(&mut events, EpollTimeout::NONE)?;
            for event in &events[..count] {
                let Some(client) = usize::try_from(event.data()).ok().and_then(|key| self.clients.get_mut(key)) else {
                    self.accept()?;
                    continue;
                };
                if turn(&self.epoll, client, *event, &mut buffer, &mut arrived).is_err() {
                    *client = None;
                }
                if !self.rounds {
                    for line in arrived.split_inclusive(|&byte| byte == b'\n') {
                        self.send_to_all(line);
                    }
                    arrived.clear();
                }
            }
            if !arrived.is_empty() {
                self.send_to_all(&arrived);
                arrived.clear();
            }
        }
    }

    /// Accepts all that wait, and greets them.
    fn accept(&mut self) -> Result<(), Box<dyn Error>> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            let key = u64::try_from(self.clients.len())?;
            self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, key))?;
            let mut client = Client { stream, key, partial: Vec::new(), backlog: Vec::new() };
            send(&self.epoll, &mut client, b"welcome\n");
            self.clients.push(Some(client));
        }
    }

    /// Sends these bytes to every client.
    fn send_to_all(&mut self, bytes: &[u8]) {
        for client in self.clients.iter_mut().flatten() {
            send(&self.epoll, client, bytes);
        }
    }
}

/// Reads whole lines of one connection to `arrived`, and writes what it did not take before.
fn turn(
    epoll: &Epoll,
    client: &mut Option<Client>,
    event: EpollEvent,
    buffer: &mut [u8],
    arrived: &mut Vec<u8>,
) -> io::Result<()> {
    let Some(client) = client else { return Ok(()) };
    if event.events().contains(EpollFlags::EPOLLOUT) {
        let backlog = std::mem::take(&mut client.backlog);
        send(epoll, client, &backlog);
        if client.backlog.is_empty() {
            epoll.modify(&client.stream, &mut EpollEvent::new(EpollFlags::EPOLLIN, client.key))?;
        }
    }
    if event.events() == EpollFlags::EPOLLOUT {
        return Ok(());
    }
    let length = socket::recv(client.stream.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let read = &buffer[..length];
    match read.iter().rposition(|&byte| byte == b'\n') {
        Some(end) => {
            arrived.append(&mut client.partial);
            arrived.extend_from_slice(&read[..=end]);
            client.partial.extend_from_slice(&read[end + 1..]);
        }
        None => client.partial.extend_from_slice(read),
    }
    Ok(())
}

/// Sends as much as the socket takes; the rest is kept for when it is writable.
fn send(epoll: &Epoll, client: &mut Client, bytes: &[u8]) {
    let mut sent = 0;
    let was_empty = client.backlog.is_empty();
    if was_empty {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        // A connection that is gone shows when it is read.
        sent = socket::send(client.stream.as_raw_fd(), bytes, flags).unwrap_or(0);
    }
    if sent < bytes.len() {
        client.backlog.extend_from_slice(&bytes[sent..]);
        if was_empty {
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT;
            let _ = epoll.modify(&client.stream, &mut EpollEvent::new(flags, client.key));
        }
    }
}

/// Sends every datagram to all addresses that have ever sent one; an empty one only registers.
fn serve_datagrams() -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let descriptor = socket.as_raw_fd();
    let _ = socket::setsockopt(&socket, sockopt::RcvBufForce, &(4 << 20));
    let _ = socket::setsockopt(&socket, sockopt::SndBufForce, &(4 << 20));
    announce(socket.local_addr()?)?;
    let mut clients: Vec<Option<SockaddrStorage>> = Vec::new();
    let mut buffers = vec![[0; 2_048]; BATCH];
    let mut received = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let mut sent = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let wait = MsgFlags::from_bits_retain(libc::MSG_WAITFORONE);
    loop {
        let mut slices: Vec<_> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let batch: Vec<_> = socket::recvmmsg(descriptor, &mut received, slices.iter_mut(), wait, None)?
            .map(|message| (message.address, message.bytes))
            .collect();
        for (index, &(address, length)) in batch.iter().enumerate() {
            if length == 0 {
                clients.push(address);
                continue;
            }
            let bytes = &buffers[index][..length];
            let slices = [[IoSlice::new(bytes)]; BATCH];
            for addresses in clients.chunks(BATCH) {
                let mut from = 0;
                while from < addresses.len() {
                    let part = &addresses[from..];
                    let slices = &slices[..part.len()];
                    from += socket::sendmmsg(descriptor, &mut sent, slices, part, [], MsgFlags::empty())?.count();
                }
            }
        }
    }
}
