//! The terminal's mode: keys come one by one while a person types, and everything is as it was before afterwards.
//!
//! Whatever ends the program gives the terminal back: [`leave`] at a proper end, the panic hook where a panic aborts, and the thread
//! that takes signals before it ends a program that does not come to leave.

use super::standard_output::terminal;
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use std::io::{self, Write as _};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Pastes come between brackets (xterm, DEC private mode 2004).
const BEGIN: &[u8] = b"\x1b[?2004h";

/// Brackets off, output at once, cursor shown, no style.
const END: &[u8] = b"\x1b[?2004l\x1b[?2026l\x1b[?25h\x1b[m";

/// How long a terminal that takes nothing is waited for.
const BLOCKED_MAX: Duration = Duration::from_millis(200);

/// Whether the mode is ours.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Takes the keys one by one. In the background this stops the program until it is brought to the foreground (SIGTTOU).
///
/// # Errors
/// There is no terminal.
pub(super) fn enter() -> io::Result<()> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
    enable_raw_mode()?;
    ENTERED.store(true, Ordering::SeqCst);
    #[cfg(windows)]
    // A console that takes no control sequences shows them; there is nothing better to do.
    let _ = crossterm::ansi_support::supports_ansi();
    terminal().write_all(BEGIN)
}

/// Gives the terminal back.
///
/// # Errors
/// The terminal is gone.
pub(super) fn leave() -> io::Result<()> {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    let written = terminal().write_all(END);
    disable_raw_mode().and(written)
}

/// Gives the terminal back, whatever state it is in, and waits for no terminal that takes nothing. For ends that are not proper.
pub(crate) fn restore() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    // There is nobody to tell should it fail.
    let _ = disable_raw_mode();
    let (sender, written) = channel();
    let write = move || {
        // As above.
        let _ = terminal().write_all(b"\r\n").and_then(|()| terminal().write_all(END));
        let _ = sender.send(());
    };
    if std::thread::Builder::new().spawn(write).is_ok() {
        let _ = written.recv_timeout(BLOCKED_MAX);
    }
}

/// The mode was changed by somebody else while the program was stopped: takes it again.
///
/// # Errors
/// There is no terminal.
pub(super) fn enter_again() -> io::Result<()> {
    // crossterm takes the mode only if it has not.
    disable_raw_mode()?;
    enter()
}
