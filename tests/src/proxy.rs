//! Proxies: one that cuts one connection after a number of bytes, and a network that can be cut, silent, and well again.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The direction of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// A proxy before a server. It cuts its first connection, and no later one.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    /// How many bytes the first connection has passed on, up and down.
    passed: Arc<[AtomicUsize; 2]>,
}

impl Proxy {
    /// A proxy that passes `bytes` in this direction and then closes both sides.
    pub fn start(server: SocketAddr, direction: Direction, bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let passed = Arc::new([const { AtomicUsize::new(0) }; 2]);
        let counters = Arc::clone(&passed);
        std::thread::spawn(move || {
            let mut is_first = true;
            // The thread ends with the test's process.
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                let limit = |way| if is_first && way == direction { bytes } else { usize::MAX };
                for (way, from, to) in [(Direction::Up, &client, &upstream), (Direction::Down, &upstream, &client)] {
                    let (from, to) =
                        (from.try_clone().expect("there are files"), to.try_clone().expect("there are files"));
                    let (limit, counters) = (limit(way), is_first.then(|| Arc::clone(&counters)));
                    std::thread::spawn(move || {
                        let count = |length| {
                            if let Some(counters) = &counters {
                                counters[way as usize].fetch_add(length, Ordering::SeqCst);
                            }
                        };
                        pass(from, to, limit, || {}, count);
                    });
                }
                is_first = false;
            }
        });
        Self { address, passed }
    }

    /// How many bytes the first connection has passed in this direction.
    pub fn passed(&self, direction: Direction) -> usize {
        self.passed[direction as usize].load(Ordering::SeqCst)
    }
}

/// Passes bytes on until the end or the limit, each piece behind `wait` and counted by `count`, then closes both sides.
fn pass(mut from: TcpStream, mut to: TcpStream, limit: usize, wait: impl Fn(), count: impl Fn(usize)) {
    let mut buffer = [0; 4_096];
    let mut left = limit;
    while left > 0 {
        let room = buffer.len().min(left);
        let read = from.read(&mut buffer[..room]);
        wait();
        let Ok(length @ 1..) = read else { break };
        // Counted before it is passed: whoever has it may ask at once how much that was.
        count(length);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
        left -= length;
    }
    // One of the two streams may be closed already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// A network before a server that can be cut and mended, and that can swallow everything for a while.
#[derive(Debug)]
pub struct Network {
    /// Where it listens.
    pub address: SocketAddr,
    /// Both ends of each connection that it carries; `None` while it is cut.
    carried: Arc<Mutex<Option<Vec<TcpStream>>>>,
    /// Whether nothing arrives, and nobody is told.
    silence: Arc<Silence>,
}

/// Whether nothing arrives at the moment, and who waits for that to end.
#[derive(Debug, Default)]
struct Silence {
    /// Whether nothing arrives.
    is_silent: Mutex<bool>,
    /// Wakes those who wait.
    ended: Condvar,
}

impl Silence {
    /// Begins or ends it.
    fn set(&self, is_silent: bool) {
        *self.is_silent.lock().unwrap_or_else(PoisonError::into_inner) = is_silent;
        self.ended.notify_all();
    }

    /// Waits for its end.
    fn wait(&self) {
        let is_silent = self.is_silent.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.ended.wait_while(is_silent, |is_silent| *is_silent));
    }
}

impl Network {
    /// A network that carries all connections to this server.
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let carried = Arc::new(Mutex::new(Some(Vec::new())));
        let silence = Arc::new(Silence::default());
        let (shared, waited) = (Arc::clone(&carried), Arc::clone(&silence));
        std::thread::spawn(move || {
            // Ends with the test's process.
            for client in listener.incoming().map_while(Result::ok) {
                waited.wait();
                let mut carried = shared.lock().unwrap_or_else(PoisonError::into_inner);
                // While it is cut, whoever connects is cut off again.
                let Some(carried) = carried.as_mut() else { continue };
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                for (from, to) in [(&client, &upstream), (&upstream, &client)] {
                    let (from, to) =
                        (from.try_clone().expect("there are files"), to.try_clone().expect("there are files"));
                    let waited = Arc::clone(&waited);
                    std::thread::spawn(move || pass(from, to, usize::MAX, || waited.wait(), |_| {}));
                }
                carried.extend([client, upstream]);
            }
        });
        Self { address, carried, silence }
    }

    /// Cuts all connections, and carries none until it is mended.
    pub fn cut(&self) {
        let carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner).take();
        for stream in carried.into_iter().flatten() {
            // The other side may have closed it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Carries connections again.
    pub fn mend(&self) {
        *self.carried.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// Lets nothing arrive, and tells nobody: as radio does that is too far away.
    pub fn silence(&self) {
        self.silence.set(true);
    }

    /// Lets everything arrive, also what was sent meanwhile.
    pub fn speak(&self) {
        self.silence.set(false);
    }
}
