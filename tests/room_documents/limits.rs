//! Limits and timers (section 8, and those in the text of section 3).

use super::document;
use chat_core::limits;
use chat_core::room::client::Config as ClientConfig;
use chat_core::room::server::Config;
use std::collections::HashMap;
use std::time::Duration;
use tests::document::{rows, section};

#[test]
fn limits_and_timers_are_those_of_the_code() {
    let document = document();
    let documented: HashMap<_, _> = rows(section(&document, "## 8. Limits and timers"))
        .filter_map(|row| Some((row[0].trim_matches('`').to_owned(), row[1].split(' ').next()?.parse().ok()?)))
        .collect();
    let millis = |span: Duration| usize::try_from(span.as_millis()).unwrap();
    let (config, client) = (Config::DEFAULT, ClientConfig::DEFAULT);
    let rate = config.rate.unwrap();
    let address = chat_core::room::server::AddressLimits::DEFAULT;
    let expected: HashMap<_, usize> = [
        ("frame_bytes_max", limits::FRAME_BYTES_MAX),
        ("frame_stuffed_bytes_max", limits::FRAME_STUFFED_BYTES_MAX),
        ("text_bytes_max", limits::TEXT_BYTES_MAX),
        ("name_bytes_max", limits::NAME_BYTES_MAX),
        ("history_messages_max", limits::HISTORY_MESSAGES_MAX),
        ("page_slots", usize::try_from(limits::PAGE_SLOTS).unwrap()),
        ("departed_max", limits::DEPARTED_MAX),
        ("address_connections_max", usize::try_from(address.connections_max).unwrap()),
        ("address_joins_burst", usize::from(address.joins.burst)),
        ("address_joins_per_second", usize::from(address.joins.per_second)),
        ("announced_members_max", usize::try_from(config.announced_members_max).unwrap()),
        ("rate_burst", usize::from(rate.burst)),
        ("rate_per_second", usize::from(rate.per_second)),
        ("join_max", millis(config.join_max)),
        ("ping_after", millis(config.ping_after)),
        ("gone_after", millis(config.gone_after)),
        ("stalled_after", millis(config.stalled_after)),
        ("room_port", usize::from(chat_core::room::PORT)),
        ("welcome_max", millis(client.welcome_max)),
        ("retry_pause_min", millis(client.retry_pause_min)),
        ("retry_pause_max", millis(client.retry_pause_max)),
        ("steady_after", millis(client.steady_after)),
        ("address_pause_min", millis(client.address_pause_min)),
        ("answer_max", millis(client.answer_max)),
        ("malformed_max", usize::try_from(client.malformed_max).unwrap()),
        ("room_outbox_messages_max", limits::ROOM_OUTBOX_MESSAGES_MAX),
        ("room_outbox_bytes_max", limits::ROOM_OUTBOX_BYTES_MAX),
        ("websocket_frame_bytes_max", limits::WEBSOCKET_FRAME_BYTES_MAX),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    assert_eq!(documented, expected);
}

#[test]
fn limits_in_the_text_are_those_of_the_code() {
    let document = document();
    let framing = section(&document, "## 3. Framing");
    for (number, written) in
        [(limits::FRAME_BYTES_MAX, "length(out) > 1200:"), (limits::FRAME_STUFFED_BYTES_MAX, "length(buffer) == 1205:")]
    {
        assert!(written.contains(&number.to_string()) && framing.contains(written), "{written}");
    }
}
