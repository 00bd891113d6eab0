//! The page that is loaded again, sleeps, or has no network or server for a while: nothing is lost or doubled.

use crate::page::{
    check_clean, hear_until, join, join_at, messages, say, share_machine, wait_for, wait_until_confirmed,
};
use nix::sys::signal::Signal;
use serde_json::json;
use tests::browser::Browser;
use tests::process::{Process, RoomServer};
use tests::proxy::Network;
use tests::tcp::Connection;

#[test]
fn reload_brings_everything_back_once() {
    let _machine = share_machine();
    let server = RoomServer::start_with_page(&[]);
    let browser = Browser::start();
    let mut bob = Connection::joined(server.tcp, "bob", 2);
    join(&browser, &server, "ann");
    for number in 1..=30 {
        bob.say(number, &format!("message {number}"));
    }
    wait_for(&browser, "message 30");
    say(&browser, "mine");
    wait_for(&browser, "ann: mine");
    let before = messages(&browser);
    assert_eq!(before.len(), 31);
    browser.reload();
    wait_for(&browser, "ann: mine");
    assert_eq!(messages(&browser), before);
    say(&browser, "behind");
    wait_for(&browser, "ann: behind");
    bob.say(31, "and on");
    wait_for(&browser, "and on");
    assert_eq!(messages(&browser).len(), 33);
    // Still one member, by the same name.
    browser.run("document.getElementById('people-button').click()");
    browser.wait_until("document.getElementById('names').textContent.includes('ann (you)')");
    assert_eq!(browser.text("document.getElementById('names').childElementCount"), "2");
    check_clean(&browser);
}

#[test]
fn reload_loses_nothing_that_was_told_and_not_drawn() {
    let _machine = share_machine();
    let server = RoomServer::start_with_page(&[]);
    let browser = Browser::start();
    let mut bob = Connection::joined(server.tcp, "bob", 2);
    join(&browser, &server, "ann");
    bob.say(1, "drawn");
    wait_for(&browser, "bob: drawn");
    browser.run("window.requestAnimationFrame = () => {}");
    bob.say(2, "told alone");
    say(&browser, "my own");
    hear_until(&mut bob, "ann: my own");
    let _carl = Connection::joined(server.tcp, "carl", 3);
    browser.wait_until("document.getElementById('people-button').textContent === '3 here'");
    assert_eq!(messages(&browser), ["bob: drawn"]);
    browser.reload();
    wait_for(&browser, "ann: my own");
    wait_until_confirmed(&browser);
    assert_eq!(messages(&browser), ["bob: drawn", "bob: told alone", "ann: my own"]);
    check_clean(&browser);
}

#[test]
fn cut_and_sleep_lose_and_double_nothing() {
    let _machine = share_machine();
    let server = RoomServer::start_with_page(&[]);
    let network = Network::start(server.page());
    let browser = Browser::start();
    let mut bob = Connection::joined(server.tcp, "bob", 2);
    join_at(&browser, network.address, "ann");
    let mut expected = Vec::new();
    let mut number = 0;
    let mut say_as_bob = |expected: &mut Vec<String>, text: &str| {
        number += 1;
        bob.say(number, text);
        expected.push(format!("bob: {text}"));
    };
    say_as_bob(&mut expected, "first");
    wait_for(&browser, "bob: first");
    // The network is gone.
    network.cut();
    browser.wait_until("document.getElementById('state').textContent.includes('no connection') || document.getElementById('state').textContent.includes('connecting')");
    for index in 0..20 {
        say_as_bob(&mut expected, &format!("while she was away {index}"));
    }
    say(&browser, "typed without a network");
    expected.push("ann: typed without a network".to_owned());
    browser.wait_until("document.getElementById('pending').textContent.includes('not confirmed yet')");
    network.mend();
    wait_until_confirmed(&browser);
    wait_for(&browser, "nothing missed");
    assert_eq!(messages(&browser), expected);
    // The tab sleeps, and its connection dies meanwhile.
    browser.command("Page.setWebLifecycleState", &json!({"state": "frozen"}));
    network.cut();
    say_as_bob(&mut expected, "while she slept");
    network.mend();
    browser.command("Page.setWebLifecycleState", &json!({"state": "active"}));
    wait_for(&browser, "while she slept");
    say(&browser, "awake");
    expected.push("ann: awake".to_owned());
    wait_for(&browser, "awake");
    assert_eq!(messages(&browser), expected);
}

/// Lets a page's time be made faster, before it is loaded: `setSpeed(10)`.
const FASTER: &str = "(() => {
    const now = performance.now.bind(performance), later = window.setTimeout.bind(window);
    let speed = 1, at = now(), passed = at;
    performance.now = () => { const then = at; at = now(); passed += (at - then) * speed; return passed; };
    window.setTimeout = (call, pause, ...rest) => later(call, pause / speed, ...rest);
    window.setSpeed = (next) => { performance.now(); speed = next; };
})()";

#[test]
fn minute_without_network_or_in_silence_loses_and_doubles_nothing() {
    let _machine = share_machine();
    let server = RoomServer::start_with_page(&["--rate", "off"]);
    let network = Network::start(server.page());
    let tcp = server.tcp.to_string();
    let mut bob = Process::start(&["client", "--tcp", &tcp, "--name", "bob", "--json"]);
    bob.output.find("history_end");
    let browser = Browser::start();
    browser.command("Page.addScriptToEvaluateOnNewDocument", &json!({"source": FASTER}));
    join_at(&browser, network.address, "ann");
    let mut expected = Vec::new();
    for (way, seconds) in [("cut", 60), ("silent", 100)] {
        if way == "cut" {
            network.cut()
        } else {
            network.silence()
        }
        browser.run("setSpeed(10); window.began = performance.now()");
        for number in 1..=30 {
            let text = format!("{way} {number}");
            bob.write(format!("{text}\n").as_bytes());
            bob.output.find(&format!("\"{text}\""));
            expected.push(format!("bob: {text}"));
        }
        let own = format!("typed while it was {way}");
        say(&browser, &own);
        expected.push(format!("ann: {own}"));
        browser.wait_until(&format!("performance.now() - window.began > {seconds}000"));
        assert!(browser.text("document.getElementById('pending').textContent").contains("not confirmed yet"));
        browser.wait_until("document.getElementById('state').textContent !== ''");
        browser.run("setSpeed(1)");
        if way == "cut" {
            network.mend()
        } else {
            network.speak()
        }
        wait_for(&browser, &format!("ann: {own}"));
        wait_until_confirmed(&browser);
        wait_for(&browser, "nothing missed");
        assert_eq!(messages(&browser), expected);
    }
    // She is one member still, and went on under her own name.
    assert_eq!(browser.text("document.getElementById('people-button').textContent"), "2 here");
}

#[test]
fn server_that_was_killed_and_started_is_found_again() {
    let _machine = share_machine();
    let server = RoomServer::start_with_page(&[]);
    let (tcp, page) = (server.tcp, server.page());
    let browser = Browser::start();
    join(&browser, &server, "ann");
    say(&browser, "first");
    wait_for(&browser, "ann: first");
    server.process.signal(Signal::SIGKILL);
    browser.wait_until("document.getElementById('state').textContent !== ''");
    say(&browser, "meanwhile");
    drop(server);
    let again = Process::start(&["serve", "--tcp", &tcp.to_string(), "--web", &page.to_string()]);
    again.output.find("web ");
    wait_for(&browser, "The server was restarted");
    wait_until_confirmed(&browser);
    assert_eq!(messages(&browser), ["ann: first", "ann: meanwhile"]);
    // A line that is said tries again at once: here no pause ever ends.
    browser
        .run("const original = window.setTimeout; window.setTimeout = (act, ms) => ms >= 500 ? 0 : original(act, ms);");
    again.signal(Signal::SIGKILL);
    browser.wait_until("document.getElementById('state').textContent.startsWith('no connection')");
    drop(again);
    let third = Process::start(&["serve", "--tcp", &tcp.to_string(), "--web", &page.to_string()]);
    third.output.find("web ");
    say(&browser, "once more");
    wait_until_confirmed(&browser);
    assert_eq!(messages(&browser), ["ann: first", "ann: meanwhile", "ann: once more"]);
}
