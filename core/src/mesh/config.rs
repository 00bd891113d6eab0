//! What the owner of a peer decides (docs/mesh-protocol.md): name, addresses, whom to deny, and every time span.

use crate::limits::MESH_JOIN_TARGETS_MAX;
use crate::username::Username;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use heapless::Vec;

/// The UDP port at which all peers of a network hear Seeks that are sent to everybody.
pub const PORT: u16 = 9_292;

/// The IPv4 group that they are sent to, with a TTL of 1 (RFC 2365 section 6.1: the scope of one site).
pub const GROUP_IPV4: Ipv4Addr = Ipv4Addr::new(239, 255, 76, 67);

/// The IPv6 group that they are sent to, on each link (RFC 4291 section 2.7).
pub const GROUP_IPV6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x4c43);

/// The settings of one peer.
#[derive(Debug, Clone)]
pub struct Config<'s> {
    /// The name that the peer claims.
    pub name: Username,
    /// Most members in a group, the own peer included; at most half of the rows of [`super::Memory`].
    pub members_max: usize,
    /// The addresses under which this peer can be reached, as far as its owner knows them; the first four count.
    pub addresses: &'s [SocketAddr],
    /// Addresses that are asked for a group besides multicast (`--join`).
    pub join: Vec<SocketAddr, MESH_JOIN_TARGETS_MAX>,
    /// Whether others are looked for, and answered, by multicast.
    pub discovery: bool,
    /// Names that this peer refuses to newcomers (`--deny`).
    pub denied: &'s [Username],
    /// Every time span.
    pub timers: &'s Timers,
}

impl<'s> Config<'s> {
    /// The default settings under this name: multicast, nobody denied, as many members as the memory has room for.
    pub const fn new(name: Username) -> Self {
        Self {
            name,
            members_max: usize::MAX,
            addresses: &[],
            join: Vec::new(),
            discovery: true,
            denied: &[],
            timers: &Timers::DEFAULT,
        }
    }
}

/// Declares [`Timers`] with the default of each span in one table.
macro_rules! timers {
    ($($(#[doc = $doc:literal])+ $name:ident = $millis:literal,)+) => {
        /// Every time span of the protocol; tests shorten them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Timers {
            $($(#[doc = $doc])+ pub $name: Duration,)+
        }

        impl Timers {
            /// The spans of docs/mesh-protocol.md.
            pub const DEFAULT: Self = Self { $($name: Duration::from_millis($millis),)+ };

            /// Name and milliseconds of each, in the order of their declaration.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u128)> {
                [$((stringify!($name), self.$name.as_millis()),)+].into_iter()
            }
        }
    };
}

timers! {
    /// Pause between two Seeks, after the first four; up to a fifth is added at random.
    seek_pause = 500,
    /// Time without a Found, and without a Seek of a lower id, after which a peer founds a group.
    found_after = 3_000,
    /// Pause between two Seeks of a founder while it is alone.
    lone_seek_pause = 5_000,
    /// Longest time before a Seek is answered.
    found_delay_max = 100,
    /// Pause between two requests for one page of rows, of the vector, or for the recent messages.
    page_pause = 300,
    /// Pause between two Claims to one row.
    claim_pause = 300,
    /// Silence of a row after which a Claim goes also by Via.
    claim_via_after = 1_000,
    /// Pause after which a claimant asks its sponsor for rows again.
    sponsor_pause = 2_000,
    /// Longest time that a claimant waits for the holder of its name to be declared dead.
    name_held_max = 20_000,
    /// Longest time from the first Claim to the admission.
    join_max = 30_000,
    /// Shortest pause before a claimant that gave up tries again.
    retry_min = 500,
    /// Longest pause before a claimant that gave up tries again.
    retry_max = 2_000,
    /// Time for which the name of a dead member stays taken.
    dead_name_hold = 5_000,
    /// Period in which one row is probed.
    probe_period = 500,
    /// Pause between the Pings of one probe.
    probe_pause = 150,
    /// Lateness of a timer from which on the peer was asleep: deadlines start anew.
    sleep_min = 2_000,
    /// Longest time for which a death is rumoured.
    death_told_max = 15_000,
    /// Time for which the row of a departed peer is kept.
    tomb_time = 60_000,
    /// Shortest pause before a beacon.
    beacon_min = 5_000,
    /// Longest pause before a beacon.
    beacon_max = 10_000,
    /// Pause between two Pings to the dead and lost.
    lost_pause = 500,
    /// Time after which the lost are pinged more rarely.
    lost_slow_after = 600_000,
    /// Pause between two Pings to the lost then.
    lost_slow_pause = 30_000,
    /// Silence of an address after which the next of the same row is used.
    address_silence = 3_000,
    /// Longest time before a message is acknowledged.
    took_delay_max = 20,
    /// Pause between two repetitions of an unacknowledged message.
    resend_pause = 300,
    /// Pause between two requests to whoever told of a missing message.
    informer_pause = 100,
    /// Pause between two requests for a missing message to the others.
    ask_pause = 300,
    /// Time after which a missing message is lost.
    gap_max = 10_000,
    /// Longest time for fetching the messages of the history.
    fetch_max = 3_000,
    /// Time since its admission after which a member hands over, even if nobody handed over to it.
    giver_age = 10_000,
    /// Time without a word of any member after which a hand-over ends without a giver.
    giver_silence = 30_000,
    /// Time without change after which an entry of the vector counts in the hash of heads.
    heads_settled = 5_000,
    /// Time for which a number that was heard is told in Heads.
    heads_recent = 30_000,
    /// Difference to the own wall clock from which on a message is marked.
    clock_off = 120_000,
    /// Time for which a flooding member is not heard.
    flood_mute = 10_000,
    /// Pause between the Lefts of a peer that leaves.
    left_pause = 500,
    /// Time in which an unproven address gets so much and no more.
    budget_window = 60_000,
    /// Time in which at most 32 datagrams are sent.
    pace = 10,
}
