//! The room client's engine against the room server's engines, over a connection that is cut at every byte.
#![cfg(not(loom))]

mod cuts; // nothing is lost or doubled
mod losses; // what is lost is told, and counted once
mod names; // others of the same name
mod silence; // a server that says nothing
mod world; // the room, the client, and the connections between them
