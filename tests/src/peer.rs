//! Running peers of the mesh, as scripts run them: by `--json`.

use crate::process::Process;
use crate::schema::check_events;
use crate::workspace::program;
use serde_json::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::Command;

/// One run of `chat-host peer --json`. Ended hard when dropped.
#[derive(Debug)]
pub struct Peer {
    /// The process.
    pub process: Process,
    /// Where it is.
    pub address: SocketAddr,
    /// Its name.
    pub name: String,
    /// All messages that it has shown so far, own ones included, as `name: text`.
    pub shown: Vec<String>,
    /// All lines of its standard output so far.
    pub lines: Vec<String>,
    /// What has come and was not asked for.
    passed: VecDeque<Value>,
}

impl Peer {
    /// Starts one on this machine that looks for others at these addresses alone.
    pub fn start(name: &str, join: &[SocketAddr]) -> Self {
        let mut command = Command::new(program());
        command.args(["peer", "--name", name, "--json", "--listen", "127.0.0.1:0", "--no-discovery"]);
        for address in join {
            command.arg("--join").arg(address.to_string());
        }
        Self::start_command(name, &mut command)
    }

    /// Starts a command that becomes a peer of this name.
    pub fn start_command(name: &str, command: &mut Command) -> Self {
        let process = Process::start_command(command);
        let mut peer = Self {
            process,
            address: SocketAddr::from(([0; 4], 0)),
            name: name.to_owned(),
            shown: Vec::new(),
            lines: Vec::new(),
            passed: VecDeque::new(),
        };
        let event = peer.next().expect("a peer tells its address first");
        assert_eq!(event["event"], "peer");
        peer.address = event["address"].as_str().and_then(|address| address.parse().ok()).expect("it is an address");
        peer
    }

    /// The next event; `None` at the end.
    fn next(&mut self) -> Option<Value> {
        let line = self.process.output.next()?;
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        if event["event"] == "message" {
            let text = |field: &str| event[field].as_str().expect("a message has name and text").to_owned();
            self.shown.push(format!("{}: {}", text("name"), text("text")));
        }
        self.lines.push(line);
        Some(event)
    }

    /// Waits for an event of this kind, which may have come already.
    pub fn find(&mut self, kind: &str) -> Value {
        self.find_where(kind, |_| true)
    }

    /// Waits for an event of this kind that is as wanted.
    pub fn find_where(&mut self, kind: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let is_wanted = |event: &Value| event["event"] == kind && is_wanted(event);
        if let Some(index) = self.passed.iter().position(is_wanted) {
            return self.passed.remove(index).expect("it was found there");
        }
        while let Some(event) = self.next() {
            if is_wanted(&event) {
                return event;
            }
            self.passed.push_back(event);
        }
        panic!("{} has ended without {kind}: {:#?}, {:?}", self.name, self.passed, self.process.finish());
    }

    /// Waits for the next event, whatever it is.
    pub fn pass(&mut self) {
        let event = self.next().unwrap_or_else(|| panic!("{} has ended", self.name));
        self.passed.push_back(event);
    }

    /// Waits until it knows of a member of this name.
    pub fn find_joined(&mut self, name: &str) -> Value {
        self.find_where("joined", |event| event["name"] == name)
    }

    /// Waits until it has shown this, as `name: text`.
    pub fn find_shown(&mut self, message: &str) {
        while !self.shown.iter().any(|shown| shown == message) {
            let event = self.next();
            let event = event.unwrap_or_else(|| panic!("{} has ended without {message:?}", self.name));
            self.passed.push_back(event);
        }
    }

    /// Says something.
    pub fn say(&mut self, text: &str) {
        self.process.write(format!("{text}\n").as_bytes());
    }

    /// Ends its input, and waits for its end. Whatever it has shown is what the schema says. Gives its exit code and the lines of its standard error.
    pub fn leave(&mut self) -> (Option<i32>, Vec<String>) {
        self.process.end_input();
        self.finish()
    }

    /// Waits for its end. Gives its exit code and the lines of its standard error.
    pub fn finish(&mut self) -> (Option<i32>, Vec<String>) {
        while let Some(event) = self.next() {
            self.passed.push_back(event);
        }
        check_events("docs/peer-events.schema.json", &self.lines);
        let finished = self.process.finish();
        (finished.code, finished.errors)
    }
}
