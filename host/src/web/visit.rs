//! One connection, from when it is accepted until it is answered and closed, or handed to the room.

use super::Site;
use super::answer;
use super::counters::Counter;
use super::refusal::Refusal;
use super::request::Request;
use super::{access, page};
use crate::room::server::Stream;
use chat_core::room::server::Origin;
use smol::{Async, Timer, future};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::time::Duration;

/// Longest head of a request, in bytes. A browser's has less than 1,000.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// How long a request may take to come.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// How long an answer may take to go: 60 kB at the speed of a poor mobile network.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// How long a connection that was answered may take to be closed by the other side. Closed by this one while something comes, it would
/// be reset, and the end of the answer lost.
const LINGER_MAX: Duration = Duration::from_secs(2);

/// Bytes read at once.
const READ_BYTES: usize = 2 << 10;

/// The end of a head.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A connection that is being answered. Whoever is dropped unanswered is told that too many others came.
pub(super) struct Visit {
    /// What it visits.
    site: Rc<Site>,
    /// Its socket, until it is handed to the room.
    stream: Option<Async<TcpStream>>,
    /// Where it comes from.
    origin: Option<Origin>,
    /// Whether it has an answer, or needs none.
    is_answered: bool,
}

/// What a request gets.
enum Outcome {
    /// This answer.
    Answer(Vec<u8>),
    /// A WebSocket, behind this answer.
    WebSocket(Vec<u8>),
}

impl Visit {
    /// A connection that has just been accepted.
    pub(super) const fn new(site: Rc<Site>, stream: Async<TcpStream>, origin: Option<Origin>) -> Self {
        Self { site, stream: Some(stream), origin, is_answered: false }
    }

    /// Reads the request, answers it, and closes the connection or hands it to the room.
    pub(super) async fn run(mut self) {
        let Some(stream) = &self.stream else { return };
        let late = async {
            Timer::after(REQUEST_MAX).await;
            Err(Refusal::Late)
        };
        let outcome = future::or(read_head(stream), late).await.and_then(|head| respond(&self.site, &head));
        self.is_answered = true;
        let late = async {
            Timer::after(ANSWER_MAX).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        let sent = match &outcome {
            Ok(Outcome::Answer(answer) | Outcome::WebSocket(answer)) => future::or(write(stream, answer), late).await,
            Err(Refusal::Broken) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(refusal) => future::or(write(stream, &answer::refusal(*refusal)), late).await,
        };
        let counter = match (&outcome, &sent) {
            (Err(refusal), _) => refusal.counter(),
            (_, Err(_)) => Counter::RequestsBroken,
            (Ok(Outcome::Answer(_)), _) => Counter::Answers,
            (Ok(Outcome::WebSocket(_)), _) => Counter::WebSockets,
        };
        self.site.counters.count(counter);
        match (outcome, sent) {
            (_, Err(_)) => {}
            (Ok(Outcome::WebSocket(_)), _) => self.hand_over(),
            _ => {
                let patience = async { _ = Timer::after(LINGER_MAX).await };
                future::or(linger(stream), patience).await;
            }
        }
    }

    /// Hands the socket to the room.
    fn hand_over(&mut self) {
        if let Some(Ok(socket)) = self.stream.take().map(Async::into_inner) {
            self.site.dispatcher.dispatch(Stream::web(socket), self.origin);
        } else {
            self.site.dispatcher.disconnect(self.origin);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let Some(stream) = &self.stream else { return };
        if !self.is_answered {
            self.site.turn_away(stream.get_ref(), Refusal::CrowdedOut);
        }
        self.site.dispatcher.disconnect(self.origin);
    }
}

/// What a request with this head gets.
fn respond(site: &Site, head: &[u8]) -> Result<Outcome, Refusal> {
    let request = Request::parse(head)?;
    if !access::is_host_allowed(request.host, &site.named) {
        return Err(Refusal::Host);
    }
    if request.path == "/room" {
        let is_allowed = |origin| access::is_origin_allowed(origin, request.host, &site.named);
        if !request.origin.is_none_or(is_allowed) {
            return Err(Refusal::Origin);
        }
        return request.handshake.map(|accepted| Outcome::WebSocket(answer::switching(&accepted)));
    }
    let (content_type, body) = page::part(request.path, || site.url(request.host)).ok_or(Refusal::Unknown)?;
    Ok(Outcome::Answer(answer::answer(content_type, &body, request.wants_body, request.host)))
}

/// Reads up to the end of the head, and what has come behind it.
async fn read_head(stream: &Async<TcpStream>) -> Result<Vec<u8>, Refusal> {
    let mut head = Vec::new();
    loop {
        stream.readable().await.map_err(|_| Refusal::Broken)?;
        if read_some(stream.get_ref(), &mut head)? {
            return Ok(head);
        }
    }
}

/// Reads once, and says whether the head is complete. What cannot be a request is refused at its first byte: a browser that tries TLS
/// should know at once.
fn read_some(stream: &TcpStream, head: &mut Vec<u8>) -> Result<bool, Refusal> {
    let mut stream = stream;
    let mut buffer = [0; READ_BYTES];
    match stream.read(&mut buffer) {
        Ok(0) => return Err(Refusal::Broken),
        Ok(length) => {
            // An end that was not seen before begins in the last three bytes that came before, or later.
            let searched = head.len().saturating_sub(HEAD_END.len() - 1);
            head.extend_from_slice(&buffer[..length]);
            if !head[0].is_ascii_uppercase() {
                return Err(Refusal::Malformed);
            }
            let end = head[searched..].windows(HEAD_END.len()).position(|window| window == HEAD_END);
            match end.map_or(head.len(), |end| searched + end + HEAD_END.len()) {
                length if length > HEAD_BYTES_MAX => return Err(Refusal::Overlong),
                _ if end.is_some() => return Ok(true),
                _ => {}
            }
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
        Err(_) => return Err(Refusal::Broken),
    }
    Ok(false)
}

/// Writes all.
async fn write(stream: &Async<TcpStream>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = stream.write_with(|mut stream| stream.write(bytes)).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Ends what is sent, and reads until the other side has closed too.
async fn linger(stream: &Async<TcpStream>) {
    if stream.get_ref().shutdown(Shutdown::Write).is_err() {
        return;
    }
    while stream.readable().await.is_ok() && discard(stream.get_ref()) {}
}

/// Reads what nobody wants, and says whether there may be more.
fn discard(stream: &TcpStream) -> bool {
    let mut stream = stream;
    match stream.read(&mut [0; READ_BYTES]) {
        Ok(length) => length > 0,
        Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    }
}
