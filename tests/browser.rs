//! The page in a real browser, together with clients at terminals and in scripts. Not part of `cargo test`: tests/run has a step for it,
//! which says so where there is no browser.
#![cfg(not(loom))]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use tests::browser::Browser;
use tests::machine::CpuTicks;
use tests::process::{Process, RoomServer};
use tests::proxy::Network;
use tests::qr;
use tests::tcp::{Connection, Heard};

const ENTER: &str = "\u{e007}";

/// The machine's time: who measures takes it alone.
static MACHINE: RwLock<()> = RwLock::new(());

/// Takes a share of the machine's time.
fn share_machine() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Reads until the journal has this frame.
fn hear_until(connection: &mut Connection, expected: &str) {
    loop {
        match connection.hear() {
            Heard::Journal(_, words) if words == expected => return,
            Heard::Closed => panic!("the server closes before {expected:?}"),
            _ => {}
        }
    }
}

/// Joins under this name.
fn join(browser: &Browser, server: &RoomServer, name: &str) {
    join_at(browser, server.page(), name);
}

/// Joins under this name, at this address.
fn join_at(browser: &Browser, address: SocketAddr, name: &str) {
    browser.open(&format!("http://{address}/"));
    enter(browser, name);
    browser.wait_until("!document.getElementById('room').hidden");
}

/// Types a name, and presses Enter.
fn enter(browser: &Browser, name: &str) {
    browser.wait_until("!document.getElementById('door').hidden");
    browser.run("document.getElementById('name').value = ''");
    browser.keys("#name", &format!("{name}{ENTER}"));
}

/// Types a message.
fn say(browser: &Browser, text: &str) {
    browser.keys("#text", &format!("{text}{ENTER}"));
}

/// Waits until the log shows this.
fn wait_for(browser: &Browser, text: &str) {
    let quoted = serde_json::to_string(text).unwrap();
    browser.wait_until(&format!("document.getElementById('log').textContent.includes({quoted})"));
}

/// What the log shows of messages, in their order: `name: text`.
fn messages(browser: &Browser) -> Vec<String> {
    let rows = browser.run(
        "return [...document.querySelectorAll('#log .row')].map((row) => row.querySelector('.name').textContent + ': ' + row.querySelector('.text').textContent)",
    );
    rows.as_array().unwrap().iter().map(|row| row.as_str().unwrap().to_owned()).collect()
}

/// Waits until nothing of the own is unconfirmed.
fn wait_until_confirmed(browser: &Browser) {
    browser.wait_until("document.getElementById('pending').childElementCount === 0");
}

/// Checks that the browser has nothing to complain of, and has asked nobody else.
fn check_clean(browser: &Browser) {
    assert_eq!(browser.console(), Vec::<String>::new());
    let foreign = browser.text(
        "performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => !name.startsWith(location.origin))",
    );
    assert_eq!(foreign, "");
}

#[test]
fn page_terminal_and_script_are_in_one_room() {
    let _machine = share_machine();
    let server = RoomServer::start_with_page(&[]);
    let browser = Browser::start();
    let tcp = server.tcp.to_string();
    let mut script = Process::start(&["client", "--tcp", &tcp, "--name", "bob", "--json"]);
    script.output.find("history_end");
    join(&browser, &server, "ann");
    say(&browser, "hello <b>there</b>");
    wait_for(&browser, "ann: hello <b>there</b>");
    script.output.find("hello <b>there</b>");
    script.write(b"hi ann\n");
    wait_for(&browser, "bob: hi ann");
    say(&browser, "/me waves");
    script.output.find("\"action\":true");
    wait_for(&browser, "* ann waves");
    wait_until_confirmed(&browser);
    // Another tab is another member.
    let (first, second) = (browser.tab(), browser.open_tab());
    browser.open(&format!("http://{}/", server.page()));
    enter(&browser, "ANN");
    browser.wait_until("document.getElementById('refusal').textContent.includes('(16)')");
    assert_eq!(browser.text("document.getElementById('name').getAttribute('aria-invalid')"), "true");
    enter(&browser, "carl");
    browser.wait_until("!document.getElementById('room').hidden");
    wait_for(&browser, "ann: hello <b>there</b>");
    say(&browser, "good morning");
    browser.switch_to(&first);
    wait_for(&browser, "carl: good morning");
    browser.switch_to(&second);
    // Leaving frees the name, and says so to the others.
    say(&browser, "/quit");
    browser.wait_until("!document.getElementById('door').hidden");
    script.output.find("\"left\"");
    browser.switch_to(&first);
    wait_for(&browser, "good morning");
    check_clean(&browser);
}

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
fn own_line_is_in_sight_from_sending_to_the_log() {
    let _machine = share_machine();
    let server = RoomServer::start_with_page(&[]);
    let browser = Browser::start();
    let mut bob = Connection::joined(server.tcp, "bob", 2);
    join(&browser, &server, "ann");
    // The screen stands still: what the page has been told is not drawn before the screen goes on.
    browser.run("window.held = []; window.requestAnimationFrame = (draw) => window.held.push(draw)");
    say(&browser, "a line of my own");
    hear_until(&mut bob, "ann: a line of my own");
    // Who is here is shown at once, so the page has been told all before that.
    let _carl = Connection::joined(server.tcp, "carl", 3);
    browser.wait_until("document.getElementById('people-button').textContent === '3 here'");
    assert_eq!(messages(&browser), Vec::<String>::new());
    assert_eq!(browser.text("document.querySelector('#pending .text').textContent"), "a line of my own");
    browser.run("window.held.splice(0).forEach((draw) => draw())");
    assert_eq!(messages(&browser), ["ann: a line of my own"]);
    assert_eq!(browser.text("document.getElementById('pending').childElementCount"), "0");
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
fn duplicated_tab_is_a_member_of_its_own() {
    let _machine = share_machine();
    let server = RoomServer::start_with_page(&[]);
    let browser = Browser::start();
    join(&browser, &server, "ann");
    let first = browser.tab();
    // It has a copy of the tab's storage.
    browser.run("window.open('/')");
    browser.wait_until("true");
    let second = browser.tabs().into_iter().find(|tab| *tab != first).expect("a tab was opened");
    browser.switch_to(&second);
    browser.wait_until("!document.getElementById('door').hidden");
    assert_eq!(browser.text("document.getElementById('name').value"), "ann");
    enter(&browser, "ann2");
    browser.wait_until("!document.getElementById('room').hidden");
    say(&browser, "from the second");
    browser.switch_to(&first);
    wait_for(&browser, "ann2: from the second");
    say(&browser, "from the first");
    browser.switch_to(&second);
    wait_for(&browser, "ann: from the first");
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

#[test]
fn hostile_texts_are_shown_as_text_and_as_the_document_says() {
    let _machine = share_machine();
    let server = RoomServer::start_with_page(&[]);
    let browser = Browser::start();
    join(&browser, &server, "ann");
    let mut bob = Connection::joined(server.tcp, "bob", 2);
    let texts = [
        "<img src=x onerror=\"document.title='owned'\">".to_owned(),
        "<script>document.title='owned'</script>".to_owned(),
        "</div></div><h1>big</h1>".to_owned(),
        "javascript:alert(1) &lt;b&gt; ${1+1} {{7*7}}".to_owned(),
        "\u{202e}evil".to_owned(),
        format!("x{}", "\u{301}".repeat(511)),
    ];
    for (number, text) in (1..).zip(&texts) {
        bob.say(number, text);
    }
    bob.say(7, "the end");
    wait_for(&browser, "the end");
    let shown = messages(&browser);
    for (shown, text) in shown.iter().zip(&texts).take(4) {
        assert_eq!(shown, &format!("bob: {text}"));
    }
    assert_eq!(shown[4], "bob: \u{fffd}evil");
    assert_eq!(shown[5], format!("bob: x{}{}", "\u{301}".repeat(4), "\u{fffd}".repeat(507)));
    assert_eq!(browser.text("document.querySelectorAll('#log img, #log script, #log h1, #log b').length"), "0");
    assert_eq!(browser.text("document.title"), "Chat");
    // Rows of the document's table: three cells, the first two strings of JSON.
    let document = tests::workspace::read("docs/display.md");
    let mut cases = 0;
    for line in document.lines().filter(|line| line.starts_with("| `\"")) {
        let cells: Vec<_> = line.split(" | ").map(|cell| cell.trim_matches(['|', ' ']).trim_matches('`')).collect();
        let displayed = browser.run(&format!("return JSON.stringify(chatHost.display({}))", cells[0]));
        let (displayed, expected): (String, String) =
            (serde_json::from_str(displayed.as_str().unwrap()).unwrap(), serde_json::from_str(cells[1]).unwrap());
        assert_eq!(displayed, expected, "{line}");
        cases += 1;
    }
    assert!(cases > 15, "only {cases}");
    check_clean(&browser);
}

#[test]
fn flood_is_drawn_in_batches_and_typing_stays_fast() {
    let _machine = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    let server = RoomServer::start_with_page(&["--rate", "off"]);
    let browser = Browser::start();
    join(&browser, &server, "ann");
    let mut bob = Connection::joined(server.tcp, "bob", 2);
    let mut number = 0;
    for (slower, longest_max) in [(1, 100.0), (6, 300.0)] {
        browser.command("Emulation.setCPUThrottlingRate", &json!({"rate": slower}));
        let (mut is_fast, mut slow_floods) = (false, 0);
        for flood in 1..=FLOODS_MAX {
            let Answers { keys, mut slow, percent_of_others } = type_in_flood(&server, &browser, &mut bob, &mut number);
            let longest = slow.iter().copied().fold(0.0, f64::max);
            slow.retain(|&answer| answer > longest_max);
            eprintln!(
                "CPU {slower} times slower, flood {flood}: of {keys} keys {} took more than {longest_max} ms, the longest {longest} ms; \
                 others had {percent_of_others}% of the machine",
                slow.len()
            );
            is_fast = slow.len() * SLOW_PART <= keys;
            if is_fast {
                break;
            }
            slow_floods += u32::from(percent_of_others <= PERCENT_OF_OTHERS_MAX);
        }
        if !is_fast && slow_floods <= FLOODS_MAX / 2 {
            eprintln!("Others have too much of the machine: whether keys are fast cannot be told.");
        } else {
            assert!(is_fast, "too many keys took more than {longest_max} ms with a CPU {slower} times slower");
        }
    }
    browser.command("Emulation.setCPUThrottlingRate", &json!({"rate": 1}));
    say(&browser, "still here");
    wait_for(&browser, "ann: still here");
    check_clean(&browser);
}

/// Most floods until one of them lets the keys be as fast as they should. A page that is slow is slow in every flood.
const FLOODS_MAX: u32 = 5;

/// Where others have more of the machine than this, slow keys do not tell a slow page.
const PERCENT_OF_OTHERS_MAX: u64 = 10;

/// One key in so many may be slower than it should.
const SLOW_PART: usize = 20;

/// How fast a page was while somebody typed.
struct Answers {
    /// How many keys were pressed.
    keys: usize,
    /// From a key to the picture that shows it, in milliseconds as the browser measures it: those that took 16 ms or more.
    slow: Vec<f64>,
    /// How much of the machine others had meanwhile.
    percent_of_others: u64,
}

/// Floods the room with 5,000 messages while somebody types.
fn type_in_flood(server: &RoomServer, browser: &Browser, bob: &mut Connection, number: &mut u32) -> Answers {
    browser.run(
        "window.answers = [];
         if (!window.watch) { window.watch = new PerformanceObserver((list) => list.getEntries().forEach((entry) => { if (entry.name === 'keydown') window.answers.push(entry.duration); }));
           window.watch.observe({ type: 'event', durationThreshold: 16, buffered: false }); }",
    );
    let end = *number + 5_000;
    let mut keys = 0;
    let ticks = || CpuTicks::count(&[std::process::id(), server.process.id()], browser.group());
    let since = ticks();
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            while *number < end {
                *number += 1;
                bob.say(*number, &format!("message {number} of a flood that nobody could read"));
                // Own messages come back, and are read so that this reader is not lagged.
                bob.hear();
            }
        });
        while !flood.is_finished() || keys < SLOW_PART {
            browser.press("x");
            keys += 1;
        }
    });
    wait_for(browser, &format!("message {end} "));
    let percent_of_others = ticks().percent_of_others(since);
    assert!(browser.text("document.getElementById('log').childElementCount").parse::<u32>().unwrap() <= 500);
    assert_eq!(browser.text("document.getElementById('text').value.length"), keys.to_string());
    browser.run("document.getElementById('text').value = ''");
    let slow = serde_json::from_str(&browser.text("JSON.stringify(window.answers)")).unwrap();
    Answers { keys, slow, percent_of_others }
}

/// Checks that axe-core finds nothing that keeps people out, if it is there.
fn check_accessible(browser: &Browser, name: &str) {
    let Some(source) = std::env::var_os("CHAT_HOST_AXE").and_then(|path| std::fs::read_to_string(path).ok()) else {
        return;
    };
    browser.run(&source);
    let found = browser.run_async(
        "const done = arguments[arguments.length - 1];
         axe.run(document).then((results) => done(results.violations.map((violation) =>
           `${violation.impact} ${violation.id}: ${violation.nodes.map((node) => node.html + ' ' + node.failureSummary).join('; ')}`)));",
    );
    assert_eq!(found, serde_json::json!([]), "{name}: {found:#}");
}

/// Checks that the invitation's code leads to the address that is written below it, on every screen.
fn check_code(browser: &Browser) {
    let url = browser.text("document.querySelector('.url').textContent");
    for (width, height) in SCREENS {
        for scheme in ["light", "dark"] {
            browser.set_screen(width, height, scheme);
            browser.wait_until(&format!("innerWidth === {width}"));
            let picture = STANDARD.decode(browser.screenshot()).unwrap();
            assert_eq!(qr::read_png(&picture), url, "{width} {scheme}");
        }
    }
}

/// The sizes of a small phone, a tablet and a projector.
const SCREENS: [(u32, u32); 3] = [(320, 568), (768, 1024), (1_920, 1_080)];

/// Shows the page on all screens, light and dark, and keeps pictures of it in `target/page`.
fn take_pictures(browser: &Browser, name: &str) {
    let folder = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("page");
    std::fs::create_dir_all(&folder).unwrap();
    for (width, height) in SCREENS {
        for scheme in ["light", "dark"] {
            browser.set_screen(width, height, scheme);
            browser.wait_until(&format!("innerWidth === {width}"));
            let fits = browser.text("document.documentElement.scrollWidth <= innerWidth");
            assert_eq!(fits, "true", "{name} is wider than {width}");
            let picture = STANDARD.decode(browser.screenshot()).unwrap();
            std::fs::write(folder.join(format!("{name}-{width}-{scheme}.png")), picture).unwrap();
            check_accessible(browser, &format!("{name} {width} {scheme}"));
        }
    }
}

#[test]
fn page_fits_every_screen() {
    let _machine = share_machine();
    let server = RoomServer::start_with_page(&[]);
    let browser = Browser::start();
    browser.open(&format!("http://{}/", server.page()));
    take_pictures(&browser, "door");
    join(&browser, &server, "Ann");
    let mut others = ["Jürgen", "Мария", "שרה"].map(|name| Connection::joined(server.tcp, name, name.as_bytes()[1]));
    others[0].say(1, &format!("a word that does not end: {}", "word".repeat(60)));
    others[2].say(1, "שלום לכולם");
    wait_for(&browser, "שלום");
    for (index, number, text) in
        [(1, 1, "good morning! who has measured the pond?"), (0, 2, "we have: 11.5 degrees at the bridge")]
    {
        others[index].say(number, text);
        wait_for(&browser, text);
    }
    say(&browser, "12 at the island. Do we write both down?");
    wait_for(&browser, "both down");
    others[1].say(2, "yes, both, with the time");
    wait_for(&browser, "with the time");
    say(&browser, "/me takes notes");
    wait_for(&browser, "takes notes");
    for (index, number, text) in
        [(0, 3, "the water is brown behind the mill"), (1, 3, "ours is clear. We bring some in a glass")]
    {
        others[index].say(number, text);
        wait_for(&browser, text);
    }
    say(&browser, "bring the lid too");
    wait_for(&browser, "bring the lid too");
    browser.keys("#text", "what I am typing");
    take_pictures(&browser, "room");
    browser.run("document.getElementById('people-button').click()");
    browser.wait_until("document.getElementById('names').childElementCount === 4");
    take_pictures(&browser, "people");
    browser.open(&format!("http://{}/invite", server.page()));
    take_pictures(&browser, "invite");
    check_code(&browser);
    assert_eq!(browser.console(), Vec::<String>::new());
}
