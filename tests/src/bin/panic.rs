//! A client's terminal whose program panics as soon as a line was typed, for tests/terminal/.
#![cfg_attr(loom, allow(unused))]

#[cfg(not(loom))]
fn main() {
    use chat_host::terminal::{Options, Screen};
    chat_host::log::report_panics();
    let options = Options { reads_input: true, ..Options::default() };
    let (_screen, entries) = Screen::open(&options, &[]).expect("the test gives a terminal");
    let entry = entries.recv_blocking();
    panic!("as the test wants, after {entry:?}");
}

#[cfg(loom)]
fn main() {}
