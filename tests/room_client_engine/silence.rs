//! A server that says nothing.

use crate::world::{CONFIG, World, room};
use chat_core::frame::Frame;
use chat_core::room::Message;
use chat_core::room::client::{DisconnectCause, Output};

#[test]
fn silent_server_is_asked_and_then_given_up() {
    let mut world = World::new(room(1, 4_096), None);
    world.settle();
    world.link = None;
    let ping = world.now + CONFIG.ping_after;
    assert_eq!(world.client.poll_timeout(), Some(ping));
    world.client.handle_timeout(ping);
    let mut frame = Frame::EMPTY;
    assert_eq!(world.client.poll_frame(), Some(frame.encode(&Message::Ping).unwrap()));
    let gone = world.now + CONFIG.gone_after;
    assert_eq!(world.client.poll_timeout(), Some(gone));
    world.client.handle_timeout(gone);
    assert_eq!(world.client.poll_output(), Some(Output::Disconnect));
    assert_eq!(world.client.poll_output(), Some(Output::Broken(DisconnectCause::Silent)));
    // The connection had held for long: the next one is opened at once.
    assert_eq!(world.client.poll_timeout(), Some(gone));
    world.now = gone;
    world.settle();
    assert_eq!(world.resumptions.len(), 1);
}
