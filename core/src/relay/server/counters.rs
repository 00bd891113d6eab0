//! What a relay server has counted since it began: nothing is dropped or ignored in silence.

/// Declares [`Counters`] and the order in which they are shown.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters of a relay server; they only grow. docs/command-line.md explains them to operators.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counters {
            /// Nothing counted yet.
            pub const ZERO: Self = Self { $($name: 0,)+ };

            /// Name and value of each counter, in the order of declaration.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Addresses that have been admitted.
    clients,
    /// Datagrams received, whatever they held.
    datagrams,
    /// GREETINGs from addresses that were admitted before.
    greetings_repeated,
    /// GREETINGs refused because the roster is full.
    greetings_refused,
    /// MESSAGEs taken and passed on.
    messages,
    /// MESSAGEs ignored: their sender has not greeted.
    messages_unregistered,
    /// MESSAGEs dropped: the ring was full.
    messages_dropped,
    /// PROBEs answered.
    probes,
    /// PROBED or REFUSED not sent: too many were waiting, or the datagram had its answer already.
    answers_dropped,
    /// Datagrams ignored: not of this protocol, or without an item.
    foreign,
    /// Datagrams ignored: another version.
    other_version,
    /// Datagrams ignored: longer than allowed.
    overlong,
    /// Datagrams ignored: a source to which nothing can be sent, so a forged one.
    unanswerable,
    /// Items skipped: a tag that this version does not know.
    items_unknown,
    /// Items skipped: content that is not what the tag demands.
    items_malformed,
    /// Items skipped: a kind that only servers send.
    items_misdirected,
    /// Datagrams whose last item's length passes the end.
    items_truncated,
    /// Datagrams sent.
    sent,
    /// Datagrams not sent: the destination cannot be reached.
    unreachable,
    /// Datagrams lost before they were read: the receive buffer was full.
    receive_dropped,
}
