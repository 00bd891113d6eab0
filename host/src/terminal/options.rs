//! How the user wants things shown.

use std::str::FromStr;

/// When there are colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    /// At a terminal that knows them, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// When the bell rings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bell {
    /// Never.
    Off,
    /// When somebody mentions this client's name.
    #[default]
    Mention,
    /// When somebody says something.
    All,
}

/// What the user has chosen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// One object in one line for each event.
    pub json: bool,
    /// No cursor movement.
    pub plain: bool,
    /// Whether lines come from standard input, and not from a program or from nowhere.
    pub reads_input: bool,
    /// When there are colours.
    pub color: Color,
    /// When the bell rings.
    pub bell: Bell,
}

impl FromStr for Color {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "always" => Ok(Self::Always),
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Never),
            _ => Err(format!("{text:?} is none of always, auto and never")),
        }
    }
}

impl FromStr for Bell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "mention" => Ok(Self::Mention),
            "all" => Ok(Self::All),
            _ => Err(format!("{text:?} is none of off, mention and all")),
        }
    }
}
