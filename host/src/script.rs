//! What a client does for its user besides showing: lines in, commands, what becomes of them, and how the program ends.
//!
//! All clients share it, and it knows nothing of any protocol. docs/command-line.md says what scripts may rely on.

mod arrivals;
mod conclusion;
pub mod event;
mod input;
mod program;
mod talk;
mod typed;
mod unread;
mod way;

pub use conclusion::{Stop, Tally};
pub use input::{Input, Lines};
pub use talk::{Contact, Said, Setup, Step, Talk, Task};
pub use typed::Typed;
pub use way::Way;
