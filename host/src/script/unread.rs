//! Standard input beside `--exec`, which is not read: whoever sends something there is told so.

/// Tells in one line on standard error once something stands in standard input. What is there stays for others: the loop of a shell
/// script may read it. An empty file, `/dev/null` and a pipe that ends without a byte are nothing.
#[cfg(unix)]
pub(super) fn watch() {
    use crate::log::{self, Level};
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::io;
    use std::os::fd::AsFd as _;

    let wait = || {
        let input = io::stdin();
        let mut sources = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        // A signal interrupts it.
        while poll(&mut sources, PollTimeout::NONE) == Err(nix::errno::Errno::EINTR) {}
        if rustix::io::ioctl_fionread(&input).is_ok_and(|bytes| bytes > 0) {
            log::say(Level::Warning, "standard input is not read: with --exec, only what the program prints is said");
        }
    };
    // Without the thread all but this line works.
    drop(std::thread::Builder::new().name("unread".to_owned()).spawn(wait));
}

/// Windows cannot tell without reading.
#[cfg(not(unix))]
pub(super) fn watch() {}
