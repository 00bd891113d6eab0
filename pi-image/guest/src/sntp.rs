//! Asks a time server, and judges whether its answer can be true (docs/pi-image.md, Time).
//!
//! The crate rsntp speaks the protocol; the bounds are ours: never before the day the image was built, never more than 20 years after.

use rsntp::{Config, SntpClient};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, SystemTime};

/// How long a server may take. The time in a later answer would be too old by as much.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);

/// How far after the build a time is believed, in seconds: 20 years, longer than a card lasts.
const SECONDS_AFTER_BUILD_MAX: u64 = 20 * 365 * 86_400;

/// Why there is no time to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There was no answer, or one that is not of the protocol.
    NoAnswer(String),
    /// The time is before the image was built.
    BeforeBuild,
    /// The time is more than 20 years after the image was built.
    FarFuture,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, output: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoAnswer(cause) => write!(output, "no answer ({cause})"),
            Self::BeforeBuild => write!(output, "its time is before this image was built: refused"),
            Self::FarFuture => write!(output, "its time is more than 20 years after this image was built: refused"),
        }
    }
}

/// The port of time servers (RFC 5905 section 7.2).
const PORT: u16 = 123;

/// How many seconds this machine's clock is behind this server's (negative: ahead): an address, or a name that is looked up, each with a
/// port or without. Of a name's addresses the first of IPv4 and the first of IPv6 are asked, in the order of the resolver; each waits
/// for 2 s at most, besides the time to look the name up.
pub(crate) fn ask(server: &str) -> Result<f64, Refused> {
    let no_answer = |error: io::Error| Refused::NoAnswer(error.to_string());
    let found: Vec<SocketAddr> = addresses(server).map_err(no_answer)?;
    let first_of = |is_v6: bool| found.iter().position(|address| address.is_ipv6() == is_v6);
    let mut asked: Vec<usize> = first_of(true).into_iter().chain(first_of(false)).collect();
    asked.sort_unstable();
    let mut outcome = Err(Refused::NoAnswer("the name has no address".to_owned()));
    for address in asked.into_iter().map(|index| found[index]) {
        // By default the crate binds to an address of IPv4, from which no server of IPv6 can be asked.
        let any: IpAddr = if address.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let client = SntpClient::with_config(Config::default().bind_address((any, 0).into()).timeout(ANSWER_TIME_MAX));
        match client.synchronize(address) {
            Ok(answer) => return Ok(answer.clock_offset().as_secs_f64()),
            Err(error) => outcome = Err(Refused::NoAnswer(error.to_string())),
        }
    }
    outcome
}

/// The addresses of a server, with the port.
fn addresses(server: &str) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = server.parse::<IpAddr>() {
        return Ok(vec![(ip, PORT).into()]);
    }
    // Without a colon there is no port: an address of IPv6 with one has brackets.
    let found = if server.contains(':') { server.to_socket_addrs() } else { (server, PORT).to_socket_addrs() };
    found.map(Iterator::collect)
}

/// The time that a clock at `now` should show if it is `behind` by so many seconds, if that time can be true.
pub(crate) fn judge(now: SystemTime, behind: f64, build: u64) -> Result<Duration, Refused> {
    // A clock before 1970 is behind every build.
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let offered = Duration::try_from_secs_f64(now + behind).map_err(|_| Refused::BeforeBuild)?;
    if offered.as_secs() < build {
        Err(Refused::BeforeBuild)
    } else if offered.as_secs() - build > SECONDS_AFTER_BUILD_MAX {
        Err(Refused::FarFuture)
    } else {
        Ok(offered)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::net::UdpSocket;

    /// 2026-01-01.
    const BUILD: u64 = 1_767_225_600;

    /// Seconds from 1900, where the protocol begins, to 1970.
    const SECONDS_1900_TO_1970: u64 = 2_208_988_800;

    /// A server on the loopback that answers one question with this time, in seconds since 1970.
    pub(crate) fn server(seconds: u64) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let mut question = [0; 48];
            let (_, client) = socket.recv_from(&mut question).unwrap();
            // The protocol counts 32 bits of seconds and begins anew in 2036.
            let seconds = ((seconds + SECONDS_1900_TO_1970) & 0xffff_ffff).to_be_bytes();
            let mut answer = [0; 48];
            // No leap second, version 4, server; stratum 1.
            answer[..2].copy_from_slice(&[0x24, 1]);
            answer[12..16].copy_from_slice(b"TEST");
            answer[24..32].copy_from_slice(&question[40..48]);
            answer[32..36].copy_from_slice(&seconds[4..]);
            answer[40..44].copy_from_slice(&seconds[4..]);
            socket.send_to(&answer, client).unwrap();
        });
        address
    }

    fn judged(offered: u64) -> Result<u64, Refused> {
        let behind = ask(&server(offered))?;
        judge(SystemTime::now(), behind, BUILD).map(|time| time.as_secs())
    }

    #[test]
    fn answer_within_bounds_is_the_time() {
        for offered in [BUILD + 100, BUILD + SECONDS_AFTER_BUILD_MAX - 100] {
            assert!(judged(offered).unwrap().abs_diff(offered) <= 1, "{offered}");
        }
    }

    #[test]
    fn server_of_a_name_is_asked_at_its_address_of_either_family() {
        // Most systems know this name with an address of each family; the server has one of them.
        let address = server(BUILD + 100);
        let name = address.replace("127.0.0.1", "localhost");
        assert!(ask(&name).is_ok(), "{name}");
    }

    #[test]
    fn server_is_named_with_a_port_or_without() {
        for (server, address) in [
            ("192.0.2.1", "192.0.2.1:123"),
            ("192.0.2.1:1123", "192.0.2.1:1123"),
            ("2001:db8::1", "[2001:db8::1]:123"),
            ("[2001:db8::1]:1123", "[2001:db8::1]:1123"),
        ] {
            assert_eq!(addresses(server).unwrap(), [address.parse().unwrap()], "{server}");
        }
    }

    #[test]
    fn answer_before_the_build_is_refused() {
        assert_eq!(judged(BUILD - 100), Err(Refused::BeforeBuild));
        assert_eq!(judged(0), Err(Refused::BeforeBuild));
    }

    #[test]
    fn answer_of_the_year_2100_is_refused() {
        assert_eq!(judged(4_102_444_800), Err(Refused::FarFuture));
    }

    #[test]
    fn time_after_the_protocol_begins_anew_in_2036_is_taken() {
        assert!(judged(2_100_000_000).unwrap().abs_diff(2_100_000_000) <= 1);
    }

    #[test]
    fn bounds_hold_to_the_second() {
        let at = |seconds: u64| judge(SystemTime::UNIX_EPOCH, seconds as f64, BUILD);
        assert_eq!(at(BUILD - 1), Err(Refused::BeforeBuild));
        assert!(at(BUILD).is_ok() && at(BUILD + SECONDS_AFTER_BUILD_MAX).is_ok());
        assert_eq!(at(BUILD + SECONDS_AFTER_BUILD_MAX + 1), Err(Refused::FarFuture));
        assert_eq!(judge(SystemTime::UNIX_EPOCH, -5.0, BUILD), Err(Refused::BeforeBuild));
    }

    #[test]
    fn silent_server_is_no_answer() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap().to_string();
        assert!(matches!(ask(&address), Err(Refused::NoAnswer(_))));
    }

    #[test]
    fn answer_to_another_question_is_no_answer() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (_, client) = socket.recv_from(&mut [0; 48]).unwrap();
            let mut forged = [0xa5; 48];
            forged[..2].copy_from_slice(&[0x24, 1]);
            socket.send_to(&forged, client).unwrap();
        });
        assert!(matches!(ask(&address), Err(Refused::NoAnswer(_))));
    }
}
