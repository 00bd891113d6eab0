//! The page on screens from a phone's to a projector's, light and dark, for people with a screen reader too.

use crate::page::{join, say, share_machine, wait_for};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tests::browser::Browser;
use tests::process::RoomServer;
use tests::qr;
use tests::tcp::Connection;

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

/// Whether the field for messages is as high as its text, which has one line: it was written on another screen.
const FIELD_IS_ONE_LINE_HIGH: &str = "(() => {
    const field = document.getElementById('text');
    if (!field) return true;
    const [height, style] = [field.offsetHeight, field.style.height];
    field.style.height = 'auto';
    const natural = field.offsetHeight;
    field.style.height = style;
    return Math.abs(height - natural) <= 3;
})()";

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
            browser.wait_until(FIELD_IS_ONE_LINE_HIGH);
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
    others[2].say(2, "who writes it on the wall, so that we can compare?");
    wait_for(&browser, "compare?");
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
