//! The peer of docs/examples/python, written from docs/mesh-protocol.md alone, talks with the engine over loopback.
#![cfg(not(loom))]

use std::process::Command;
use tests::mesh::Host;
use tests::process::Process;
use tests::workspace::root;

/// Starts the Python peer under this name. Its first line is its address.
fn python(name: &str, host: &Host) -> Process {
    let mut command = Command::new("python3");
    command.arg(root().join("docs/examples/python/peer.py"));
    command.args(["--name", name, "--listen", "127.0.0.1:0", "--join", &host.address.to_string()]);
    let process = Process::start_command(&mut command);
    process.output.find("peer 127.0.0.1:");
    process
}

/// A group of ann, who has said two things, and bob.
fn group() -> (Host, Host) {
    let ann = Host::start("ann", &[], &["eve"]);
    ann.find("Founded");
    ann.say("one");
    ann.say("two");
    let bob = Host::start("bob", &[ann.address], &[]);
    bob.find("message ann: two");
    bob.find("HandedOver");
    (ann, bob)
}

#[test]
fn python_peer_joins_gets_the_history_speaks_and_leaves() {
    let (ann, bob) = group();
    let mut pia = python("pia", &bob);
    pia.output.find("joined as pia");
    assert_eq!(pia.output.find("history"), "history ann: one");
    assert_eq!(pia.output.find("history"), "history ann: two");
    pia.write("grüße aus Python\n".as_bytes());
    ann.find("message pia: grüße aus Python");
    bob.find("message pia: grüße aus Python");
    // Sixteen probes of each go by, which it answers.
    for count in 0..16 {
        bob.say(&format!("count {count}"));
        pia.output.find(&format!("bob: count {count}"));
        ann.find(&format!("message bob: count {count}"));
    }
    pia.end_input();
    assert_eq!(pia.finish().code, Some(0));
    ann.find("left pia");
    bob.find("left pia");
}

#[test]
fn engine_joins_a_group_in_which_a_python_peer_is() {
    let (ann, _bob) = group();
    let mut pia = python("pia", &ann);
    pia.output.find("joined as pia");
    pia.write(b"first\n");
    ann.find("message pia: first");
    let cy = Host::start("cy", &[ann.address], &[]);
    cy.find("Admitted");
    cy.find("message pia: first");
    cy.find("HandedOver");
    cy.say("hello");
    pia.output.find("cy: hello");
    pia.write(b"second\n");
    cy.find("message pia: second");
    let dora = Host::start("PIA", &[ann.address], &[]);
    assert!(dora.find("Refused").contains("NameTaken"));
}

#[test]
fn python_peer_is_told_who_refuses_it() {
    let (_ann, bob) = group();
    for (name, line) in [
        ("ANN", "refused: the name is taken (reason 16), says ann"),
        ("Bob", "refused: the name is taken (reason 16), says bob"),
        ("eve", "refused: a member does not allow this name (reason 19), says ann"),
    ] {
        let mut refused = python(name, &bob);
        assert_eq!(refused.output.find("refused"), line);
        assert_eq!(refused.finish().code, Some(1));
    }
}
