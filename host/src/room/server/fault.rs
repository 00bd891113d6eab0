//! Faults that can be switched on under loom, to see that its models would notice them.

use std::sync::OnceLock;

/// Names the fault that is on.
pub const VARIABLE: &str = "CHAT_HOST_FAULT";

/// Whether the fault of this name is on.
pub fn is_on(name: &str) -> bool {
    static NAME: OnceLock<Option<String>> = OnceLock::new();
    NAME.get_or_init(|| std::env::var(VARIABLE).ok()).as_deref() == Some(name)
}
