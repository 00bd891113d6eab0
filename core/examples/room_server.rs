//! A room's server in one loop over core, as firmware would have it, with TCP in the place of serial lines.
//!
//!     cargo run -p chat-core --example room_server -- 127.0.0.1:9191

use chat_core::frame::{Decoder, Frame};
use chat_core::limits::{FRAME_STUFFED_BYTES_MAX, HISTORY_MESSAGES_MAX};
use chat_core::room::server::{Config, Connection, Context, FixedBuffer, FixedRoster};
use chat_core::room::server::{History, Journal, Mark, Origin, Room, WallTime};
use chat_core::time::Instant;
use std::io::{self, ErrorKind::WouldBlock, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Members and lines at most; all memory is in place.
const LINES_MAX: usize = 8;
/// The room: 4 KiB of what was said, and the last ten messages.
type SmallRoom = Room<FixedRoster<LINES_MAX>, [u8; 4_096], [Mark; 8], [Frame; HISTORY_MESSAGES_MAX]>;
/// One line and its engine, with room for one longest frame in each direction.
type Line = (TcpStream, Connection<FixedBuffer<{ FRAME_STUFFED_BYTES_MAX + 1 }>>);

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(std::env::args().nth(1).unwrap_or("127.0.0.1:9191".to_owned()))?;
    listener.set_nonblocking(true)?;
    println!("tcp {}", listener.local_addr()?);
    let unix_time = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (start, config) = (std::time::Instant::now(), Config::DEFAULT);
    let (journal, history) = (Journal::new([0; 4_096], [Mark::default(); 8]), History::new([Frame::EMPTY; 10]));
    let mut room = SmallRoom::new(config, unix_time().as_secs(), FixedRoster::new(), journal, history);
    let (mut decoder, mut lines) = (Decoder::new(), Vec::new());
    loop {
        let now = Instant::from_millis(millis(start.elapsed()));
        let wall_time = WallTime { unix_ms: millis(unix_time()) as i64, trusted: true };
        let context = Context { config: &config, now, wall_time };
        while lines.len() < LINES_MAX
            && let Ok((stream, address)) = listener.accept()
        {
            stream.set_nonblocking(true)?;
            lines.push((stream, Connection::new(now, Origin::of(address.ip()))));
        }
        lines.retain_mut(|line: &mut Line| {
            let goes_on = serve(line, context, &mut room, &mut decoder).is_ok() && !line.1.is_ended();
            if !goes_on {
                line.1.close(&mut room);
            }
            goes_on
        });
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A span in milliseconds.
fn millis(span: Duration) -> u64 {
    span.as_secs() * 1_000 + u64::from(span.subsec_millis())
}

/// Reads what has come on a line, and writes what it takes.
fn serve(line: &mut Line, context: Context<'_>, room: &mut SmallRoom, decoder: &mut Decoder) -> io::Result<()> {
    let (stream, connection) = line;
    let mut buffer = [0; 256];
    let wanted = connection.wants_bytes().min(buffer.len());
    match stream.read(&mut buffer[..wanted]) {
        Ok(0) if wanted > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(length) if length > 0 => connection.handle_bytes(context, room, decoder, &buffer[..length]),
        Err(error) if error.kind() != WouldBlock => return Err(error),
        _ => connection.handle_timeout(context, room, decoder),
    }
    loop {
        // What was lost is counted by nobody here; the member is told.
        let Ok((first, second)) = connection.poll_output(room) else { continue };
        let written = match stream.write(&[first, second].concat()) {
            Err(error) if error.kind() == WouldBlock => 0,
            outcome => outcome?,
        };
        if !connection.handle_sent(context.now, room, written) {
            return Ok(());
        }
    }
}
