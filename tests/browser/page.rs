//! The page as somebody before it uses it.

use std::net::SocketAddr;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use tests::browser::Browser;
use tests::process::RoomServer;
use tests::tcp::{Connection, Heard};

pub(crate) const ENTER: &str = "\u{e007}";

/// The machine's time: who measures takes it alone.
pub(crate) static MACHINE: RwLock<()> = RwLock::new(());

/// Takes a share of the machine's time.
pub(crate) fn share_machine() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Reads until the journal has this frame.
pub(crate) fn hear_until(connection: &mut Connection, expected: &str) {
    loop {
        match connection.hear() {
            Heard::Journal(_, words) if words == expected => return,
            Heard::Closed => panic!("the server closes before {expected:?}"),
            _ => {}
        }
    }
}

/// Joins under this name.
pub(crate) fn join(browser: &Browser, server: &RoomServer, name: &str) {
    join_at(browser, server.page(), name);
}

/// Joins under this name, at this address.
pub(crate) fn join_at(browser: &Browser, address: SocketAddr, name: &str) {
    browser.open(&format!("http://{address}/"));
    enter(browser, name);
    browser.wait_until("!document.getElementById('room').hidden");
}

/// Types a name, and presses Enter.
pub(crate) fn enter(browser: &Browser, name: &str) {
    browser.wait_until("!document.getElementById('door').hidden");
    browser.run("document.getElementById('name').value = ''");
    browser.keys("#name", &format!("{name}{ENTER}"));
}

/// Types a message.
pub(crate) fn say(browser: &Browser, text: &str) {
    browser.keys("#text", &format!("{text}{ENTER}"));
}

/// Waits until the log shows this.
pub(crate) fn wait_for(browser: &Browser, text: &str) {
    let quoted = serde_json::to_string(text).unwrap();
    browser.wait_until(&format!("document.getElementById('log').textContent.includes({quoted})"));
}

/// What the log shows of messages, in their order: `name: text`.
pub(crate) fn messages(browser: &Browser) -> Vec<String> {
    let rows = browser.run(
        "return [...document.querySelectorAll('#log .row')].map((row) => row.querySelector('.name').textContent + ': ' + row.querySelector('.text').textContent)",
    );
    rows.as_array().unwrap().iter().map(|row| row.as_str().unwrap().to_owned()).collect()
}

/// Waits until nothing of the own is unconfirmed.
pub(crate) fn wait_until_confirmed(browser: &Browser) {
    browser.wait_until("document.getElementById('pending').childElementCount === 0");
}

/// Checks that the browser has nothing to complain of, and has asked nobody else.
pub(crate) fn check_clean(browser: &Browser) {
    assert_eq!(browser.console(), Vec::<String>::new());
    let foreign = browser.text(
        "performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => !name.startsWith(location.origin))",
    );
    assert_eq!(foreign, "");
}
