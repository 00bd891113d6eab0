//! `HOST[:PORT]` and `ADDR:PORT` of the command line.

use crate::failure::{Failure, cause};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs as _};
use std::str::FromStr;

/// How a host is written. It names no port: each option has another.
const HOST_SHAPE: &str = "write HOST or HOST:PORT, for example pi or 192.168.1.5";

/// What the standard library puts before the system's words for a name that is not found.
const LOOK_UP_PREFIX: &str = "failed to lookup address information: ";

/// A host by name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address, without brackets.
    pub host: String,
    /// The port, if one was given.
    pub port: Option<u16>,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Only browsers know addresses with `/`; a port of the page in one is none of a room.
        if text.contains('/') {
            return Err(format!("{text:?} is an address for a browser; {HOST_SHAPE}"));
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(|| format!("{text:?}: the bracket is not closed"))?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(format!("{text:?}: after ] comes :PORT or nothing")),
            }
        } else {
            match text.split_once(':') {
                // Two colons or more are an IPv6 address, which can have a port only with brackets.
                Some((_, rest)) if rest.contains(':') => (text, None),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let foreign = |character: char| character.is_whitespace() || character.is_control() || character == '@';
        if host.is_empty() || host.starts_with('-') || host.contains(foreign) {
            return Err(format!("{text:?} names no host; {HOST_SHAPE}"));
        }
        let port = match port {
            None => None,
            Some(port) => match port.parse() {
                Ok(0) | Err(_) => {
                    return Err(format!("{text:?}: {port:?} is no port; a port is a number from 1 to 65535"));
                }
                Ok(port) => Some(port),
            },
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl Endpoint {
    /// Looks the host up in another thread. The result is not empty.
    ///
    /// # Errors
    /// The name is not known, or the name server does not answer.
    pub async fn resolve(&self, port_default: u16) -> Result<Vec<SocketAddr>, Failure> {
        if self.host.parse::<IpAddr>().is_ok() {
            // An address is there at once.
            return self.look_up(port_default);
        }
        let failure = || Failure::lost(format!("cannot look {} up: the system starts no thread", self.host));
        // A thread for each, and none of smol's pool: those that have nothing to do wake twice a second.
        let (sender, found) = smol::channel::bounded(1);
        let endpoint = self.clone();
        let look_up = move || drop(sender.try_send(endpoint.look_up(port_default)));
        std::thread::Builder::new().name("look up".to_owned()).spawn(look_up).map_err(|_| failure())?;
        found.recv().await.map_err(|_| failure())?
    }

    /// Looks the host up. The result is not empty.
    ///
    /// # Errors
    /// The name is not known, or the name server does not answer.
    pub fn look_up(&self, port_default: u16) -> Result<Vec<SocketAddr>, Failure> {
        let found = (self.host.as_str(), self.port.unwrap_or(port_default)).to_socket_addrs();
        let reason = match found.map(Iterator::collect::<Vec<_>>) {
            Ok(addresses) if !addresses.is_empty() => return Ok(addresses),
            Ok(_) => "it has no address".to_owned(),
            Err(error) => look_up_cause(&cause(&error)),
        };
        Err(Failure::lost(format!(
            "cannot find {}: {reason}; check the name, or give the address in its place",
            self.host
        )))
    }
}

/// Why a name is not found, without the name of the function that was called.
fn look_up_cause(text: &str) -> String {
    text.strip_prefix(LOOK_UP_PREFIX).map_or_else(|| text.to_owned(), str::to_lowercase)
}

/// Reads `ADDR:PORT`, an address of this machine to bind.
///
/// # Errors
/// A sentence that says what is wrong, and how to write an address.
pub fn parse_bind_address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || {
        format!("{text:?} is no ADDR:PORT; write for example 0.0.0.0:9090, [::]:9090 or 127.0.0.1:0 (0: any free port)")
    };
    // The standard library reads the number of an interface, but not its name.
    let Some((host, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once("]:")) else {
        return text.parse().map_err(|_| wrong());
    };
    let (host, interface) = host.split_once('%').map_or((host, None), |(host, interface)| (host, Some(interface)));
    let address: Ipv6Addr = host.parse().map_err(|_| wrong())?;
    let port = port.parse().map_err(|_| wrong())?;
    let scope = match interface {
        Some(name) => {
            interface_number(name).ok_or_else(|| format!("{text}: this machine has no interface {name:?}"))?
        }
        None if address.is_unicast_link_local() => {
            return Err(format!(
                "{text}: this address is valid on one link alone; add the interface, for example [{address}%eth0]:{port}"
            ));
        }
        None => 0,
    };
    Ok(SocketAddrV6::new(address, port, 0, scope).into())
}

/// The number of an interface that is given by name or number.
fn interface_number(name: &str) -> Option<u32> {
    #[cfg(unix)]
    if let Ok(number) = nix::net::if_::if_nametoindex(name) {
        return Some(number);
    }
    name.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Result<(String, Option<u16>), String> {
        text.parse().map(|endpoint: Endpoint| (endpoint.host, endpoint.port))
    }

    #[test]
    fn hosts_with_and_without_port_are_read() {
        for (text, host, port) in [
            ("pi", "pi", None),
            ("pi.local:9000", "pi.local", Some(9_000)),
            ("192.0.2.1", "192.0.2.1", None),
            ("192.0.2.1:65535", "192.0.2.1", Some(65_535)),
            ("::1", "::1", None),
            ("fe80::1%eth0", "fe80::1%eth0", None),
            ("[::1]", "::1", None),
            ("[::1]:1", "::1", Some(1)),
        ] {
            assert_eq!(endpoint(text), Ok((host.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn malformed_endpoints_are_refused() {
        for text in ["", ":9090", "pi:", "pi:0", "pi:65536", "pi:x", "[::1", "[::1]9", "[]:9"] {
            assert!(endpoint(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_host_is_told_before_anybody_is_asked_for_it() {
        for (text, part) in [
            ("http://192.168.1.5:9393/", "\"http://192.168.1.5:9393/\" is an address for a browser; write HOST"),
            ("pi:9393/invite", "for a browser"),
            ("my pi", "\"my pi\" names no host"),
            ("ann@pi", "names no host"),
            ("--name", "names no host"),
            ("pi\n", "names no host"),
            ("", "for example pi or 192.168.1.5"),
        ] {
            let message = endpoint(text).unwrap_err();
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }

    #[test]
    fn name_that_is_not_found_is_told_in_the_words_of_the_system() {
        for (text, cause) in [
            ("failed to lookup address information: Name or service not known", "name or service not known"),
            ("no such host", "no such host"),
        ] {
            assert_eq!(look_up_cause(text), cause);
        }
    }

    #[test]
    fn bind_address_needs_address_and_port() {
        assert_eq!(parse_bind_address("[::]:0"), Ok("[::]:0".parse().unwrap()));
        for text in [
            "",
            "0.0.0.0",
            "localhost:9090",
            "9090",
            "::1:9090x",
            "[::1]",
            "[::1]:",
            "[::1]:65536",
            "[1.2.3.4]:1",
            "[::1",
        ] {
            assert!(parse_bind_address(text).unwrap_err().contains("ADDR:PORT"), "{text:?}");
        }
    }

    #[test]
    fn bind_address_of_one_link_needs_its_interface() {
        let expected = Ok(SocketAddrV6::new("fe80::1".parse().unwrap(), 9_090, 0, 1).into());
        // The loopback is the first interface everywhere.
        for text in ["[fe80::1%lo]:9090", "[fe80::1%1]:9090"] {
            assert_eq!(parse_bind_address(text), expected, "{text}");
        }
        for (text, part) in [
            ("[fe80::1]:9090", "add the interface, for example [fe80::1%eth0]:9090"),
            ("[fe80::1%nowhere]:9090", "no interface \"nowhere\""),
            ("[fe80::1%]:9090", "no interface \"\""),
        ] {
            assert!(parse_bind_address(text).unwrap_err().contains(part), "{text}");
        }
    }
}
