//! A connection that is cut: the real client, the real server, and a proxy between them that cuts at every byte, in each direction.
#![cfg(not(loom))]

use std::thread::available_parallelism;
use tests::process::{Process, RoomServer};
use tests::proxy::{Direction, Proxy};
use tests::tcp::Connection;

/// The lines that the client shows, and the lines that the room has heard, without times.
type Transcripts = (Vec<String>, Vec<String>);

/// A whole session: the client says something, another member answers, the client says two more lines and leaves. Returns the
/// transcripts, and how many bytes the first connection has passed in each direction.
fn session(direction: Direction, bytes: usize) -> (Transcripts, [usize; 2]) {
    let server = RoomServer::start("127.0.0.1:0", &["--threads", "1"]);
    let mut witness = Connection::joined(server.tcp, "witness", 7);
    let proxy = Proxy::start(server.tcp, direction, bytes);
    let mut client = Process::start(&["client", "--tcp", &proxy.address.to_string(), "--name", "ann"]);
    let (mut shown, mut heard) = (Vec::new(), Vec::new());
    let mut hear_until = |witness: &mut Connection, end: &str| {
        loop {
            let words = witness.hear_journal();
            // Joins and leaves differ because of the cut; nothing else may.
            if words.contains(": ") {
                heard.push(words.clone());
            }
            if words == end {
                break;
            }
        }
    };
    let mut show_until = |client: &mut Process, end: &str| {
        loop {
            let Some(line) = client.output.next() else {
                panic!("{direction:?} {bytes}: the client shows nothing more: {:?}", client.finish());
            };
            let words = line.split_once("] ").expect("a line has its time").1.to_owned();
            shown.push(words.clone());
            if words == end {
                break;
            }
        }
    };
    client.write(b"one\n");
    show_until(&mut client, "ann: one");
    hear_until(&mut witness, "ann: one");
    witness.say(1, "answer");
    show_until(&mut client, "witness: answer");
    hear_until(&mut witness, "witness: answer");
    client.write(b"two\nthree\n");
    client.end_input();
    let finished = client.finish();
    assert_eq!(finished.code, Some(0), "{direction:?} {bytes}: {finished:?}");
    shown.extend(finished.output.iter().map(|line| line.split_once("] ").expect("a line has its time").1.to_owned()));
    hear_until(&mut witness, "ann: three");
    ((shown, heard), [proxy.passed(Direction::Up), proxy.passed(Direction::Down)])
}

#[test]
fn cut_at_any_byte_in_either_direction_loses_and_doubles_nothing() {
    let (whole, [up, down]) = session(Direction::Up, usize::MAX);
    assert_eq!(whole.0, ["ann: one", "witness: answer", "ann: two", "ann: three"]);
    assert_eq!(whole.1, whole.0);
    assert!(up > 50 && down > 100, "{up} {down}");
    let cuts: Vec<_> = [(Direction::Up, up), (Direction::Down, down)]
        .into_iter()
        .flat_map(|(direction, bytes)| (0..bytes).map(move |cut| (direction, cut)))
        .collect();
    // A session mostly waits: for its processes, and for the client's next try.
    let workers = 4 * available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (cuts, whole) = (&cuts, &whole);
            scope.spawn(move || {
                for &(direction, cut) in cuts.iter().skip(worker).step_by(workers) {
                    assert_eq!(session(direction, cut).0, *whole, "{direction:?} {cut}");
                }
            });
        }
    });
}
