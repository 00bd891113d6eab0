//! A network namespace for a test: nothing leaves the machine, because a namespace has no interface but its own loopback.

use std::process::Command;

/// The environment variable that is set if a test already runs in its namespace.
const VARIABLE: &str = "CHAT_HOST_NAMESPACE";

/// Runs the scenario in a new network namespace: starts the test of this name again, in a process of its own.
pub fn in_namespace(test: &str, scenario: impl FnOnce()) {
    if std::env::var_os(VARIABLE).is_some() {
        run("ip", "link set lo up");
        return scenario();
    }
    // The program is built outside the namespace, where cargo has a network.
    crate::workspace::program();
    let this = std::env::current_exe().expect("a running test has an executable");
    let status = command("unshare")
        .args(["--user", "--map-root-user", "--net"])
        .arg(this)
        .args(["--exact", test, "--nocapture"])
        .env(VARIABLE, "1")
        .status()
        .expect("unshare is part of util-linux");
    assert!(status.success(), "{test} failed in its namespace");
}

/// A command, which may be an administrator's: a user's `PATH` may lack the folder of these.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    command
}

/// Runs a program with arguments that are separated by spaces.
pub fn run(program: &str, arguments: &str) {
    let status = command(program).args(arguments.split_whitespace()).status();
    assert!(status.is_ok_and(|status| status.success()), "{program} {arguments}");
}
