//! What a client does when it is refused (section 5).

use super::{client_that_asks, document, encode};
use chat_core::refusal::RefusalReason;
use chat_core::room::Message;
use chat_core::time::Instant;
use std::time::Duration;
use tests::document::{rows, section};

#[test]
fn client_does_after_each_refusal_what_the_table_says() {
    let document = document();
    let section = section(&document, "## 5. The client");
    let table = section.split("**ROOM-CLIENT-11**").nth(1).unwrap().split("\n\nWhat WELCOME").next().unwrap();
    let rows: Vec<_> = rows(table).skip(2).collect();
    assert_eq!(rows.len(), 4);
    let listed =
        |row: &[&str], reason: u16| row[0].split(", ").any(|cell| cell.split(' ').next() == Some(&reason.to_string()));
    for &reason in RefusalReason::ALL {
        // Who is in no row is in the last one, which is that of any other reason.
        let row = rows.iter().find(|row| listed(row, reason.into())).unwrap_or(&rows[3])[1];
        for was_in in [false, true] {
            let mut client = client_that_asks(was_in);
            let now = Instant::from_millis(0);
            client.handle_bytes(now, &mut &*encode(&Message::Refused { reason }).1);
            let never = row.starts_with("never") || row.ends_with("if it was in before; else never") && !was_in;
            assert_eq!(client.is_ended(), never, "{reason}, in before: {was_in}, {row}");
            let pause_min = if row.contains("address_pause_min") { 60_000 } else { 1 };
            let due = client.poll_timeout();
            assert!(never || due.unwrap() - now >= Duration::from_millis(pause_min), "{reason}: {due:?}, {row}");
        }
    }
}
