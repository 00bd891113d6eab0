//! The Pi's name in the local network: answers multicast DNS for `HOSTNAME.local`, and shows the chat to browsers of services.
//!
//! The crate mdns-sd probes for the name before it takes it, and takes another one if the name is there. What comes after that (RFC 6762
//! section 9: networks that are joined later) it leaves to us: this asks for the own name again and again, and when another machine
//! answers too, it gives the name up and begins anew with probing, as the RFC wants.

mod neighbours;

use mdns_sd::{
    DaemonEvent, HostnameResolutionEvent, IfKind, RRType, Receiver, RecvTimeoutError, ScopedIp, ServiceDaemon,
    ServiceInfo,
};
use neighbours::{Change, Neighbours};
use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The type of service that browsers of services see.
const SERVICE: &str = "_chat-host._tcp.local.";

/// Pause between two checks whether an address came or went, in seconds.
const ADDRESS_CHECK_SECONDS: u32 = 2;

/// How often the own name is asked for.
const QUESTION_INTERVAL: Duration = Duration::from_secs(20);

/// How long answers may wait until they are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long the responder may take to withdraw its name.
const WITHDRAW_MAX: Duration = Duration::from_secs(2);

/// Answers until the responder ends, which is an error. Addresses that come later are answered with too.
pub(crate) fn run(hostname: &str, room_port: u16, relay_port: u16) -> Result<(), String> {
    let service = service(hostname, room_port, relay_port).map_err(failure)?;
    loop {
        Responder::start(hostname, service.clone()).and_then(Responder::run).map_err(failure)?;
    }
}

/// What the responder cannot do.
#[expect(clippy::needless_pass_by_value, reason = "map_err gives the error away")]
fn failure(error: mdns_sd::Error) -> String {
    format!("multicast DNS: {error}")
}

/// The room as a service, with the relay's port as a property.
fn service(hostname: &str, room_port: u16, relay_port: u16) -> Result<ServiceInfo, mdns_sd::Error> {
    let relay = relay_port.to_string();
    let properties = [("udp", relay.as_str())];
    let service = ServiceInfo::new(SERVICE, hostname, &format!("{hostname}.local."), "", room_port, &properties[..])?;
    Ok(service.enable_addr_auto())
}

/// A responder from its first probe until another machine turns out to have its name.
struct Responder {
    /// The responder.
    daemon: ServiceDaemon,
    /// What it tells.
    events: Receiver<DaemonEvent>,
    /// The service's name, by which it is withdrawn.
    service: String,
    /// The name of the settings, as `pi.local.`.
    wanted: String,
    /// The name that it has at present: another one if the name of the settings was there.
    name: String,
    /// Every address that this machine has had since: answers with an earlier one are its own too.
    own: HashSet<IpAddr>,
}

impl Responder {
    /// Starts on every interface but the loopback.
    fn start(hostname: &str, service: ServiceInfo) -> Result<Self, mdns_sd::Error> {
        let daemon = ServiceDaemon::new()?;
        daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        daemon.set_ip_check_interval(ADDRESS_CHECK_SECONDS)?;
        // While it probes with an address that has just come, it takes what it has said of an earlier one for another machine's.
        daemon.set_multicast_loop_v4(false)?;
        daemon.set_multicast_loop_v6(false)?;
        let events = daemon.monitor()?;
        let full_name = service.get_fullname().to_owned();
        daemon.register(service)?;
        let name = format!("{hostname}.local.");
        Ok(Self { daemon, events, service: full_name, wanted: name.clone(), name, own: HashSet::new() })
    }

    /// Answers until another machine answers for the own name too.
    fn run(mut self) -> Result<(), mdns_sd::Error> {
        let mut answers = self.daemon.resolve_hostname(&self.name, None)?;
        let mut asked_at = Instant::now();
        // The machine that has the name of the settings, while this one has another.
        let mut others: Option<(Receiver<HostnameResolutionEvent>, Neighbours)> = None;
        loop {
            let before = self.name.clone();
            match self.events.recv_timeout(LOOK_INTERVAL) {
                Ok(event) => self.take(&event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(mdns_sd::Error::DaemonShutdown),
            }
            self.own.extend(addresses_of_this_machine());
            if self.name != before && others.is_none() {
                others = Some((self.daemon.resolve_hostname(&self.wanted, None)?, Neighbours::default()));
            }
            if self.name != before || asked_at.elapsed() >= QUESTION_INTERVAL {
                answers = self.daemon.resolve_hostname(&self.name, None)?;
                asked_at = Instant::now();
            }
            if let Some(other) = self.foreign_answer(&answers) {
                println!("pi: another machine ({other}) has the name {} too", shown(&self.name));
                return self.withdraw();
            }
            if let Some((events, neighbours)) = &mut others {
                while let Ok(event) = events.try_recv() {
                    let (wanted, name) = (shown(&self.wanted), shown(&self.name));
                    match neighbours.take(&event, &self.own) {
                        Some(Change::Gone) => {
                            println!(
                                "pi: no machine has the name {wanted} any more; this one stays {name} until it starts anew"
                            );
                        }
                        Some(Change::Back) => println!("pi: another machine has the name {wanted} again"),
                        None => {}
                    }
                }
            }
        }
    }

    /// Takes what the responder tells.
    fn take(&mut self, event: &DaemonEvent) {
        match event {
            // Each kind of record of the host's name is told by itself, and the service's name too.
            DaemonEvent::NameChange(change)
                if matches!(change.rr_type, RRType::A | RRType::AAAA) && change.new_name != self.name =>
            {
                println!(
                    "pi: another machine has the name {}: this one is {}",
                    shown(&self.name),
                    shown(&change.new_name)
                );
                self.name.clone_from(&change.new_name);
                for address in addresses_of_this_machine() {
                    println!("pi: {} is {address}", shown(&self.name));
                }
            }
            DaemonEvent::IpAdd(address) => {
                self.own.insert(*address);
                println!("pi: {} is {address}", shown(&self.name));
            }
            DaemonEvent::Error(error) => println!("pi: multicast DNS: {error}"),
            _ => {}
        }
    }

    /// An address that another machine answers with for the own name.
    fn foreign_answer(&self, answers: &Receiver<HostnameResolutionEvent>) -> Option<IpAddr> {
        let mut found = None;
        while let Ok(event) = answers.try_recv() {
            if let HostnameResolutionEvent::AddressesFound(_, addresses) = event {
                let mut addresses = addresses.iter().map(ScopedIp::to_ip_addr);
                found = found.or(addresses.find(|address| !self.own.contains(address)));
            }
        }
        found
    }

    /// Withdraws the name, so that nobody keeps it in mind, and ends the responder.
    fn withdraw(self) -> Result<(), mdns_sd::Error> {
        // If it does not come in time, what others keep in mind ends by itself after two minutes.
        let _ = self.daemon.unregister(&self.service)?.recv_timeout(WITHDRAW_MAX);
        let _ = self.daemon.shutdown()?.recv_timeout(WITHDRAW_MAX);
        Ok(())
    }
}

/// The addresses of all interfaces but the loopback.
fn addresses_of_this_machine() -> Vec<IpAddr> {
    let address = |found: nix::ifaddrs::InterfaceAddress| {
        let address = found.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::from(address.ip())))
    };
    let all = nix::ifaddrs::getifaddrs().into_iter().flatten().filter_map(address);
    all.filter(|address| !address.is_loopback()).collect()
}

/// A name as people write it: without the dot at its end.
fn shown(name: &str) -> &str {
    name.trim_end_matches('.')
}
