//! A real browser, driven through WebDriver: Chromium without a window, by its `chromedriver`.
//!
//! Each browser has a process group and a folder of its own, and is ended with all it has started when it is dropped.

use crate::DEADLINE;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The key under which WebDriver names elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How long a browser may take to start: much is read from the disk the first time.
const START_MAX: Duration = Duration::from_secs(90);

/// A browser with one session.
#[derive(Debug)]
pub struct Browser {
    /// What drives it.
    driver: Child,
    /// Where the driver listens.
    port: u16,
    /// The session's path.
    session: String,
    /// What it writes, and removes with it.
    folder: PathBuf,
}

/// A tab of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tab(String);

impl Browser {
    /// Starts one, which takes names that end in `.test` for this machine.
    pub fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("chat-host-browser-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder takes files");
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", &folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver)");
        let mut browser = Self { driver, port: 0, session: String::new(), folder };
        let mut lines = BufReader::new(browser.driver.stdout.take().expect("it is piped")).lines();
        let port =
            lines.find_map(|line| line.ok()?.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
        browser.port = port.expect("chromedriver says its port");
        std::thread::spawn(move || lines.for_each(drop));
        let profile = format!("--user-data-dir={}", browser.folder.display());
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP *.test 127.0.0.1",
            &profile,
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": flags},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let answer = browser.request("POST", "/session", &capabilities, START_MAX);
        browser.session = format!("/session/{}", answer["sessionId"].as_str().expect("a session has an id"));
        browser
    }

    /// The process group of all that it consists of.
    pub fn group(&self) -> u32 {
        self.driver.id()
    }

    /// One request to the driver.
    fn request(&self, method: &str, path: &str, body: &Value, patience: Duration) -> Value {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the driver listens");
        stream.set_read_timeout(Some(patience)).expect("the deadline is not zero");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("the driver reads");
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).expect("the driver answers") > 2 {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("it is a number");
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).expect("the driver answers in full");
        let answer: Value = serde_json::from_slice(&answer).expect("it is JSON");
        assert!(answer["value"]["error"].is_null(), "{method} {path} {body}: {answer:#}");
        answer["value"].clone()
    }

    /// A command of the session.
    fn post(&self, path: &str, body: &Value) -> Value {
        self.request("POST", &format!("{}{path}", self.session), body, DEADLINE)
    }

    /// Opens an address in the tab.
    pub fn open(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// Loads the page again.
    pub fn reload(&self) {
        self.post("/refresh", &json!({}));
    }

    /// What this piece of a script returns.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// The text that an expression gives.
    pub fn text(&self, expression: &str) -> String {
        self.run(&format!("return String({expression})")).as_str().expect("it is a text").to_owned()
    }

    /// What an asynchronous script gives to its callback, the last of its arguments.
    pub fn run_async(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({"script": script, "args": []}))
    }

    /// Waits until an expression is true.
    pub fn wait_until(&self, expression: &str) {
        let start = Instant::now();
        let script = format!(
            "const done = arguments[arguments.length - 1], start = performance.now();
             const look = () => {{ if ({expression}) done(true); else if (performance.now() - start > 5000) done(false); else setTimeout(look, 20); }};
             look();"
        );
        while self.run_async(&script) != json!(true) {
            let shown = self.text("document.body.innerText");
            assert!(start.elapsed() < DEADLINE, "{expression} is not true within {DEADLINE:?}; shown is:\n{shown}");
        }
    }

    /// Types into the element that a selector finds; U+E007 is the enter key.
    pub fn keys(&self, selector: &str, text: &str) {
        let found = self.post("/element", &json!({"using": "css selector", "value": selector}));
        let id = found[ELEMENT].as_str().expect("an element has an id").to_owned();
        self.post(&format!("/element/{id}/value"), &json!({"text": text}));
    }

    /// Presses keys, wherever the focus is.
    pub fn press(&self, keys: &str) {
        let actions: Vec<_> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()})))
            .collect();
        self.post("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    /// A command of Chromium's own protocol.
    pub fn command(&self, name: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": name, "params": parameters}))
    }

    /// The tab that commands go to.
    pub fn tab(&self) -> Tab {
        let path = format!("{}/window", self.session);
        Tab(self.request("GET", &path, &Value::Null, DEADLINE).as_str().expect("a tab has a name").to_owned())
    }

    /// Opens another tab, which commands go to then.
    pub fn open_tab(&self) -> Tab {
        let tab = Tab(self.post("/window/new", &json!({"type": "tab"}))["handle"]
            .as_str()
            .expect("a tab has a name")
            .to_owned());
        self.switch_to(&tab);
        tab
    }

    /// All tabs.
    pub fn tabs(&self) -> Vec<Tab> {
        let path = format!("{}/window/handles", self.session);
        let handles = self.request("GET", &path, &Value::Null, DEADLINE);
        let handles = handles.as_array().expect("tabs are listed").iter();
        handles.map(|handle| Tab(handle.as_str().expect("a tab has a name").to_owned())).collect()
    }

    /// Commands go to this tab from now on.
    pub fn switch_to(&self, tab: &Tab) {
        self.post("/window", &json!({"handle": tab.0}));
    }

    /// What the browser's console has said since this was asked last, above the level of information.
    pub fn console(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({"type": "browser"}));
        let entries = entries.as_array().expect("entries are listed").iter();
        let severe = entries.filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// A picture of what is shown, as a PNG in Base64.
    pub fn screenshot(&self) -> String {
        let path = format!("{}/screenshot", self.session);
        self.request("GET", &path, &Value::Null, DEADLINE).as_str().expect("a picture is a text").to_owned()
    }

    /// Shows the page as a screen of this size does, light or dark.
    pub fn set_screen(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.command("Emulation.setDeviceMetricsOverride", &size);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", &features);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The group is the driver's own, made at its start.
        let group = Pid::from_raw(i32::try_from(self.driver.id()).expect("process ids have 31 bits"));
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
