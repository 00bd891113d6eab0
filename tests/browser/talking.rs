//! The page in a room with others, and what it shows of what they say.

use crate::page::{check_clean, enter, hear_until, join, messages, say, share_machine, wait_for, wait_until_confirmed};
use tests::browser::Browser;
use tests::process::{Process, RoomServer};
use tests::tcp::Connection;

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
