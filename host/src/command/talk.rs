//! The options that `client` and `peer` share: in both somebody talks.
//!
//! argh cannot take one struct of options into another, so a macro writes the shared ones into both.

/// The struct of a command's options: those of its own, then those that all have in which somebody talks. Of `--headless` each command
/// says what it means there.
macro_rules! talk_options {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident { $($own:tt)* }
        headless: $headless:tt
    ) => {
        #[derive(Debug, argh::ArgsInfo, argh::FromArgs)]
        $(#[$attribute])*
        pub struct $name {
            $($own)*
            #[cfg(feature = "client")]
            /// print one JSON object for each event
            #[argh(switch)]
            pub json: bool,
            #[cfg(feature = "client")]
            /// no cursor movement: for screen readers and logs (default if TERM is dumb)
            #[argh(switch)]
            pub plain: bool,
            #[cfg(feature = "client")]
            /// colours: always, auto or never (default auto)
            #[argh(option, arg_name = "WHEN", default = "Default::default()")]
            pub color: crate::terminal::Color,
            #[cfg(feature = "client")]
            /// bell: off, mention (of your name) or all (default mention)
            #[argh(option, arg_name = "WHEN", default = "Default::default()")]
            pub bell: crate::terminal::Bell,
            #[cfg(feature = "client")]
            /// a program that takes part: it reads messages, and what it prints is said
            #[argh(option, arg_name = "PROGRAM")]
            pub exec: Option<String>,
            #[doc = $headless]
            #[argh(switch)]
            pub headless: bool,
        }

        #[cfg(feature = "client")]
        impl $name {
            /// What the client does for its user.
            pub fn setup(&self) -> crate::script::Setup {
                let Self { json, plain, color, bell, ref exec, headless, .. } = *self;
                let options = crate::terminal::Options { json, plain, reads_input: true, color, bell };
                crate::script::Setup { options, exec: exec.clone(), headless }
            }
        }
    };
}

pub(super) use talk_options;
