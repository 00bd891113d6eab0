//! The manual page and the completions of shells: they are what tests/manual makes, and shells understand them.
#![cfg(not(loom))]

use std::process::Command;
use tests::manual::files;
use tests::workspace::{read, root};

#[test]
fn files_are_current() {
    for (path, text) in files() {
        assert_eq!(read(path), text, "{path}: run tests/manual");
    }
}

#[test]
fn bash_completes_commands_options_and_values() {
    let script = root().join("docs/completions/chat-host.bash");
    for (words, expected) in [
        ("chat-host cl", "client"),
        ("chat-host client --na", "--name"),
        ("chat-host client --color a", "always auto"),
        ("chat-host client --name a", ""),
        ("chat-host serve --th", "--threads"),
    ] {
        let program = format!(
            "source '{}'; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _chat_host; echo \"${{COMPREPLY[*]}}\"",
            script.display()
        );
        let output = Command::new("bash").args(["-c", &program]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{words}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
