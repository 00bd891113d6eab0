//! Engines of the mesh on real sockets of the loopback interface.

use crate::DEADLINE;
use chat_core::mesh::{Arrival, Config, Event, HostStorage, Output, Peer, Target, Timers};
use chat_core::text::Text;
use chat_core::time::Instant;
use chat_core::username::Username;
use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// One engine on a socket, in a thread of its own, until it is dropped.
#[derive(Debug)]
pub struct Host {
    /// Where it listens.
    pub address: SocketAddr,
    /// Texts that it is to say; the thread ends with the sender.
    says: Option<Sender<String>>,
    /// What it told its user, in words.
    events: Receiver<String>,
    /// The thread.
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Starts a peer of this name that joins `joins`, or founds a group if there are none. A death takes it half a second to
    /// find out.
    pub fn start(name: &str, joins: &[SocketAddr], denied: &[&str]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let name = Username::new(name).unwrap();
        let (joins, denied) =
            (joins.to_vec(), denied.iter().map(|name| Username::new(name).unwrap()).collect::<Vec<_>>());
        let (says, texts) = channel::<String>();
        let (sender, events) = channel();
        let run = move || {
            let own = [address];
            let (probe_period, probe_pause) = (Duration::from_millis(100), Duration::from_millis(30));
            let timers = Timers { probe_period, probe_pause, ..Timers::DEFAULT };
            let mut config = Config::new(name);
            (config.addresses, config.denied, config.discovery) = (&own, &denied, false);
            joins.iter().for_each(|&join| config.join.push(join).unwrap());
            config.timers = &timers;
            drive(&socket, config, &texts, &sender);
        };
        // An engine of the host's profile passes over the stack when it is made, in debug builds more than once.
        let thread = std::thread::Builder::new().stack_size(32 << 20).spawn(run).expect("a thread can be started");
        Self { address, says: Some(says), events, thread: Some(thread) }
    }

    /// Says something.
    pub fn say(&self, text: &str) {
        self.says
            .as_ref()
            .expect("it is there until the host is dropped")
            .send(text.to_owned())
            .expect("the thread runs");
    }

    /// The next event whose words contain `part`; others are skipped.
    pub fn find(&self, part: &str) -> String {
        loop {
            let event =
                self.events.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("no event {part:?} within {DEADLINE:?}"));
            if event.contains(part) {
                return event;
            }
        }
    }

    /// The events that have come, up to now.
    pub fn events(&self) -> Vec<String> {
        self.events.try_iter().collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.says = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Moves datagrams between the socket and the engine, until nobody wants texts to be said any more.
fn drive(socket: &UdpSocket, config: Config<'_>, texts: &Receiver<String>, events: &Sender<String>) {
    let began = std::time::Instant::now();
    let now = || Instant::from_millis(u64::try_from(began.elapsed().as_millis()).unwrap());
    // On the heap: it would overflow the stack of a thread.
    let mut storage: Vec<HostStorage> = std::iter::repeat_n(HostStorage::EMPTY, 1).collect();
    let seed: Vec<u8> = (0..16)
        .map(|index| (socket.local_addr().unwrap().port() >> (index % 2 * 8)).to_le_bytes()[0] ^ index)
        .collect();
    let mut peer = Peer::new(storage[0].memory(), config, now(), seed.try_into().unwrap());
    let (mut buffer, mut waiting) = ([0; 2_048], VecDeque::new());
    loop {
        while let Some(output) = peer.poll_output(now(), Some(1_750_000_000_000)) {
            match output {
                Output::Send { to: Target::Unicast(to), bytes } => drop(socket.send_to(bytes, to)),
                Output::Send { to: Target::Multicast, .. } => panic!("discovery is off"),
                Output::Event(event) => drop(events.send(words(&event))),
            }
        }
        let due = peer.poll_timeout().map_or(DEADLINE, |at| at - now());
        // Texts to say come in between.
        socket.set_read_timeout(Some(due.clamp(Duration::from_millis(1), Duration::from_millis(5)))).unwrap();
        match socket.recv_from(&mut buffer) {
            Ok((length, source)) => peer.handle_datagram(now(), source, Arrival::Unicast, &buffer[..length]),
            Err(_) => peer.handle_timeout(now()),
        }
        loop {
            match texts.try_recv() {
                Ok(text) => waiting.push_back(text),
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => break,
            }
        }
        // Whoever speaks too fast, or is no member yet, has to wait.
        if let Some(text) = waiting.front()
            && peer.say(now(), 1_750_000_000_000, false, Text::new(text).unwrap()).is_ok()
        {
            waiting.pop_front();
        }
    }
}

/// An event in words.
fn words(event: &Event<'_>) -> String {
    match event {
        Event::Message(message) => format!("message {}: {}", message.name, message.text.as_str()),
        Event::Joined(member) => format!("joined {}", member.name),
        Event::Left(member) => format!("left {}", member.name),
        Event::Died(member) => format!("died {}", member.name),
        event => format!("{event:?}"),
    }
}
