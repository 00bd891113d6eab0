//! The shared registry under loom: every order in which two threads can take its lock and its wakers.
//!
//! The models call the registry's own functions. For each model tests/faults/loom/ has a patch with a fault: tests/run applies it, and
//! expects the model to fail. Models are small, because loom tries all orders: two threads, a few calls each, a short journal.
#![cfg(loom)]

use chat_core::room::Kind;
use chat_core::room::server::{Buffer as _, Config, Cursor, Join, MemberId, Pace, Reader, WallTime};
use chat_host::room::server::alarm::{Alarm, Bell};
use chat_host::room::server::buffer::GrowingBuffer;
use chat_host::room::server::registry::{Registry, Ring};
use chat_host::room::server::roster::GrowingRoster;
use loom::future::block_on;
use loom::sync::{Arc, Notify};
use loom::thread;
use std::future::poll_fn;
use std::task::{Context, Waker};

/// The time of all calls, which does not matter.
const NOW: WallTime = WallTime { unix_ms: 0, trusted: true };

/// A room for one worker, with a journal of this many bytes.
fn registry(ring_bytes: usize) -> Arc<Registry> {
    registry_for(1, ring_bytes)
}

/// A room for several workers.
fn registry_for(worker_count: usize, ring_bytes: usize) -> Arc<Registry> {
    Arc::new(Registry::new(Config::DEFAULT, 1, GrowingRoster::new(None), ring_bytes, worker_count))
}

/// Joins with this name; the token is one byte repeated.
fn join(registry: &Registry, name: &str, token: u8) -> Result<(MemberId, Cursor, Vec<u8>), ()> {
    let mut owed = GrowingBuffer::default();
    let asked = Join { name, token: [token; 16], seen: None };
    let (id, admission) = registry.join(0, NOW, &asked, &mut owed).map_err(|_| ())?;
    Ok((id, admission.cursor, owed.as_bytes().to_vec()))
}

/// Says a text, and wakes the workers that wait for it.
fn say(registry: &Registry, id: MemberId, number: u32, text: &str) -> bool {
    let taken = registry.say(0, NOW, id, number, Kind::Plain, text).is_ok();
    registry.announce();
    taken
}

/// How often this text occurs in the bytes. Texts are letters that occur nowhere else in frames.
fn occurrences(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}

/// All bytes that a reader lacks.
fn read(reader: &mut Reader, ring: &Ring) -> Result<Vec<u8>, u64> {
    let (first, second) = reader.read(ring)?;
    let bytes = [first, second].concat();
    reader.finish(ring);
    Ok(bytes)
}

#[test]
fn two_joins_of_one_name_have_exactly_one_winner() {
    loom::model(|| {
        let registry = registry(64);
        let other = Arc::clone(&registry);
        let thread = thread::spawn(move || join(&other, "ann", 1).is_ok());
        let won = join(&registry, "Ann", 2).is_ok();
        assert!(won != thread.join().unwrap());
        assert_eq!(registry.member_count(), 1);
    });
}

#[test]
fn message_beside_a_join_is_in_the_history_or_comes_live_and_never_both() {
    loom::model(|| {
        let registry = registry(256);
        let (ann, _, _) = join(&registry, "ann", 1).unwrap();
        let other = Arc::clone(&registry);
        // One message is said first, so that there is a history.
        assert!(say(&registry, ann, 1, "QQ"));
        let thread = thread::spawn(move || assert!(say(&other, ann, 2, "XYZ")));
        let (_, cursor, history) = join(&registry, "bob", 2).unwrap();
        thread.join().unwrap();
        let mut ring = registry.worker_ring();
        registry.fetch(0, &mut ring);
        let live = read(&mut Reader::new(cursor), &ring).unwrap();
        assert_eq!(occurrences(&history, "XYZ") + occurrences(&live, "XYZ"), 1);
        assert_eq!((occurrences(&history, "QQ"), occurrences(&live, "QQ")), (1, 0));
    });
}

#[test]
fn message_beside_its_members_leave_is_its_own_or_not_taken() {
    loom::model(|| {
        let registry = registry(256);
        let (ann, start, _) = join(&registry, "ann", 1).unwrap();
        let other = Arc::clone(&registry);
        let thread = thread::spawn(move || say(&other, ann, 1, "XYZ"));
        assert!(registry.leave(ann));
        let (bob, ..) = join(&registry, "bob", 2).unwrap();
        assert_eq!(bob.slot, ann.slot);
        let taken = thread.join().unwrap();
        let mut ring = registry.worker_ring();
        registry.fetch(0, &mut ring);
        let bytes = read(&mut Reader::new(start), &ring).unwrap();
        assert_eq!(occurrences(&bytes, "annXYZ") + occurrences(&bytes, "ann\u{3}XYZ"), usize::from(taken));
        assert_eq!(occurrences(&bytes, "XYZ"), usize::from(taken));
    });
}

#[test]
fn worker_that_goes_to_sleep_beside_a_message_is_woken() {
    loom::model(|| {
        let registry = registry(256);
        let (ann, cursor, _) = join(&registry, "ann", 1).unwrap();
        let other = Arc::clone(&registry);
        let thread = thread::spawn(move || assert!(say(&other, ann, 1, "XYZ")));
        let mut ring = registry.worker_ring();
        registry.fetch(0, &mut ring);
        let mut reader = Reader::new(cursor);
        let mut bytes = read(&mut reader, &ring).unwrap();
        while bytes.is_empty() {
            block_on(poll_fn(|context| registry.poll_news(0, ring.head(), context)));
            registry.fetch(0, &mut ring);
            bytes = read(&mut reader, &ring).unwrap();
        }
        assert_eq!(occurrences(&bytes, "XYZ"), 1);
        thread.join().unwrap();
    });
}

/// The bell of the models: a worker sleeps on it instead of in a system call.
struct Sleep(Notify);

impl Bell for Sleep {
    fn ring(&self) {
        self.0.notify();
    }
}

#[test]
fn worker_that_sets_its_alarm_beside_a_message_does_not_oversleep() {
    loom::model(|| {
        let registry = registry(256);
        let (ann, cursor, _) = join(&registry, "ann", 1).unwrap();
        let other = Arc::clone(&registry);
        let mut ring = registry.worker_ring();
        registry.fetch(0, &mut ring);
        let thread = thread::spawn(move || assert!(say(&other, ann, 1, "XYZ")));
        let alarm = std::sync::Arc::new(Alarm::new(Sleep(Notify::new())));
        let waker = Waker::from(std::sync::Arc::clone(&alarm));
        let mut context = Context::from_waker(&waker);
        let mut reader = Reader::new(cursor);
        let mut bytes = Vec::new();
        while bytes.is_empty() {
            if alarm.set_unless(|| registry.poll_news(0, ring.head(), &mut context).is_ready()) {
                alarm.bell().0.wait();
                alarm.stop();
            }
            registry.fetch(0, &mut ring);
            bytes = read(&mut reader, &ring).unwrap();
        }
        assert_eq!(occurrences(&bytes, "XYZ"), 1);
        thread.join().unwrap();
    });
}

#[test]
fn reader_that_the_ring_overtakes_has_read_or_lost_every_message() {
    const MESSAGES: u32 = 4;
    loom::model(|| {
        // The journal has room for two messages.
        let registry = registry(40);
        let (ann, cursor, _) = join(&registry, "ann", 1).unwrap();
        let other = Arc::clone(&registry);
        let thread = thread::spawn(move || (1..=MESSAGES).for_each(|number| assert!(say(&other, ann, number, "XYZ"))));
        let mut ring = registry.worker_ring();
        let mut reader = Reader::new(cursor);
        let (mut seen, mut lost) = (0, 0);
        let mut look = |ring: &mut Ring| {
            registry.fetch(0, ring);
            loop {
                match read(&mut reader, ring) {
                    Err(messages) => lost += usize::try_from(messages).unwrap(),
                    Ok(bytes) => break seen += occurrences(&bytes, "XYZ"),
                }
            }
        };
        look(&mut ring);
        thread.join().unwrap();
        look(&mut ring);
        assert_eq!(seen + lost, MESSAGES as usize);
    });
}

#[test]
fn member_that_goes_on_elsewhere_outlives_its_old_connection() {
    loom::model(|| {
        let registry = registry(256);
        let (old, ..) = join(&registry, "ann", 1).unwrap();
        let other = Arc::clone(&registry);
        let thread = thread::spawn(move || other.leave(old));
        let (new, ..) = join(&registry, "ann", 1).unwrap();
        let was_current = thread.join().unwrap();
        assert_eq!(registry.member_count(), 1);
        assert!(say(&registry, new, 1, "XYZ"));
        assert!(!say(&registry, old, 2, "XYZ"));
        if was_current {
            return;
        }
        // The member was taken over: the worker is told to close the old connection, and nothing else.
        let mut ring = registry.worker_ring();
        assert_eq!(registry.fetch(0, &mut ring).replaced, [old]);
    });
}

#[test]
fn publisher_that_pauses_goes_on_when_the_last_worker_has_caught_up() {
    loom::model(|| {
        let registry = registry_for(2, 64);
        let (ann, ..) = join(&registry, "ann", 1).unwrap();
        let mut ring = registry.worker_ring();
        let mut number = 0;
        // This goes on until the other worker is more than half a ring behind.
        let mut pace = Pace::Go;
        while pace == Pace::Go {
            number += 1;
            pace = registry.say(0, NOW, ann, number, Kind::Plain, "XYZ").unwrap();
            registry.fetch(0, &mut ring);
        }
        let other = Arc::clone(&registry);
        let thread = thread::spawn(move || {
            let mut ring = other.worker_ring();
            other.fetch(1, &mut ring);
        });
        loop {
            block_on(poll_fn(|context| registry.poll_news(0, ring.head(), context)));
            if registry.fetch(0, &mut ring).resumed {
                break;
            }
        }
        assert_eq!(registry.pace(0), Pace::Go);
        thread.join().unwrap();
    });
}
