//! A program of ours at a terminal of its own: an emulator reads its output, and shows the screen that a person would see.

use crate::DEADLINE;
use crate::process::spawning;
use crate::workspace::program;
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

/// Rows that the emulator remembers above the screen.
const MEMORY_ROWS: usize = 2_000;

/// A running program and its terminal. Killed when dropped.
pub struct Terminal {
    /// The program.
    child: Child,
    /// The keyboard: the emulator's end of the terminal.
    keys: File,
    /// The program's end of the terminal, which keeps it open and tells its mode.
    slave: OwnedFd,
    /// Bytes that were written to the screen.
    written: Receiver<Vec<u8>>,
    /// Text that was written and not searched yet by [`Terminal::find`].
    seen: String,
    /// Bytes of a character whose rest has not come.
    partial: Vec<u8>,
    /// The screen.
    emulator: vt100::Parser,
    /// The terminal's mode before the program was started.
    mode: Termios,
    /// Texts that are replaced before screens are compared: addresses that change from run to run.
    names: Vec<(String, String)>,
}

impl Terminal {
    /// Starts `chat-host` with these arguments at a new terminal of 80 by 24.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_sized(80, 24, arguments)
    }

    /// Starts `chat-host` with these arguments at a new terminal of so many columns and rows.
    pub fn start_sized(columns: u16, rows: u16, arguments: &[&str]) -> Self {
        Self::start_command(columns, rows, session().arg(program()).args(arguments))
    }

    /// Starts `chat-host` with these arguments at a new terminal of 80 by 24, with these variables (`NAME=value`) besides.
    pub fn start_in(variables: &[&str], arguments: &[&str]) -> Self {
        Self::start_command(80, 24, session().arg("env").args(variables).arg(program()).args(arguments))
    }

    /// Starts another program at a new terminal of 80 by 24.
    pub fn start_program(program: &str) -> Self {
        Self::start_command(80, 24, session().arg(program))
    }

    /// Starts an interactive shell, which controls jobs and does not repair the terminal.
    pub fn start_shell(columns: u16, rows: u16) -> Self {
        Self::start_command(columns, rows, session().args(["dash", "-i"]).env("PS1", "$ "))
    }

    /// Starts a command at a new terminal.
    pub fn start_command(columns: u16, rows: u16, command: &mut Command) -> Self {
        // A program that another test starts meanwhile would inherit this terminal and keep it open.
        let spawning = spawning();
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).expect("the system has terminals");
        let mode = tcgetattr(&pty.slave).expect("it is a terminal");
        let end = |file: &OwnedFd| Stdio::from(file.try_clone().expect("there are free files"));
        let child = command
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(end(&pty.slave))
            .stdout(end(&pty.slave))
            .stderr(end(&pty.slave))
            .spawn()
            .expect("the program is there");
        // No other program inherits the duplicates.
        let keys = File::from(pty.master.try_clone().expect("there are free files"));
        let slave = pty.slave.try_clone().expect("there are free files");
        drop((pty, spawning));
        let mut reader = keys.try_clone().expect("there are free files");
        let (sender, written) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            // This fails when the terminal has ended.
            while let Ok(length) = reader.read(&mut buffer) {
                if length == 0 || sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let emulator = vt100::Parser::new(rows, columns, MEMORY_ROWS);
        let (seen, partial, names) = (String::new(), Vec::new(), Vec::new());
        Self { child, keys, slave, written, seen, partial, emulator, mode, names }
    }

    /// Shows this text under another name when screens are compared.
    pub fn rename(&mut self, text: &str, name: &str) {
        self.names.push((text.to_owned(), name.to_owned()));
    }

    /// Types.
    pub fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal is there");
    }

    /// Pastes a text, between the marks of bracketed paste.
    pub fn paste(&mut self, text: &str) {
        self.type_keys(&format!("\x1b[200~{text}\x1b[201~"));
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids have 31 bits");
        kill(Pid::from_raw(id), signal).expect("the process is ours and not waited for");
    }

    /// Gives the terminal another size, as a person does by dragging the window.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        let size = format!("cols {columns} rows {rows}");
        let slave = Stdio::from(self.slave.try_clone().expect("there are free files"));
        let status = Command::new("stty").args(size.split(' ')).stdin(slave).status();
        assert!(status.is_ok_and(|status| status.success()), "stty");
        self.emulator.screen_mut().set_size(rows, columns);
    }

    /// Waits for bytes until the deadline, and hands them to the emulator; `false` at the end of the terminal.
    fn take(&mut self, deadline: Instant) -> Result<bool, RecvTimeoutError> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.written.recv_timeout(left) {
            Ok(bytes) => {
                self.emulator.process(&bytes);
                self.partial.extend_from_slice(&bytes);
                let whole = match std::str::from_utf8(&self.partial) {
                    Ok(text) => text.len(),
                    Err(error) => {
                        assert!(error.error_len().is_none(), "not UTF-8: {:?}", self.partial);
                        error.valid_up_to()
                    }
                };
                let rest = self.partial.split_off(whole);
                let text = std::mem::replace(&mut self.partial, rest);
                self.seen += &String::from_utf8(text).expect("just looked at");
                Ok(true)
            }
            Err(RecvTimeoutError::Disconnected) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits until this text is written. Returns the text up to its end, from where the last call has stopped.
    pub fn find(&mut self, part: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(start) = self.seen.find(part) {
                let rest = self.seen.split_off(start + part.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            match self.take(deadline) {
                Ok(true) => {}
                other => panic!("{other:?}: {part:?} is not written: {:?}", self.seen),
            }
        }
    }

    /// The rows of the screen without those at the end that are empty, with times as `[time]` and renamed addresses.
    pub fn screen(&self) -> Vec<String> {
        let screen = self.emulator.screen();
        let (_, columns) = screen.size();
        let mut rows: Vec<_> = screen.rows(0, columns).map(|row| self.renamed(row.trim_end())).collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    /// The rows that have left the screen at its top, and the screen.
    pub fn everything(&mut self) -> Vec<String> {
        let screen = self.emulator.screen_mut();
        let (_, columns) = screen.size();
        screen.set_scrollback(usize::MAX);
        let above = screen.scrollback();
        let mut rows = Vec::new();
        for offset in (1..=above).rev() {
            self.emulator.screen_mut().set_scrollback(offset);
            let row = self.emulator.screen().rows(0, columns).next().unwrap_or_default();
            rows.push(self.renamed(row.trim_end()));
        }
        self.emulator.screen_mut().set_scrollback(0);
        rows.extend(self.screen());
        rows
    }

    /// A row in the form in which rows are compared.
    fn renamed(&self, row: &str) -> String {
        let mut row = row.to_owned();
        for (text, name) in &self.names {
            row = row.replace(text, name);
        }
        let is_stamp = |text: &str| {
            text.len() == 10 && text.ends_with(']') && text[1..9].chars().all(|it| it.is_ascii_digit() || it == ':')
        };
        if let Some(start) = row.find('[')
            && row.get(start..start + 10).is_some_and(is_stamp)
        {
            row.replace_range(start..start + 10, "[time]");
        }
        row
    }

    /// Waits until these are the rows of the screen and the cursor stands there: row and column, from 0.
    pub fn expect_screen(&mut self, expected: &[&str], cursor: (u16, u16)) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if self.screen() == expected && self.emulator.screen().cursor_position() == cursor {
                return;
            }
            if !matches!(self.take(deadline), Ok(true)) {
                let found = self.emulator.screen().cursor_position();
                assert_eq!((self.screen(), found), (expected.iter().map(|&it| it.to_owned()).collect(), cursor));
            }
        }
    }

    /// Waits until a row of the screen has this part.
    pub fn find_on_screen(&mut self, part: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.screen().iter().any(|row| row.contains(part)) {
            assert!(matches!(self.take(deadline), Ok(true)), "no {part:?} on the screen: {:#?}", self.screen());
        }
    }

    /// Whether a cell of the screen is dim, bold, reversed, or coloured.
    pub fn cell(&self, row: u16, column: u16) -> Option<&vt100::Cell> {
        self.emulator.screen().cell(row, column)
    }

    /// Where the cursor stands: row and column, from 0.
    pub fn cursor(&self) -> (u16, u16) {
        self.emulator.screen().cursor_position()
    }

    /// Whether the terminal's mode is what it was before the program was started.
    pub fn is_restored(&self) -> bool {
        let mode = tcgetattr(self.slave.as_fd()).expect("it is a terminal");
        (mode.input_flags, mode.output_flags, mode.local_flags, mode.control_chars)
            == (self.mode.input_flags, self.mode.output_flags, self.mode.local_flags, self.mode.control_chars)
    }

    /// Waits for the program's end, takes the output that it has written, and returns its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        let code = loop {
            // The output has to be read, or the program waits.
            let _ = self.take(Instant::now() + std::time::Duration::from_millis(20));
            match self.child.try_wait().expect("the process is ours") {
                Some(status) => break status.code(),
                None => assert!(Instant::now() < deadline, "the program does not end: {:#?}", self.screen()),
            }
        };
        while matches!(self.take(Instant::now() + std::time::Duration::from_millis(50)), Ok(true)) {}
        code
    }

    /// Waits for the program's end, and returns its exit code.
    pub fn finish(mut self) -> Option<i32> {
        self.wait()
    }
}

/// A command that gives a program a session of its own, with its standard input as the terminal, so that no signal reaches the tests.
fn session() -> Command {
    let mut command = Command::new("setsid");
    command.arg("--ctty");
    command
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The program may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
