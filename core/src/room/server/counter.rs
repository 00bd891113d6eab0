//! What a room's server counts: nothing is dropped or refused in silence.

/// Declares [`Counter`] and the order in which counters are shown.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// The counters of a room's server. docs/command-line.md explains them to operators.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Counter {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Counter {
            /// All counters, in the order in which they are shown; the index of each is `counter as usize`.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// How many counters there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The counter's name, as it is shown.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

counters! {
    /// Connections accepted.
    Connections = "connections",
    /// Connections turned away for want of a file descriptor.
    ConnectionsShed = "connections_shed",
    /// Connections turned away: too many from one address.
    ConnectionsRefused = "connections_refused",
    /// Connections closed because the system did not let them be served.
    ConnectionsFailed = "connections_failed",
    /// Failures to accept a connection, for another reason than want of a file descriptor.
    AcceptsFailed = "accepts_failed",
    /// Members and observers let in.
    Joins = "joins",
    /// Of these, members that went on from another connection.
    JoinsReplacing = "joins_replacing",
    /// Joins refused.
    JoinsRefused = "joins_refused",
    /// Messages taken.
    Messages = "messages",
    /// Messages that had been taken before.
    MessagesDoubled = "messages_doubled",
    /// Messages not taken, with a reason.
    MessagesRefused = "messages_refused",
    /// Frames of a kind that is not known, answered UNSUPPORTED.
    Unsupported = "unsupported",
    /// Connections put out: a frame that was too long, malformed or senseless.
    PutOutMalformed = "put_out_malformed",
    /// Connections put out: a WebSocket's frame that breaks the rules of RFC 6455, or that is too long.
    PutOutFraming = "put_out_framing",
    /// Connections put out: no join, or no sign of life, in time.
    PutOutSilent = "put_out_silent",
    /// Connections put out: nothing was read for too long.
    PutOutStalled = "put_out_stalled",
    /// Messages that slow readers have lost.
    MessagesLagged = "messages_lagged",
}
