//! Name servers that routers advertise (RFC 8106), each as long as its lifetime says. No socket and no clock is inside.

use std::net::Ipv6Addr;
use std::time::Duration;

/// The ICMPv6 type of a router's advertisement.
const ADVERTISEMENT: u8 = 134;

/// Bytes of an advertisement before its options (RFC 4861 section 4.2).
const HEAD_BYTES: usize = 16;

/// The option that names name servers (RFC 8106 section 5.1).
const RECURSIVE_DNS: u8 = 25;

/// A lifetime without an end.
const FOREVER: u32 = u32::MAX;

/// Name servers that are kept. The C library asks three.
const SERVERS_MAX: usize = 3;

/// A name server, and when it is none any more. Times are since an arbitrary zero.
type Server = (Ipv6Addr, Option<Duration>);

/// The name servers that are advertised at present.
#[derive(Debug, Default)]
pub(super) struct Servers(Vec<Server>);

impl Servers {
    /// Takes an ICMPv6 message that a router of the link has sent. A further server finds no place while there are three.
    pub(super) fn handle_message(&mut self, now: Duration, message: &[u8]) {
        if message.first() != Some(&ADVERTISEMENT) || message.get(1) != Some(&0) {
            return;
        }
        let mut rest = message.get(HEAD_BYTES..).unwrap_or_default();
        while let [kind, units, ..] = *rest {
            let length = usize::from(units) * 8;
            // An option of no length would never end; then the whole message is wrong (RFC 4861 section 4.6).
            let Some((option, next)) = rest.split_at_checked(length).filter(|_| length > 0) else { return };
            if kind == RECURSIVE_DNS && length >= 24 {
                let lifetime = option[4..8].iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
                for address in option[8..].chunks_exact(16) {
                    let address = address.iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
                    self.take(now, Ipv6Addr::from(address), lifetime);
                }
            }
            rest = next;
        }
    }

    /// Takes a server for so many seconds from now; 0 ends it.
    fn take(&mut self, now: Duration, address: Ipv6Addr, seconds: u32) {
        let ends_at = (seconds != FOREVER).then(|| now + Duration::from_secs(seconds.into()));
        let is_host = !address.is_unspecified() && !address.is_loopback() && !address.is_multicast();
        let position = self.0.iter().position(|(known, _)| *known == address);
        match position {
            Some(position) if seconds == 0 => drop(self.0.remove(position)),
            Some(position) => self.0[position].1 = ends_at,
            None if seconds > 0 && is_host && self.0.len() < SERVERS_MAX => self.0.push((address, ends_at)),
            None => {}
        }
    }

    /// When the next server ends.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        self.0.iter().filter_map(|(_, ends_at)| *ends_at).min()
    }

    /// Forgets the servers whose lifetime is over.
    pub(super) fn handle_timeout(&mut self, now: Duration) {
        self.0.retain(|(_, ends_at)| ends_at.is_none_or(|ends_at| now < ends_at));
    }

    /// The servers, as a resolver on this interface takes them.
    pub(super) fn names(&self, interface: &str) -> Vec<String> {
        let name = |address: Ipv6Addr| match address.is_unicast_link_local() {
            true => format!("{address}%{interface}"),
            false => address.to_string(),
        };
        self.0.iter().map(|(address, _)| name(*address)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    /// An advertisement with an option for a prefix's router, and these servers for so many seconds.
    fn advertisement(seconds: u32, servers: &[&str]) -> Vec<u8> {
        let mut message = vec![ADVERTISEMENT, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        message.extend([1, 1, 2, 0, 0, 0, 0, 9]);
        message.extend([RECURSIVE_DNS, u8::try_from(1 + 2 * servers.len()).unwrap(), 0, 0]);
        message.extend(seconds.to_be_bytes());
        for server in servers {
            message.extend(server.parse::<Ipv6Addr>().unwrap().octets());
        }
        message
    }

    #[test]
    fn advertised_servers_are_taken_until_their_lifetime_ends() {
        let mut servers = Servers::default();
        servers.handle_message(NOW, &advertisement(60, &["2001:db8::53", "fe80::1"]));
        assert_eq!(servers.names("eth0"), ["2001:db8::53", "fe80::1%eth0"]);
        let end = NOW + Duration::from_secs(60);
        assert_eq!(servers.poll_timeout(), Some(end));
        servers.handle_timeout(end - Duration::from_millis(1));
        assert_eq!(servers.names("eth0").len(), 2);
        servers.handle_timeout(end);
        assert_eq!((servers.names("eth0").len(), servers.poll_timeout()), (0, None));
    }

    #[test]
    fn later_advertisement_prolongs_and_a_lifetime_of_zero_ends() {
        let mut servers = Servers::default();
        servers.handle_message(NOW, &advertisement(60, &["2001:db8::1", "2001:db8::2"]));
        servers.handle_message(NOW, &advertisement(FOREVER, &["2001:db8::1"]));
        assert_eq!(servers.poll_timeout(), Some(NOW + Duration::from_secs(60)));
        servers.handle_message(NOW, &advertisement(0, &["2001:db8::2", "2001:db8::3"]));
        assert_eq!((servers.names("eth0"), servers.poll_timeout()), (vec!["2001:db8::1".to_owned()], None));
    }

    #[test]
    fn fourth_server_and_addresses_of_no_machine_are_left_out() {
        let mut servers = Servers::default();
        servers.handle_message(NOW, &advertisement(60, &["::", "::1", "ff02::1", "2001:db8::1"]));
        servers.handle_message(NOW, &advertisement(60, &["2001:db8::2", "2001:db8::3", "2001:db8::4"]));
        assert_eq!(servers.names("eth0"), ["2001:db8::1", "2001:db8::2", "2001:db8::3"]);
    }

    #[test]
    fn every_truncation_and_other_messages_are_survived() {
        let message = advertisement(60, &["2001:db8::1"]);
        for length in 0..message.len() {
            let mut servers = Servers::default();
            servers.handle_message(NOW, &message[..length]);
            assert!(servers.names("eth0").is_empty(), "{length}");
        }
        for (position, byte) in [(0, 135), (1, 1), (17, 0), (17, 200)] {
            let mut other = message.clone();
            other[position] = byte;
            let mut servers = Servers::default();
            servers.handle_message(NOW, &other);
            assert!(servers.names("eth0").is_empty(), "{position}");
        }
    }
}
