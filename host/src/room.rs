//! The room's drivers: sockets, threads and time around the machines of `chat_core::room`.

#[cfg(all(not(loom), feature = "client"))]
pub mod client;
#[cfg(all(not(loom), target_os = "linux"))]
pub(crate) mod prober;
#[cfg(target_os = "linux")]
pub mod server;
