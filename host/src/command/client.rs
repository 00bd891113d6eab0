//! The options of `chat-host client`.
#![allow(rustdoc::broken_intra_doc_links, reason = "argh shows these comments as help, where brackets are no links")]

use super::talk::talk_options;
use crate::endpoint::Endpoint;

talk_options! {
    #[argh(subcommand, name = "client")]
    #[argh(example = "chat-host client --tcp HOST[:PORT] [--name NAME] [OPTIONS]")]
    #[argh(example = "chat-host client --udp HOST[:PORT] [OPTIONS]")]
    /// Talk in a room (--tcp) or through a relay (--udp). Each line of standard input is one message. At a terminal, /help lists the
    /// commands; Ctrl-D leaves.
    pub struct Client {
        /// the room to talk in (default port 9191)
        #[argh(option, arg_name = "HOST[:PORT]")]
        pub tcp: Option<Endpoint>,
        /// your name in the room (default: $USER)
        #[argh(option, arg_name = "NAME")]
        pub name: Option<String>,
        /// the relay to talk through (default port 9090)
        #[argh(option, arg_name = "HOST[:PORT]")]
        pub udp: Option<Endpoint>,
    }
    headless: "no input: runs until SIGTERM, waits for the server; without --name listens"
}
