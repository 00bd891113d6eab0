//! `serve --qr`: the page's address as a QR code, shown as soon as phones can open it, and again whenever it has changed. A machine that
//! starts together with its network has its address later.

use super::address_changes::AddressChanges;
use super::invitation::{reachable_addresses, url_of_others};
use crate::log;
use crate::web::qr;
use std::io;
use std::net::SocketAddr;

/// The code on the terminal.
#[derive(Debug)]
pub(super) struct Code {
    /// The addresses that the page is bound to.
    web: Vec<SocketAddr>,
    /// The address that was shown last.
    shown: Option<String>,
    /// When to look at the addresses again.
    changes: AddressChanges,
}

impl Code {
    /// A code that was not shown yet.
    pub(super) fn new(web: Vec<SocketAddr>) -> Self {
        Self { web, shown: None, changes: AddressChanges::watch() }
    }

    /// Shows the code, unless it stands there already or nobody else can reach this machine.
    pub(super) fn show(&mut self) {
        let url = url_of_others(&self.web, &reachable_addresses());
        if let Some(url) = url.filter(|url| self.shown.as_ref() != Some(url)) {
            log::print(format!("{}{url}\n", qr::lines(&url).unwrap_or_default()));
            self.shown = Some(url);
        }
    }

    /// Shows the code whenever it has changed.
    ///
    /// # Errors
    /// None; the servers' parts share this form.
    pub(super) async fn run(&mut self) -> io::Result<()> {
        loop {
            self.changes.next().await;
            self.show();
        }
    }
}
