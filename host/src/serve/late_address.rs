//! Waits for addresses that this machine does not have yet: when a machine starts, its services may run before a DHCP server has given
//! it an address (docs/command-line.md, Service managers).
//!
//! This is for a service manager alone. At a terminal and in a script an address that is not there is a mistake, which is told at once.

use super::supervisor::Supervisor;
use crate::command::{Serve, Web};
use crate::log::{self, Level};
use crate::signals::{SignalRequest, SignalRequests};
use async_io::Timer;
use smol::future;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::time::Duration;

/// How often it is looked whether the address has come. The kernel tells of addresses by netlink only.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Waits until this machine has every address that the command line names, and says which one it waits for. `Break` if a signal asks
/// for the end before.
pub(super) async fn wait_for_addresses(
    options: &Serve,
    supervisor: &Supervisor,
    requests: &mut SignalRequests,
) -> ControlFlow<()> {
    let pages = options.web.iter().filter_map(|web| if let Web::At(address) = web { Some(*address) } else { None });
    let interval = supervisor.watchdog_interval().map_or(LOOK_INTERVAL, |interval| interval.min(LOOK_INTERVAL));
    for address in options.udp.into_iter().chain(options.tcp).chain(pages) {
        let mut told: Option<IpAddr> = None;
        while !is_here(address) {
            if told.is_none() {
                let what = format!("waiting for the address {}, which this machine does not have yet", address.ip());
                log::say(Level::Warning, format_args!("{what}"));
                supervisor.tell_waiting(&what);
                told = Some(address.ip());
            }
            supervisor.tell_alive();
            let pause = async {
                Timer::after(interval).await;
                None
            };
            if let Some(SignalRequest::End) = future::or(pause, async { Some(requests.next().await) }).await {
                return ControlFlow::Break(());
            }
        }
        if let Some(ip) = told {
            log::say(Level::Information, format_args!("the address {ip} is there"));
            supervisor.tell_waiting("");
        }
    }
    ControlFlow::Continue(())
}

/// Whether a socket could have this address: any port of it is tried. Other errors are for whoever binds the socket.
fn is_here(mut address: SocketAddr) -> bool {
    address.set_port(0);
    !UdpSocket::bind(address).is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable)
}
