//! The addresses of `--join`: names are looked up, and again from time to time, for they may lead elsewhere.

use crate::endpoint::Endpoint;
use crate::failure::Failure;
use async_io::Timer;
use chat_core::limits::MESH_JOIN_TARGETS_MAX;
use chat_core::mesh::PORT;
use smol::future;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

/// The addresses of each host, while they are looked up.
type LookUp = Pin<Box<dyn Future<Output = Vec<Result<Vec<SocketAddr>, Failure>>>>>;

/// Where `--join` leads.
pub(super) struct Targets {
    /// What the user calls them.
    endpoints: Vec<Endpoint>,
    /// The addresses that were found last.
    pub(super) addresses: Vec<SocketAddr>,
    /// The look-up under way, or after a pause.
    look_up: Option<LookUp>,
    /// Whether the user was told which name is not found.
    told: bool,
}

impl Targets {
    /// Looks these up at once.
    pub(super) fn new(endpoints: Vec<Endpoint>) -> Self {
        let mut targets = Self { endpoints, addresses: Vec::new(), look_up: None, told: false };
        targets.look_up(Duration::ZERO);
        targets
    }

    /// Looks up what has a name, after a pause. An address is what it is.
    fn look_up(&mut self, pause: Duration) {
        let is_named = self.endpoints.iter().any(|endpoint| endpoint.host.parse::<IpAddr>().is_err());
        let is_first = pause.is_zero() && !self.endpoints.is_empty();
        let endpoints = self.endpoints.clone();
        self.look_up = (is_named || is_first).then(|| {
            let look_up: LookUp = Box::pin(async move {
                if !pause.is_zero() {
                    Timer::after(pause).await;
                }
                let mut found = Vec::new();
                for endpoint in &endpoints {
                    found.push(endpoint.resolve(PORT).await);
                }
                found
            });
            look_up
        });
    }

    /// Whether the first look-up is over, or there is none.
    pub(super) const fn is_ready(&self) -> bool {
        self.told || !self.addresses.is_empty() || self.look_up.is_none()
    }

    /// Waits for the look-up under way; the next comes after this pause. Gives what is to be told of names that are not found, once.
    /// Cancelling loses nothing.
    pub(super) async fn next(&mut self, pause: Duration) -> Option<String> {
        let found = match &mut self.look_up {
            Some(look_up) => look_up.await,
            None => future::pending().await,
        };
        let (found, failures): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
        let found: Vec<Vec<SocketAddr>> = found.into_iter().flatten().collect();
        if !found.is_empty() {
            self.addresses = in_turn(&found, MESH_JOIN_TARGETS_MAX);
        }
        self.look_up(pause);
        let is_told = std::mem::replace(&mut self.told, !failures.is_empty());
        let failure = failures.into_iter().find_map(Result::err).filter(|_| !is_told);
        failure.map(|failure| format!("{failure}; going on trying"))
    }
}

/// The first address of each host, then the second of each, up to so many.
fn in_turn(found: &[Vec<SocketAddr>], max: usize) -> Vec<SocketAddr> {
    let rows = found.iter().map(Vec::len).max().unwrap_or(0);
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (0..rows).flat_map(|row| found.iter().filter_map(move |host| host.get(row))) {
        if addresses.len() < max && !addresses.contains(address) {
            addresses.push(*address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses of one host.
    fn host(ports: &[u16]) -> Vec<SocketAddr> {
        ports.iter().map(|&port| SocketAddr::from(([127, 0, 0, 1], port))).collect()
    }

    #[test]
    fn each_host_has_an_address_before_one_has_two() {
        let found = [host(&[1, 2, 3]), host(&[4]), host(&[1, 5])];
        assert_eq!(in_turn(&found, 4), host(&[1, 4, 2, 5]));
        assert!(in_turn(&[], 4).is_empty());
    }

    #[test]
    fn addresses_are_looked_up_once_and_ready_after_that() {
        let mut targets = Targets::new(vec!["127.0.0.1:7".parse().unwrap()]);
        assert!(!targets.is_ready());
        assert_eq!(smol::block_on(targets.next(Duration::from_secs(5))), None);
        assert_eq!((targets.addresses.clone(), targets.is_ready()), (host(&[7]), true));
        assert!(targets.look_up.is_none());
        assert!(Targets::new(Vec::new()).is_ready());
    }

    #[test]
    fn name_that_is_not_found_is_told_once() {
        let mut targets = Targets::new(vec!["no..name".parse().unwrap()]);
        let told = smol::block_on(targets.next(Duration::from_millis(1))).unwrap();
        assert!(told.contains("no..name") && told.contains("going on trying"), "{told}");
        assert!(targets.is_ready());
        assert_eq!(smol::block_on(targets.next(Duration::from_millis(1))), None);
    }
}
