//! Machines that have the name of the settings, while this one has another: whether there are any.

use mdns_sd::{HostnameResolutionEvent, ScopedIp};
use std::collections::HashSet;
use std::net::IpAddr;

/// What has changed with the other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The last of them has gone.
    Gone,
    /// After that, there is one again.
    Back,
}

/// Addresses that other machines answer with. There are as many as answers are kept.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// The addresses.
    addresses: HashSet<IpAddr>,
    /// Whether all have gone since there were any.
    have_gone: bool,
}

impl Neighbours {
    /// Takes an answer for the name; what has changed by it. `own` are addresses of this machine, which has had the
    /// name itself for a while.
    pub(super) fn take(&mut self, event: &HostnameResolutionEvent, own: &HashSet<IpAddr>) -> Option<Change> {
        match event {
            HostnameResolutionEvent::AddressesFound(_, found) => {
                let was_empty = self.addresses.is_empty();
                self.addresses.extend(found.iter().map(ScopedIp::to_ip_addr).filter(|address| !own.contains(address)));
                let is_back = was_empty && !self.addresses.is_empty() && std::mem::take(&mut self.have_gone);
                is_back.then_some(Change::Back)
            }
            HostnameResolutionEvent::AddressesRemoved(_, removed) => {
                let was_empty = self.addresses.is_empty();
                for address in removed {
                    self.addresses.remove(&address.to_ip_addr());
                }
                let have_gone = !was_empty && self.addresses.is_empty();
                self.have_gone |= have_gone;
                have_gone.then_some(Change::Gone)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> HashSet<ScopedIp> {
        texts.iter().map(|text| text.parse::<IpAddr>().unwrap().into()).collect()
    }

    fn found(texts: &[&str]) -> HostnameResolutionEvent {
        HostnameResolutionEvent::AddressesFound("pi.local.".to_owned(), addresses(texts))
    }

    fn removed(texts: &[&str]) -> HostnameResolutionEvent {
        HostnameResolutionEvent::AddressesRemoved("pi.local.".to_owned(), addresses(texts))
    }

    #[test]
    fn going_of_the_last_address_and_the_return_are_told_once() {
        let own = ["192.0.2.1".parse().unwrap()].into();
        let mut neighbours = Neighbours::default();
        for (event, told) in [
            (found(&["192.0.2.1"]), None),
            (removed(&["192.0.2.1"]), None),
            (found(&["192.0.2.1", "192.0.2.2", "2001:db8::2"]), None),
            (removed(&["192.0.2.2"]), None),
            (removed(&["2001:db8::2"]), Some(Change::Gone)),
            (removed(&["2001:db8::2"]), None),
            (found(&["192.0.2.3"]), Some(Change::Back)),
            (found(&["192.0.2.3"]), None),
        ] {
            assert_eq!(neighbours.take(&event, &own), told, "{event:?}");
        }
    }
}
