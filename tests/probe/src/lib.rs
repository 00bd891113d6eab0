//! What a microcontroller's firmware would do with core, as one function; tests/probe/link links it for a machine
//! without an operating system. It is linked, never run: what core does is the business of core's own tests.
//!
//! Whatever core offers to firmware is used here, or the link would say nothing about it. The arguments are unknown to
//! the compiler and `black_box` keeps the results, so that nothing is optimised away.
#![no_std]
#![allow(clippy::deref_addrof, reason = "what it proposes instead, rustc refuses (static_mut_refs)")]

use chat_core::datagram::{self, Datagram, Payload};
use chat_core::frame::{Decoder, Frame};
use chat_core::limits::{DATAGRAM_BYTES_MAX, FRAME_STUFFED_BYTES_MAX, HISTORY_MESSAGES_MAX};
use chat_core::mesh::{self, Arrival, Peer, SmallStorage};
use chat_core::refusal::RefusalReason;
use chat_core::relay::client::{Client, Config, Output};
use chat_core::relay::server::{FixedRoster, Local, Server, Slot};
use chat_core::relay::{self, Echo, Message, PROTOCOL};
use chat_core::room::server::{Connection, Context, Counter, FixedBuffer, History, Journal, Mark, Room, WallTime};
use chat_core::room::{self, Kind, server};
use chat_core::text::Text;
use chat_core::time::Instant;
use chat_core::username::Username;
use core::fmt::{self, Display, Write};
use core::hint::black_box;
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::panic::PanicInfo;

#[cfg(feature = "alloc_fault")]
extern crate alloc;

// All that is large: a microcontroller's stack has a few kilobytes. Uninitialised, so that it costs no flash.
static mut SERVER: MaybeUninit<Server<'static, FixedRoster<16>>> = MaybeUninit::uninit();
static mut PAYLOADS: [Payload; 4] = [[0; DATAGRAM_BYTES_MAX]; 4];
static mut SLOTS: [Slot; 4] = [Slot::EMPTY; 4];
static mut CLIENT: MaybeUninit<Client> = MaybeUninit::uninit();
static mut DATAGRAM: Datagram = Datagram::EMPTY;
static mut ROOM: MaybeUninit<SmallRoom> = MaybeUninit::uninit();
static mut CONNECTION: MaybeUninit<SmallConnection> = MaybeUninit::uninit();
static mut DECODER: Decoder = Decoder::new();
static mut ROOM_CLIENT: MaybeUninit<room::client::Client> = MaybeUninit::uninit();
static mut PROBER: MaybeUninit<relay::Prober> = MaybeUninit::uninit();
static mut ROOM_PROBER: room::Prober = room::Prober::new();
static mut PEER: MaybeUninit<Peer<'static>> = MaybeUninit::uninit();
static mut PEER_STORAGE: SmallStorage = SmallStorage::EMPTY;

/// A room of eight with 4 KiB of journal, all in place.
type SmallRoom = Room<server::FixedRoster<8>, [u8; 4_096], [Mark; 8], [Frame; HISTORY_MESSAGES_MAX]>;

/// A connection that takes one longest frame in each direction.
type SmallConnection = Connection<FixedBuffer<{ FRAME_STUFFED_BYTES_MAX + 1 }>>;

/// The entry of the linked program: what came from the network, and what clock and random source say.
///
/// # Safety
/// There are `length` bytes at `input`, and it is called once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe(input: *const u8, length: usize, now_ms: u64, seed: u64) {
    #[cfg(feature = "alloc_fault")]
    black_box(alloc::vec::Vec::<u8>::with_capacity(length));

    // SAFETY: the caller promises it.
    let input = unsafe { core::slice::from_raw_parts(input, length) };
    let now = Instant::from_millis(now_ms);
    // SAFETY: probe is called once, so these are the only references.
    let (server, payloads, slots) =
        unsafe { (&mut *(&raw mut SERVER), &mut *(&raw mut PAYLOADS), &mut *(&raw mut SLOTS)) };
    // SAFETY: as above.
    let (client, datagram) = unsafe { (&mut *(&raw mut CLIENT), &mut *(&raw mut DATAGRAM)) };
    let server = server.write(Server::new(FixedRoster::new(), payloads, slots));
    server.set_burst_max(black_box(2));
    let client = client.write(Client::new(Config::DEFAULT, now, seed));

    if let Ok(input) = str::from_utf8(input) {
        use_username(input);
    }
    use_datagram(datagram, input);
    use_relay_server(server, input);
    use_relay_client(client, now, input);

    // SAFETY: as above.
    let (room, connection, decoder) =
        unsafe { (&mut *(&raw mut ROOM), &mut *(&raw mut CONNECTION), &mut *(&raw mut DECODER)) };
    let journal = Journal::new([0; 4_096], [Mark::default(); 8]);
    let history = History::new([Frame::EMPTY; HISTORY_MESSAGES_MAX]);
    let room = room.write(Room::new(server::Config::DEFAULT, seed, server::FixedRoster::new(), journal, history));
    use_room(room, connection.write(Connection::new(now, None)), decoder, now, input);

    // SAFETY: as above.
    let room_client = unsafe { &mut *(&raw mut ROOM_CLIENT) };
    if let Ok(name) = Username::new("ann") {
        let config = room::client::Config::DEFAULT;
        use_room_client(room_client.write(room::client::Client::new(config, now, seed, name, [7; 16])), now, input);
    }

    // SAFETY: as above.
    let (prober, room_prober) = unsafe { (&mut *(&raw mut PROBER), &mut *(&raw mut ROOM_PROBER)) };
    use_health_checks(prober.write(relay::Prober::new(now, seed)), room_prober, now, input);

    // SAFETY: as above.
    let (peer, storage) = unsafe { (&mut *(&raw mut PEER), &mut *(&raw mut PEER_STORAGE)) };
    if let Ok(name) = Username::new("ann") {
        let config = mesh::Config::new(name);
        use_peer(peer.write(Peer::new(storage.memory(), config, now, black_box([7; 16]))), now, input);
    }
}

fn use_username(input: &str) {
    match Username::new(input) {
        Ok(name) => {
            black_box(name.key() == black_box(&name).key());
            show(&name);
        }
        Err(error) => show(&error),
    }
}

fn use_datagram(datagram: &mut Datagram, input: &[u8]) {
    for item in datagram::open(PROTOCOL, input).into_iter().flatten().flatten() {
        let _ = black_box(Message::decode(item));
    }
    datagram.begin(PROTOCOL);
    if let Some(echo) = Echo::new(input) {
        let _ = black_box(datagram.push(&Message::Probe { echo }));
    }
    black_box(datagram.as_bytes());
}

fn use_relay_server(server: &mut Server<'_, FixedRoster<16>>, input: &[u8]) {
    let source = SocketAddr::from((black_box([127, 0, 0, 1]), black_box(9090)));
    server.handle_datagram(source, Local(0), input);
    server.handle_unreachable();
    black_box(server.handle_unsegmented());
    let mut sent = 0;
    for transmit in server.outputs() {
        black_box(transmit);
        sent += 1;
    }
    server.handle_sent(sent);
    server.handle_receive_dropped(black_box(1));
    for counter in server.counters().iter() {
        black_box(counter);
    }
}

fn use_relay_client(client: &mut Client, now: Instant, input: &[u8]) {
    let text = str::from_utf8(input).ok().and_then(|input| Text::new(input).ok());
    if let Some(text) = text.filter(|_| client.may_send()) {
        let _ = black_box(client.send(now, text));
    }
    client.handle_datagram(now, input);
    client.handle_unreachable(now);
    if client.poll_timeout().is_some_and(|due| due <= now) {
        client.handle_timeout(now);
    }
    while let Some(output) = client.poll_output() {
        if let Output::Refused(reason) = output {
            show(&reason);
        }
        black_box(output);
    }
    black_box((client.under_way(), client.ignored(), RefusalReason::ALL));
}

fn use_health_checks(prober: &mut relay::Prober, room_prober: &mut room::Prober, now: Instant, input: &[u8]) {
    if prober.poll_timeout().is_some_and(|due| due <= now) {
        prober.handle_timeout(now);
    }
    black_box(prober.poll_output());
    prober.handle_datagram(input);
    black_box((prober.is_answered(), prober.ignored()));
    black_box(room_prober.poll_frame());
    room_prober.handle_bytes(input);
    black_box(room_prober.outcome());
}

fn use_room(room: &mut SmallRoom, connection: &mut SmallConnection, decoder: &mut Decoder, now: Instant, input: &[u8]) {
    let config = server::Config::DEFAULT;
    let wall_time = WallTime { unix_ms: black_box(0), trusted: black_box(false) };
    let context = Context { config: &config, now, wall_time };
    let length = input.len().min(connection.wants_bytes());
    connection.handle_bytes(context, room, decoder, &input[..length]);
    if connection.poll_timeout(&config, now).is_some_and(|due| due <= now) {
        connection.handle_timeout(context, room, decoder);
    }
    while let Ok((first, second)) = connection.poll_output(room) {
        if first.is_empty() && second.is_empty() {
            break;
        }
        let count = black_box(first.len() + second.len());
        connection.handle_sent(now, room, count);
    }
    if connection.is_ended() {
        black_box(connection.close(room));
    }
    for &counter in Counter::ALL {
        black_box((counter.name(), room.counted(counter)));
    }
}

fn use_room_client(client: &mut room::client::Client, now: Instant, mut input: &[u8]) {
    if let Ok(text) = Text::new("hello") {
        let _ = black_box(client.say(Kind::Plain, text));
    }
    client.who(black_box(0));
    while !client.is_ended() {
        if client.poll_timeout().is_some_and(|due| due <= now) {
            client.handle_timeout(now);
        }
        while let Some(output) = client.poll_output() {
            if let room::client::Output::Connect = output {
                client.handle_connected(now);
            } else {
                black_box(output);
            }
        }
        while let Some(frame) = client.poll_frame() {
            black_box(frame);
        }
        if input.is_empty() {
            break;
        }
        client.handle_bytes(now, &mut input);
    }
    client.handle_disconnected(now);
    client.leave();
    black_box((client.under_way(), client.is_behind(), client.counts()));
}

fn use_peer(peer: &mut Peer<'_>, now: Instant, input: &[u8]) {
    let source = SocketAddr::from((black_box([127, 0, 0, 1]), black_box(9292)));
    peer.handle_datagram(now, source, black_box(Arrival::Multicast), input);
    if peer.poll_timeout().is_some_and(|due| due <= now) {
        peer.handle_timeout(now);
    }
    if let Some(text) = str::from_utf8(input).ok().and_then(|input| Text::new(input).ok())
        && let Err(error) = peer.say(now, black_box(0), black_box(false), text)
    {
        show(&error);
    }
    while let Some(output) = peer.poll_output(now, black_box(Some(0))) {
        black_box(output);
    }
    peer.members(now).for_each(|member| show(&member.name));
    peer.leave(now);
    black_box((peer.phase(), peer.counters()));
}

/// A display that nobody sees.
struct Screen;

impl Write for Screen {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        black_box(text);
        Ok(())
    }
}

fn show(sentence: &dyn Display) {
    let _ = black_box(write!(Screen, "{sentence}"));
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
