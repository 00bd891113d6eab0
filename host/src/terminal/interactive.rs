//! A person's terminal at work: a thread that reads keys, and one that draws, because terminals block.
//!
//! Both share the [`State`] under one lock, which nobody holds while a key is waited for or a frame is written. So a line that was
//! typed goes out even when the terminal takes nothing.

use super::completion::Completion;
use super::entry::Entry;
use super::frame::Size;
use super::keys::Keys;
use super::mode;
use super::output::OutputError;
use super::standard_output::terminal;
use super::state::{KeyRequest, State};
use super::styled::{Look, Styled};
use smol::channel::Sender;
use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the last frame may take.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// How long it may take until the program is stopped by the signal that it has sent itself. Without a shell that controls jobs the
/// kernel discards the signal.
const STOP_MAX: Duration = Duration::from_millis(200);

/// A person's terminal.
#[derive(Debug)]
pub(super) struct Interactive(Arc<Shared>);

/// What the threads share.
#[derive(Debug)]
struct Shared {
    /// What stands on the terminal, and what is to be done with it.
    terminal: Mutex<Terminal>,
    /// Told when `terminal` changes.
    changed: Condvar,
    /// Takes what the user does.
    entries: Sender<Entry>,
}

/// The terminal, and what is to be done with it.
#[derive(Debug)]
struct Terminal {
    /// What stands on it.
    state: State,
    /// What the thread that draws has to do.
    due: Due,
    /// Whether the program was continued after a stop.
    continued: bool,
    /// Whether the thread that draws has ended.
    closed: bool,
}

/// What the thread that draws has to do, the most urgent last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// Nothing.
    Nothing,
    /// To draw.
    Frame,
    /// To stop the program, and to go on once it is continued.
    Suspend,
    /// To draw for the last time, and to give the terminal back.
    Close,
}

impl Interactive {
    /// Takes the terminal. What the user does goes to `entries`.
    ///
    /// # Errors
    /// There is no terminal, or there can be no more threads.
    pub(super) fn new(look: Look, commands: &'static [&'static str], entries: Sender<Entry>) -> io::Result<Self> {
        mode::enter()?;
        let state = State::new(look, size(), Completion::new(commands));
        let terminal = Terminal { state, due: Due::Frame, continued: false, closed: false };
        let shared = Arc::new(Shared { terminal: Mutex::new(terminal), changed: Condvar::new(), entries });
        let (reader, drawer) = (Arc::clone(&shared), Arc::clone(&shared));
        std::thread::Builder::new().name("draw".to_owned()).spawn(move || drawer.draw())?;
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || reader.read_keys())?;
        Ok(Self(shared))
    }

    /// Shows a line, and rings the bell.
    pub(super) fn push(&self, line: Styled, bell: bool) {
        self.change(|state| state.push(line, bell));
    }

    /// Changes what stands on the terminal.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut terminal = self.0.lock();
        change(&mut terminal.state);
        self.0.ask(&mut terminal, Due::Frame);
    }

    /// The program was continued after a stop.
    pub(super) fn handle_continued(&self) {
        let mut terminal = self.0.lock();
        terminal.continued = true;
        self.0.ask(&mut terminal, Due::Frame);
    }

    /// Draws for the last time, and gives the terminal back.
    pub(super) fn close(&self) {
        let deadline = Instant::now() + CLOSE_MAX;
        let mut terminal = self.0.lock();
        self.0.ask(&mut terminal, Due::Close);
        while !terminal.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            terminal = self.0.changed.wait_timeout(terminal, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(terminal);
        mode::restore();
    }
}

impl Shared {
    /// The terminal.
    fn lock(&self) -> MutexGuard<'_, Terminal> {
        self.terminal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the thread that draws something to do.
    fn ask(&self, terminal: &mut Terminal, due: Due) {
        terminal.due = terminal.due.max(due);
        self.changed.notify_all();
    }

    /// Reads keys until the terminal is gone.
    fn read_keys(&self) {
        let mut keys = Keys::default();
        loop {
            let key = match keys.next() {
                Ok(key) => key,
                Err(error) => {
                    // Fails when the program ends already.
                    let _ = self.entries.try_send(Entry::Unreadable(error));
                    return;
                }
            };
            let mut terminal = self.lock();
            if terminal.closed || terminal.due == Due::Close {
                return;
            }
            let requests = terminal.state.handle_key(key);
            self.ask(&mut terminal, Due::Frame);
            for request in requests {
                match request {
                    KeyRequest::Suspend => self.ask(&mut terminal, Due::Suspend),
                    // As above.
                    KeyRequest::Enter(entry) => drop(self.entries.try_send(entry)),
                }
            }
        }
    }

    /// Draws until the end.
    fn draw(&self) {
        loop {
            let mut terminal = self.lock();
            while terminal.due == Due::Nothing {
                terminal = self.changed.wait(terminal).unwrap_or_else(PoisonError::into_inner);
            }
            let due = std::mem::replace(&mut terminal.due, Due::Nothing);
            let drawn = match due {
                Due::Nothing => Ok(()),
                Due::Frame if std::mem::take(&mut terminal.continued) => {
                    drop(terminal);
                    self.draw_continued()
                }
                Due::Frame => {
                    let frame = terminal.state.frame();
                    if !terminal.state.is_drawn() {
                        terminal.due = Due::Frame;
                    }
                    drop(terminal);
                    write(&frame)
                }
                Due::Suspend => self.suspend(terminal),
                Due::Close => {
                    let frame = terminal.state.last_frame();
                    drop(terminal);
                    // At the end there is nobody to tell.
                    let _ = write(&frame).and_then(|()| Ok(mode::leave()?));
                    Err(None)
                }
            };
            if let Err(error) = drawn {
                self.lock().closed = true;
                self.changed.notify_all();
                if let Some(error) = error {
                    // Fails when the program ends already.
                    let _ = self.entries.try_send(Entry::Unwritable(OutputError::Failed(error)));
                }
                return;
            }
        }
    }

    /// Another program may have changed the terminal's mode and moved the cursor: takes the mode again, and begins in a new row.
    fn draw_continued(&self) -> Result<(), Option<io::Error>> {
        mode::enter_again()?;
        let mut terminal = self.lock();
        terminal.state.begin(size());
        let frame = [b"\r\n", &*terminal.state.frame()].concat();
        self.ask(&mut terminal, Due::Frame);
        drop(terminal);
        write(&frame)
    }

    /// Stops the program, as Ctrl-Z does, with the terminal as it was before; goes on once it is continued.
    fn suspend(&self, mut terminal: MutexGuard<'_, Terminal>) -> Result<(), Option<io::Error>> {
        let frame = terminal.state.frame_without_area();
        terminal.continued = false;
        drop(terminal);
        write(&frame)?;
        mode::leave()?;
        stop();
        // A stop takes time too, so the first wait is over when the program goes on, perhaps before the thread of the signals has told.
        let mut terminal = self.lock();
        for _ in 0..2 {
            let waiting = self.changed.wait_timeout_while(terminal, STOP_MAX, |terminal| !terminal.continued);
            terminal = waiting.unwrap_or_else(PoisonError::into_inner).0;
        }
        terminal.continued = false;
        drop(terminal);
        // In the background the program is stopped here again, and draws nothing.
        mode::enter()?;
        let mut terminal = self.lock();
        terminal.state.begin(size());
        if terminal.due == Due::Suspend {
            // The key was pressed again before the program stopped: once is enough.
            terminal.due = Due::Nothing;
        }
        self.ask(&mut terminal, Due::Frame);
        Ok(())
    }
}

/// Writes a frame at once.
fn write(frame: &[u8]) -> Result<(), Option<io::Error>> {
    Ok(terminal().write_all(frame)?)
}

/// How large the terminal is.
fn size() -> Size {
    // One that does not know is taken for an old one.
    let (columns, rows) = crossterm::terminal::size().unwrap_or((80, 24));
    Size::new(columns, rows)
}

/// Stops the program's process group, as the terminal does for Ctrl-Z.
#[cfg(unix)]
fn stop() {
    use nix::sys::signal::{Signal, kill};
    // The own group is always there.
    let _ = kill(nix::unistd::Pid::from_raw(0), Signal::SIGTSTP);
}

/// Other systems cannot stop a program.
#[cfg(not(unix))]
fn stop() {}
