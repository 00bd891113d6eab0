//! The room from end to end: the real server on loopback, and clients that speak the protocol.
#![cfg(not(loom))]

mod ends; // ends above the rate
mod faults; // the other side's faults
mod messages; // messages
mod names; // names
mod takeover; // a member that goes on elsewhere

use tests::process::RoomServer;
use tests::tcp::Connection;

/// A room without a rate limit.
fn room() -> RoomServer {
    RoomServer::start("127.0.0.1:0", &["--rate", "off"])
}

/// Joins with a name; returns the connection, or the reason of the refusal.
fn try_join(room: &RoomServer, name: &str, token: u8) -> Result<Connection, String> {
    let mut connection = Connection::new(room.tcp);
    connection.send_join(name, [token; 16], None);
    connection.hear_welcome().map(|_| connection)
}

/// Joins with a name again and again until it is free.
fn join_when_free(room: &RoomServer, name: &str) -> Connection {
    loop {
        match try_join(room, name, 9) {
            Ok(connection) => return connection,
            Err(refusal) => assert_eq!(refusal, "refused 16"),
        }
    }
}
