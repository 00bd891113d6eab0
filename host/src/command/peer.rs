//! The options of `chat-host peer`.
#![allow(rustdoc::broken_intra_doc_links, reason = "argh shows these comments as help, where brackets are no links")]

use super::talk::talk_options;
use crate::endpoint::{Endpoint, parse_bind_address};
use crate::failure::Failure;
use chat_core::limits::MESH_JOIN_TARGETS_MAX;
use chat_core::mesh::PORT;
use std::net::SocketAddr;

talk_options! {
    #[argh(subcommand, name = "peer")]
    #[argh(example = "chat-host peer --name NAME [--join HOST[:PORT]]... [OPTIONS]")]
    #[cfg_attr(
        feature = "client",
        doc = "Talk without a server, with all peers of this network. Each line of standard input is one message. At a terminal, /help lists \
               the commands; Ctrl-D leaves."
    )]
    #[cfg_attr(
        not(feature = "client"),
        doc = "Keep a group of peers of this network, who talk without a server. Says how it stands to the group, and nothing of what is said."
    )]
    pub struct Peer {
        /// your name, which nobody else has
        #[argh(option, arg_name = "NAME")]
        pub name: String,
        /// own ADDR:PORT (default: any, a port from 9293 on)
        #[argh(option, arg_name = "ADDR:PORT", from_str_fn(parse_bind_address))]
        pub listen: Option<SocketAddr>,
        /// a peer elsewhere; 8 at most (default port 9292)
        #[argh(option, arg_name = "HOST[:PORT]")]
        pub join: Vec<Endpoint>,
        /// look for nobody by multicast and broadcast, only at --join
        #[argh(switch)]
        pub no_discovery: bool,
        /// look for others here; again for more (default: all)
        #[argh(option, arg_name = "NAME")]
        pub interface: Vec<String>,
        /// refuse newcomers of this name; again for more
        #[argh(option, arg_name = "NAME")]
        pub deny: Vec<String>,
    }
    headless: "no input: runs until SIGTERM"
}

impl Peer {
    /// Whether the options go together.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if !self.no_discovery && self.listen.is_some_and(|address| address.port() == PORT) {
            return Err(Failure::usage(format!(
                "all peers hear each other at port {PORT}, so none can have it for itself; choose another for --listen, or 0 for any"
            )));
        }
        if self.no_discovery && !self.interface.is_empty() {
            return Err(Failure::usage(
                "--interface says where to look for others, and --no-discovery says not to; leave one of them out",
            ));
        }
        if self.join.len() > MESH_JOIN_TARGETS_MAX {
            return Err(Failure::usage(format!(
                "--join is there {} times, and at most {MESH_JOIN_TARGETS_MAX} peers are asked; one of a group is enough",
                self.join.len()
            )));
        }
        Ok(())
    }
}
