//! The keys of `settings.txt`: their defaults, and the values that they may have.

use std::net::Ipv4Addr;

/// One setting.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name.
    pub(super) name: &'static str,
    /// Its value if the file does not have the key.
    pub(super) default: &'static str,
    /// What a value must be, in words for the person who wrote another.
    pub(super) expected: &'static str,
    /// Checks a value, and gives it in the form that the scripts take; `None` if it is wrong.
    pub(super) check: fn(&str) -> Option<String>,
}

/// All keys.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "hostname",
        default: "pi",
        expected: "a name of 1 to 63 letters, digits and - (not first or last)",
        check: |value| is_label(value).then(|| value.to_ascii_lowercase()),
    },
    Key { name: "relay_port", default: "9090", expected: "a port from 1024 to 65535, other than 5353", check: port },
    Key { name: "room_port", default: "9191", expected: "a port from 1024 to 65535, other than 5353", check: port },
    Key {
        name: "page_port",
        default: "80",
        expected: "80, a port from 1024 to 65535 other than 5353, or off",
        check: |value| word(value, "off").or_else(|| number(value, 80, 80)).or_else(|| port(value)),
    },
    Key {
        name: "max_clients",
        default: "unlimited",
        expected: "a number from 1 to 1000000, or unlimited",
        check: limit,
    },
    Key {
        name: "max_members",
        default: "unlimited",
        expected: "a number from 1 to 1000000, or unlimited",
        check: limit,
    },
    Key {
        name: "rate",
        default: "5",
        expected: "a number from 1 to 1000, or off",
        check: |value| word(value, "off").or_else(|| number(value, 1, 1_000)),
    },
    Key {
        name: "peer",
        default: "off",
        expected: "a name of 1 to 32 bytes of letters, digits, - _ and . (not first or last), or off",
        check: |value| word(value, "off").or_else(|| is_name(value).then(|| value.to_owned())),
    },
    Key {
        name: "address",
        default: "dhcp",
        expected: "dhcp, or an address with its network's length, as 192.168.1.5/24",
        check: |value| word(value, "dhcp").or_else(|| network(value).map(|_| value.to_owned())),
    },
    Key { name: "gateway", default: "none", expected: "an address, as 192.168.1.1, or none", check: address_or_none },
    Key { name: "dns", default: "none", expected: "an address, as 192.168.1.1, or none", check: address_or_none },
    Key {
        name: "time_server",
        // Of the pool's names this one alone has addresses of IPv6 too.
        default: "2.pool.ntp.org",
        expected: "up to 4 names or addresses with commas between them, or off",
        check: |value| word(value, "off").or_else(|| servers(value)),
    },
];

/// The word, if the value is this word in upper or lower case.
fn word(value: &str, word: &str) -> Option<String> {
    value.eq_ignore_ascii_case(word).then(|| word.to_owned())
}

/// A decimal number within bounds.
fn number(value: &str, min: u32, max: u32) -> Option<String> {
    let is_plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = value.parse().ok().filter(|_| is_plain)?;
    (min..=max).contains(&number).then(|| number.to_string())
}

/// A port that a server without privileges may bind, and that multicast DNS does not need.
fn port(value: &str) -> Option<String> {
    number(value, 1_024, 65_535).filter(|port| port != "5353")
}

/// A limit of a server: a number, or unlimited.
fn limit(value: &str) -> Option<String> {
    word(value, "unlimited").or_else(|| number(value, 1, 1_000_000))
}

/// An address of a machine, or none.
fn address_or_none(value: &str) -> Option<String> {
    let address = || value.parse().ok().filter(is_host).map(|address| address.to_string());
    word(value, "none").or_else(address)
}

/// Whether a machine can have this address.
fn is_host(address: &Ipv4Addr) -> bool {
    let first = address.octets()[0];
    // Excluded are 0.0.0.0/8 (this network), the loopback, multicast, and what is reserved.
    !matches!(first, 0 | 127 | 224..)
}

/// An address and the mask of its network, from `192.168.1.5/24`.
fn network(value: &str) -> Option<(u32, u32)> {
    let (address, length) = value.split_once('/')?;
    let length: u32 = number(length, 8, 30)?.parse().ok()?;
    let address = u32::from(address.parse().ok().filter(is_host)?);
    let mask = u32::MAX << (32 - length);
    // No machine has the first or the last address of a network.
    let host = address & !mask;
    (host != 0 && host != !mask).then_some((address, mask))
}

/// Whether an address lies in the network of `own` (an address with a length, as the key `address` has it), or is none.
pub(super) fn is_in_network(value: &str, own: &str) -> bool {
    let inside = || {
        let ((own, mask), address) = (network(own)?, u32::from(value.parse::<Ipv4Addr>().ok()?));
        Some(own & mask == address & mask && own != address)
    };
    value == "none" || inside().unwrap_or(false)
}

/// Whether somebody may have this name, as far as that can be seen here: docs/names.md has more rules for letters, which the peer tells.
fn is_name(text: &str) -> bool {
    let is_end = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let is_inner = |character: char| character.is_alphanumeric() || "-_.".contains(character);
    text.len() <= 32 && text.chars().all(is_inner) && is_end(text.chars().next()) && is_end(text.chars().next_back())
}

/// One part of a host's name.
fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// Time servers with spaces between them, as the clock's command line takes them.
fn servers(value: &str) -> Option<String> {
    let servers: Vec<&str> = value.split(',').map(str::trim).collect();
    (servers.len() <= 4 && servers.iter().all(|server| is_server(server))).then(|| servers.join(" "))
}

/// A name or an address, with a port or without.
fn is_server(text: &str) -> bool {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return !address.is_unspecified();
    }
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return address.port() != 0;
    }
    let (name, port) = text.split_once(':').unwrap_or((text, "123"));
    // Digits and dots alone would be a wrong address.
    let has_letter = name.bytes().any(|byte| byte.is_ascii_alphabetic());
    name.len() <= 253 && has_letter && name.split('.').all(is_label) && number(port, 1, 65_535).is_some()
}
