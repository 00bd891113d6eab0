//! The Pi's name in the local network: answers multicast DNS for `HOSTNAME.local`, and shows the chat to browsers of services. It asks
//! nothing, and keeps nothing of what it hears except what RFC 6762 needs so that two machines do not have the same name.

use mdns_sd::{DaemonEvent, IfKind, ServiceDaemon, ServiceInfo};

/// The type of service that browsers of services see.
const SERVICE: &str = "_chat-host._tcp.local.";

/// Pause between two checks whether an address came or went, in seconds.
const ADDRESS_CHECK_SECONDS: u32 = 2;

/// Answers until the responder ends, which is an error. Addresses that come later are answered with too.
pub(crate) fn run(hostname: &str, room_port: u16, relay_port: u16) -> Result<(), String> {
    let daemon = start(hostname, room_port, relay_port).map_err(|error| format!("multicast DNS: {error}"))?;
    let events = daemon.monitor().map_err(|error| format!("multicast DNS: {error}"))?;
    while let Ok(event) = events.recv() {
        match event {
            DaemonEvent::NameChange(change) => {
                println!("pi: another machine has the name {}: this one is {}", change.original, change.new_name);
            }
            DaemonEvent::IpAdd(address) => println!("pi: {hostname}.local is {address}"),
            DaemonEvent::Error(error) => println!("pi: multicast DNS: {error}"),
            _ => {}
        }
    }
    Err("multicast DNS has ended".to_owned())
}

/// Starts the responder on every interface but the loopback.
fn start(hostname: &str, room_port: u16, relay_port: u16) -> Result<ServiceDaemon, mdns_sd::Error> {
    let daemon = ServiceDaemon::new()?;
    daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
    daemon.set_ip_check_interval(ADDRESS_CHECK_SECONDS)?;
    let relay = relay_port.to_string();
    let properties = [("udp", relay.as_str())];
    let service = ServiceInfo::new(SERVICE, hostname, &format!("{hostname}.local."), "", room_port, &properties[..])?;
    daemon.register(service.enable_addr_auto())?;
    Ok(daemon)
}
