//! The page's server and WebSockets from outside, without a browser: who is let in, who is refused and how, and what the room notices.
#![cfg(not(loom))]

use chat_core::room::{Kind, Message};
use nix::sys::signal::Signal;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use tests::namespace;
use tests::process::{Process, RoomServer, allow_files};
use tests::tcp::{Connection, Heard};
use tests::web::{self, Received, WebSocket, connect, exchange, frame, handshake, read_to_end};

/// The handshake with a part of it replaced.
fn handshake_with(server: SocketAddr, part: &str, replacement: &str) -> String {
    let head = handshake(server);
    assert!(head.contains(part), "{part}");
    head.replacen(part, replacement, 1)
}

/// Checks that a request is answered with this status, and counted once.
fn check_refused(server: &RoomServer, request: &str, status: &str, counter: &str) {
    let before = server.page_counters()[counter];
    let answer = exchange(server.page(), request.as_bytes());
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{answer}");
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    assert!(body.ends_with('\n') && body.len() > 10, "no reason: {answer}");
    server.wait_for_page(counter, |count| count == before + 1);
}

fn say(number: u32, text: &str) -> Message<'_> {
    Message::Say { number, kind: Kind::Plain, text }
}

// --- the page ---

#[test]
fn page_and_its_parts_are_served_with_what_keeps_a_browser_safe() {
    let server = RoomServer::start_with_page(&[]);
    let address = server.page();
    for (path, content_type) in [
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
        ("/invite?x=1", "text/html"),
    ] {
        let get = exchange(address, format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
        let (head, body) = get.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && !body.is_empty(), "{path}: {head}");
        for field in [
            &format!("Content-Type: {content_type}"),
            &format!("Content-Length: {}\r\n", body.len()),
            "Connection: close",
            "X-Content-Type-Options: nosniff",
            "Referrer-Policy: no-referrer",
            "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'",
            &format!(
                "connect-src 'self' ws://{address} wss://{address}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
        ] {
            assert!(format!("{head}\r\n").contains(field), "{path}: no {field} in {head}");
        }
        assert!(!head.to_lowercase().contains("cookie") && !head.contains("unsafe"), "{head}");
        let no_body = exchange(address, format!("HEAD {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
        assert_eq!(no_body, format!("{head}\r\n\r\n"), "{path}");
    }
    assert_eq!(server.page_counters()["answers"], 10);
}

#[test]
fn request_in_pieces_is_answered() {
    let server = RoomServer::start_with_page(&[]);
    let mut stream = connect(server.page());
    for byte in format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", server.page()).bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    assert!(read_to_end(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn requests_that_are_not_as_they_should_be_are_refused_with_a_reason_and_counted() {
    let server = RoomServer::start_with_page(&[]);
    let address = server.page();
    let host = format!("Host: {address}\r\n");
    for (request, status, counter) in [
        (format!("GET /secret HTTP/1.1\r\n{host}\r\n"), "404", "requests_unknown"),
        (format!("POST / HTTP/1.1\r\n{host}Content-Length: 3\r\n\r\nabc"), "405", "requests_unknown"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400", "requests_malformed"),
        ("\u{16}\u{3}\u{1}".to_owned(), "400", "requests_malformed"),
        (format!("GET / HTTP/1.1\r\n{host}X: {}\r\n\r\n", "x".repeat(8_192)), "431", "requests_overlong"),
        (format!("GET / HTTP/1.1\r\n{}", "x: y\r\n".repeat(11_000)), "431", "requests_overlong"),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), "403", "hosts_refused"),
    ] {
        check_refused(&server, &request, status, counter);
    }
    // Half a request, and the end of it: nobody is there to be told.
    drop(connect(address).write_all(b"GET / HT"));
    server.wait_for_page("requests_broken", |count| count == 1);
    let mut slow = connect(address);
    slow.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
    assert!(read_to_end(&mut slow).starts_with("HTTP/1.1 408 "));
    assert_eq!(server.page_counters()["requests_late"], 1);
}

#[test]
fn handshakes_that_are_not_as_they_should_be_are_refused_with_a_reason_and_counted() {
    let server = RoomServer::start_with_page(&[]);
    let address = server.page();
    let (origin, host) = (format!("Origin: http://{address}"), format!("Host: {address}"));
    for (part, replacement, status, counter) in [
        (&*origin, "Origin: http://evil.example", "403", "origins_refused"),
        (&origin, "Origin: null", "403", "origins_refused"),
        (&origin, &format!("Origin: http://localhost:{}", address.port()), "403", "origins_refused"),
        // DNS rebinding: the name of a foreign page leads here, and its origin fits its host.
        (&format!("{host}\r\n{origin}"), "Host: evil.example\r\nOrigin: http://evil.example", "403", "hosts_refused"),
        ("Version: 13", "Version: 12", "426", "handshakes_refused"),
        ("Upgrade: websocket\r\n", "", "426", "handshakes_refused"),
        ("chat-host.room.1", "chat-host.room.2", "400", "handshakes_refused"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhl", "400", "handshakes_refused"),
        ("\r\n\r\n", "\r\n\r\nx", "400", "handshakes_refused"),
    ] {
        check_refused(&server, &handshake_with(address, part, replacement), status, counter);
    }
    assert_eq!(server.counters()["connections"], 0);
    assert_eq!(server.page_counters()["websockets"], 0);
}

#[test]
fn origin_that_the_operator_names_is_let_in_under_its_own_name_and_any() {
    let server = RoomServer::start_with_page(&["--web-origin", "https://chat.example.org"]);
    let address = server.page();
    let (host, origin) = (format!("Host: {address}"), format!("Origin: http://{address}"));
    for (part, replacement) in [
        (format!("{host}\r\n{origin}"), "Host: chat.example.org\r\nOrigin: https://chat.example.org"),
        (origin.clone(), "Origin: https://chat.example.org"),
        // No browser.
        (format!("{origin}\r\n"), ""),
        (format!("{host}\r\n{origin}"), "Host: pi.local\r\nOrigin: http://pi.local"),
    ] {
        let mut stream = connect(address);
        stream.write_all(handshake_with(address, &part, replacement).as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(read_to_end(&mut stream).starts_with("HTTP/1.1 101 "), "{replacement}");
    }
    let other =
        handshake_with(address, &format!("{host}\r\n{origin}"), "Host: a.example\r\nOrigin: https://chat.example.org");
    check_refused(&server, &other, "403", "hosts_refused");
}

// --- the room ---

#[test]
fn members_on_tcp_and_on_websockets_are_in_one_room() {
    let server = RoomServer::start_with_page(&[]);
    let mut ann = Connection::joined(server.tcp, "ann", 1);
    let mut bob = WebSocket::joined(server.page(), "bob", 2);
    assert_eq!(ann.hear_journal(), "+bob");
    bob.send(&say(1, "hello"));
    assert_eq!((ann.hear_journal(), bob.hear_journal()), ("bob: hello".to_owned(), "bob: hello".to_owned()));
    ann.say(1, "welcome");
    assert_eq!((ann.hear_journal(), bob.hear_journal()), ("ann: welcome".to_owned(), "ann: welcome".to_owned()));
    // The room's frames are cut up and put together anyhow.
    let mut stuffed = chat_core::frame::Frame::EMPTY;
    let bytes =
        [stuffed.encode(&say(2, "two")).unwrap().to_vec(), stuffed.encode(&say(3, "three")).unwrap().to_vec()].concat();
    let (begin, end) = bytes.split_at(4);
    bob.write(&[frame(0x02, begin), frame(0x89, b"are you there"), frame(0x00, &[]), frame(0x80, end)].concat());
    assert_eq!((ann.hear_journal(), ann.hear_journal()), ("bob: two".to_owned(), "bob: three".to_owned()));
    assert!(matches!(bob.receive(), Received::Pong(_) | Received::Binary(_)));
    // A goodbye on the WebSocket is a leave.
    bob.write(&frame(0x88, &1001_u16.to_be_bytes()));
    assert_eq!(ann.hear_journal(), "-bob");
    let mut last = bob.receive();
    while !matches!(last, Received::Close(_) | Received::End) {
        last = bob.receive();
    }
    assert_eq!((last, bob.receive()), (Received::Close(1001), Received::End));
}

#[test]
fn leave_refusal_and_end_of_the_server_are_followed_by_a_close_frame() {
    let server = RoomServer::start_with_page(&[]);
    let mut ann = WebSocket::joined(server.page(), "ann", 1);
    let mut other = WebSocket::open(server.page());
    other.send(&Message::Join { version: 1, token: [2; 16], seen: None, name: "ANN" });
    assert_eq!(other.hear(), Heard::Other("refused 16".to_owned()));
    assert_eq!((other.receive(), other.receive()), (Received::Close(1000), Received::End));
    ann.send(&Message::Leave);
    assert_eq!((ann.receive(), ann.receive()), (Received::Close(1000), Received::End));
    let mut bob = WebSocket::joined(server.page(), "bob", 3);
    server.process.signal(Signal::SIGTERM);
    assert_eq!(bob.hear(), Heard::Other("refused 44".to_owned()));
    assert_eq!((bob.receive(), bob.receive()), (Received::Close(1000), Received::End));
}

#[test]
fn websocket_that_breaks_the_rules_is_told_by_a_code_and_the_room_goes_on() {
    let server = RoomServer::start_with_page(&[]);
    let mut ann = Connection::joined(server.tcp, "ann", 1);
    let giant = [&[0x82, 0xff][..], &(1_u64 << 30).to_be_bytes(), &web::MASK].concat();
    let cases = [
        (vec![0x82, 1, 0], 1002),
        (frame(0xc2, b"x"), 1002),
        (frame(0x83, b"x"), 1002),
        (frame(0x81, b"x"), 1003),
        (frame(0x80, b"x"), 1002),
        (frame(0x09, b"x"), 1002),
        (frame(0x89, &[0; 126]), 1002),
        (giant, 1009),
    ];
    for (count, (bytes, code)) in (1..).zip(cases) {
        let mut bob = WebSocket::joined(server.page(), "bob", 2);
        assert_eq!(ann.hear_journal(), "+bob");
        bob.write(&bytes);
        assert_eq!((bob.receive(), bob.receive()), (Received::Close(code), Received::End), "{bytes:x?}");
        assert_eq!(ann.hear_journal(), "-bob");
        server.wait_for("put_out_framing", |counted| counted == count);
    }
    ann.say(1, "still here");
    assert_eq!(ann.hear_journal(), "ann: still here");
}

#[test]
fn endless_frame_of_the_room_in_websocket_frames_is_overlong() {
    let server = RoomServer::start_with_page(&[]);
    let mut bob = WebSocket::joined(server.page(), "bob", 2);
    bob.write(&frame(0x02, &[1; 60_000]));
    assert_eq!(bob.hear(), Heard::Other("refused 4".to_owned()));
    assert_eq!(bob.receive(), Received::Close(1000));
}

#[test]
fn slow_reader_on_a_websocket_is_told_exactly_what_it_lost() {
    // A small journal, so that a reader falls out of it in the middle of a WebSocket's frame.
    let server = RoomServer::start_with_page(&["--journal", "65536", "--rate", "off"]);
    let mut slow = WebSocket::joined(server.page(), "slow", 1);
    nix::sys::socket::setsockopt(&slow.stream, nix::sys::socket::sockopt::RcvBuf, &4_096).unwrap();
    let mut ann = WebSocket::joined(server.page(), "ann", 2);
    let count = 3_000;
    let text = "x".repeat(1_000);
    for number in 1..=count {
        ann.send(&say(number, &text));
        assert_eq!(ann.hear_journal().len(), text.len() + 5);
    }
    // It was late to read; from here on it reads all.
    assert_eq!(slow.hear_journal(), "+ann");
    let (mut said, mut lost) = (0, 0);
    while said + lost < u64::from(count) {
        match slow.hear() {
            Heard::Journal(_, words) => said += u64::from(words.starts_with("ann: ")),
            Heard::Other(words) => {
                lost += words.strip_prefix("lagged ").map_or(0, |number| number.parse::<u64>().unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(said + lost, u64::from(count));
    assert!(lost > 0, "it read everything: {said}");
    ann.send(&say(count + 1, "live"));
    assert_eq!(slow.hear_journal(), "ann: live");
}

#[test]
fn silent_connections_keep_nobody_out_and_are_told_why_they_are_closed() {
    allow_files(1_000);
    let server = RoomServer::start_with_page(&[]);
    let mut ann = Connection::joined(server.tcp, "ann", 1);
    let mut silent: Vec<_> = (0..1_000).map(|_| connect(server.page())).collect();
    let page = exchange(server.page(), format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", server.page()).as_bytes());
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    let mut bob = WebSocket::joined(server.page(), "bob", 2);
    assert_eq!(ann.hear_journal(), "+bob");
    bob.send(&say(1, "hello"));
    assert_eq!(ann.hear_journal(), "bob: hello");
    let answers: Vec<_> = silent.iter_mut().map(read_to_end).collect();
    let count =
        |status: &str| answers.iter().filter(|answer| answer.starts_with(&format!("HTTP/1.1 {status} "))).count();
    // The oldest made room, the others were waited for.
    assert_eq!(count("503") + count("408"), 1_000);
    let counters = server.page_counters();
    assert_eq!(
        (counters["connections_crowded_out"], counters["requests_late"]),
        (count("503") as u64, count("408") as u64)
    );
    assert!(count("408") >= 500 && count("503") >= 400, "{}", count("503"));
}

// --- serve ---

#[test]
fn busy_port_that_is_named_ends_the_server_and_off_means_no_page() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = Process::start(&["serve", "--tcp", "127.0.0.1:0", "--web", &address]).finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.errors[0].contains("--web ADDR:PORT") && finished.errors[0].contains(&address), "{finished:?}");
    let mut server = Process::start(&["serve", "--tcp", "127.0.0.1:0", "--web", "off"]);
    server.output.find("tcp");
    server.signal(Signal::SIGTERM);
    assert!(server.finish().output.is_empty());
}

#[test]
fn usual_port_that_is_busy_is_told_and_done_without() {
    namespace::in_namespace("usual_port_that_is_busy_is_told_and_done_without", || {
        let _taken = TcpListener::bind("[::]:9393").unwrap();
        let mut server = Process::start(&["serve"]);
        server.output.find("tcp [::]:9191");
        let told = server.errors.find("web [::]:9393");
        assert!(told.starts_with("chat-host: warning: ") && told.ends_with("until then there is no page"), "{told}");
        server.signal(Signal::SIGTERM);
        assert!(server.finish().output.is_empty());
    });
}

#[test]
fn code_is_shown_once_the_machine_has_an_address_that_others_can_reach() {
    let name = "code_is_shown_once_the_machine_has_an_address_that_others_can_reach";
    namespace::in_namespace(name, || {
        let server = Process::start(&["serve", "--qr"]);
        server.output.find("web [::]:9393");
        let mut lines = Vec::new();
        for command in ["link add near type veth peer name far", "link set far up", "link set near up"] {
            namespace::run("ip", command);
        }
        // The first is all that a network without a DHCP server has; with the second beside it, nobody needs it any more.
        for address in ["169.254.7.8", "10.1.2.3", "10.1.2.4"] {
            if address == "10.1.2.4" {
                namespace::run("ip", "address flush dev near");
            }
            namespace::run("ip", &format!("address add {address}/16 dev near"));
            loop {
                match server.output.next().expect("a code follows") {
                    line if line.starts_with("\u{1b}[30;47m") => lines.push(line),
                    line => {
                        assert_eq!(line, format!("http://{address}:9393/"));
                        assert_eq!(tests::qr::read_lines(&lines), line);
                        lines.clear();
                        break;
                    }
                }
            }
        }
    });
}

#[test]
fn page_is_where_the_room_is_unless_it_is_named_and_may_be_in_two_places() {
    let server = Process::start(&["serve", "--tcp", "127.0.0.1:0"]);
    server.output.find("web 127.0.0.1:");
    let server = Process::start(&["serve", "--tcp", "127.0.0.1:0", "--web", "127.0.0.1:0", "--web", "[::1]:0", "--qr"]);
    let bound = [server.output.find("web 127.0.0.1:"), server.output.find("web [::1]:")];
    for line in &bound {
        let address = line.strip_prefix("web ").unwrap().parse().unwrap();
        let answer = exchange(address, format!("GET /invite HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
        assert!(answer.contains("<svg"), "{answer}");
    }
    // The code says what stands below it.
    let mut lines = Vec::new();
    let url = loop {
        match server.output.next().expect("the address stands below the code") {
            line if line.starts_with("\u{1b}[30;47m    ") => lines.push(line),
            line => break line,
        }
    };
    assert_eq!(url, format!("http://{}/", bound[0].strip_prefix("web ").unwrap()));
    assert_eq!(tests::qr::read_lines(&lines), url);
}
