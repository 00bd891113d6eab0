//! What a client's user sees and types: for a person at a terminal, in linear mode, for a pipe, or as JSON.
//!
//! All clients share it, and it knows nothing of any protocol. docs/command-line.md says what is printed where, docs/display.md what
//! of a text reaches a terminal.

mod cells;
mod completion;
pub mod display;
mod edit;
mod entry;
mod feed;
mod frame;
mod interactive;
pub mod json;
mod keys;
mod layout;
mod mode;
mod options;
mod output;
mod palette;
mod paste;
mod recall;
mod screen;
mod show;
pub mod stamp;
mod standard_output;
mod state;
mod styled;
mod wrap;

pub use entry::{Entry, Line};
pub use feed::{Feed, feed_line};
pub(crate) use mode::restore;
pub use options::{Bell, Color, Options};
pub use output::OutputError;
pub use screen::Screen;
pub use show::{Appearance, Show};
pub use styled::Said;
