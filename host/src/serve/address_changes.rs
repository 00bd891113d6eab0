//! Tells when this machine's addresses or interfaces change (rtnetlink(7)). What has changed is not read: whoever waits looks at all
//! addresses anyway.

use nix::libc;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use smol::{Async, Timer};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

/// How long a change may settle: an interface that comes up gets several addresses one after the other.
const SETTLE: Duration = Duration::from_secs(1);

/// How often to look where the kernel tells nothing: a service manager may forbid this kind of socket.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The changes from the moment on that they are watched.
#[derive(Debug)]
pub(super) struct AddressChanges(Option<Async<OwnedFd>>);

impl AddressChanges {
    /// Watches from now on.
    pub(super) fn watch() -> Self {
        Self(open().ok())
    }

    /// Waits until something may have changed. Cancelling loses nothing.
    pub(super) async fn next(&self) {
        let Some(socket) = &self.0 else {
            Timer::after(LOOK_INTERVAL).await;
            return;
        };
        // An error is a reason to look too.
        let _ = socket.readable().await;
        Timer::after(SETTLE).await;
        let mut told = [0; 4_096];
        // What does not fit into the buffer is cut, and an error says that messages were lost: in both cases something has changed.
        while recv(socket.as_raw_fd(), &mut told, MsgFlags::MSG_DONTWAIT).is_ok() {}
    }
}

/// A socket that becomes readable with each change.
fn open() -> io::Result<Async<OwnedFd>> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups.cast_unsigned()))?;
    Async::new(socket)
}
