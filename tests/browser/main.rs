//! The page in a real browser, together with clients at terminals and in scripts. Not part of `cargo test`: tests/run has a step for it,
//! which says so where there is no browser.
#![cfg(not(loom))]

mod flood; // typing while much arrives
mod page; // the page as somebody before it uses it
mod returning; // reloads, sleep, no network, no server
mod screens; // every size, light and dark
mod talking; // with others in the room
