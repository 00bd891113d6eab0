//! A program of ours at a terminal of its own, as a person sees it.

use crate::DEADLINE;
use crate::process::spawning;
use crate::workspace::program;
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// A running program and its terminal. Ended hard when dropped.
#[derive(Debug)]
pub struct Terminal {
    /// The program.
    child: Child,
    /// The keyboard.
    keys: File,
    /// What is written to the screen.
    screen: Receiver<Vec<u8>>,
    /// What was written and not looked at yet.
    seen: String,
}

impl Terminal {
    /// Starts `chat-host` with these arguments at a new terminal.
    pub fn start(arguments: &[&str]) -> Self {
        // A program that another test starts meanwhile would inherit this terminal and keep it open.
        let spawning = spawning();
        let pty = openpty(None, None).expect("the system has terminals");
        let end = |file: &OwnedFd| Stdio::from(file.try_clone().expect("there are free files"));
        let child = Command::new(program())
            .args(arguments)
            .stdin(end(&pty.slave))
            .stdout(end(&pty.slave))
            .stderr(end(&pty.slave))
            .spawn()
            .expect("chat-host was just built");
        // The duplicate is not inherited by anybody.
        let keys = File::from(pty.master.try_clone().expect("there are free files"));
        drop((pty, spawning));
        let mut reader = keys.try_clone().expect("there are free files");
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 1_024];
            // Fails when the program and with it the terminal has ended.
            while let Ok(length) = reader.read(&mut buffer) {
                if length == 0 || sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, keys, screen, seen: String::new() }
    }

    /// Types.
    pub fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal is there");
    }

    /// Waits until this is on the screen, and gives what came up to its end since it was last asked.
    pub fn find(&mut self, part: &str) -> String {
        loop {
            if let Some(start) = self.seen.find(part) {
                let rest = self.seen.split_off(start + part.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            match self.screen.recv_timeout(DEADLINE) {
                Ok(bytes) => self.seen += &String::from_utf8(bytes).expect("the screen is written in whole characters"),
                Err(error) => panic!("{error}: {part:?} is not on the screen: {:?}", self.seen),
            }
        }
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids have 31 bits");
        kill(Pid::from_raw(id), signal).expect("the process is ours and not waited for");
    }

    /// Waits for the program's end and gives its exit code.
    pub fn finish(mut self) -> Option<i32> {
        // The screen ends with the program.
        while self.screen.recv_timeout(DEADLINE).is_ok() {}
        self.child.wait().expect("the process is ours").code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
