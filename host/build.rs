//! Tells the program the commit that it is built from: `CHAT_HOST_COMMIT`, else what git says. Only for releases, so that a commit while
//! working builds nothing anew; and where there is neither, `--version` has no commit.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CHAT_HOST_COMMIT");
    if std::env::var("PROFILE").as_deref() != Ok("release") || std::env::var_os("CHAT_HOST_COMMIT").is_some() {
        return;
    }
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
    if let Some(commit) = git(&["rev-parse", "--short=10", "HEAD"]) {
        println!("cargo:rustc-env=CHAT_HOST_COMMIT={commit}");
    }
}

/// What git prints; `None` if it is not there, or this is no checkout.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
