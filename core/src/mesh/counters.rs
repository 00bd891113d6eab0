//! What a mesh peer has counted since it began: nothing is dropped or ignored in silence.

/// Declares [`Counters`] and the order in which they are shown.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters of a mesh peer; they only grow.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u32,)+
        }

        impl Counters {
            /// Nothing counted yet.
            pub const ZERO: Self = Self { $($name: 0,)+ };

            /// Name and value of each, in the order of their declaration.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u32)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Datagrams received, whatever they held.
    datagrams,
    /// Datagrams ignored: not of this protocol, or without an item.
    foreign,
    /// Datagrams ignored: another version.
    other_version,
    /// Datagrams ignored: longer than allowed.
    overlong,
    /// Datagrams ignored: a source to which nothing can be sent, so a forged one.
    unanswerable,
    /// Datagrams ignored: the first item is not From.
    anonymous,
    /// Datagrams ignored: the own id, so an own multicast or a forged one.
    own,
    /// Datagrams ignored: the peer has stopped.
    stopped,
    /// Items skipped: a tag that this version does not know.
    items_unknown,
    /// Items skipped: content that is not what the tag demands.
    items_malformed,
    /// Datagrams whose last item's length passes the end.
    items_truncated,
    /// Items skipped: the source has not proven its address.
    items_unproven,
    /// Items skipped: they have no place in this phase, or nobody asked for them.
    items_unexpected,
    /// Items skipped: what they answer is over.
    items_stale,
    /// Values skipped: too far ahead of the own Lamport value.
    lamport_ahead,
    /// Rows skipped: no room in the table.
    rows_dropped,
    /// Tombs dropped before their time: no room in the table.
    tombs_dropped,
    /// Answers dropped: too many to one datagram, or not drained before the next.
    answers_dropped,
    /// Seeks not answered: too many wait.
    founds_dropped,
    /// Requests for messages dropped: too many wait.
    asks_dropped,
    /// Datagrams not sent: the account of an unproven address was empty.
    unproven_spared,
    /// Items to be relayed dropped: the target is unknown.
    vias_dropped,
    /// Says skipped: shown already, or held.
    says_repeated,
    /// Says skipped: the origin is not in the vector, or too far ahead of what was shown.
    says_unplaced,
    /// Says skipped: the origin is flooding.
    says_muted,
    /// Messages that were lost.
    says_lost,
    /// Members removed by silence.
    deaths,
    /// Times that the own death was refuted.
    refutations,
    /// Times that a late timer made all deadlines start anew.
    sleeps,
    /// Datagrams sent.
    sent,
    /// Bytes sent.
    sent_bytes,
    /// Bytes received.
    received_bytes,
}
