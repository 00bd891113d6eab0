//! The promises of the manifests: licences, the oldest Rust version, what is shipped.
#![cfg(not(loom))]

use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::process::Command;
use tests::document::{rows, section};
use tests::workspace::{read, root};

/// The platform of this machine, as the compiler calls it.
fn host_platform() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// What `cargo metadata` says of the workspace, for the platform of this machine.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &host_platform()])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The packages that become part of the `chat-host` program.
fn shipped(metadata: &Value) -> Vec<&Value> {
    let list = |value: &'_ Value| value.as_array().unwrap().clone();
    let nodes: HashMap<_, _> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| (node["id"].as_str().unwrap().to_owned(), node))
        .collect();
    let packages = metadata["packages"].as_array().unwrap();
    let host = packages.iter().find(|package| package["name"] == "chat-host").unwrap();
    let mut waiting = vec![host["id"].as_str().unwrap().to_owned()];
    let mut found = HashSet::new();
    while let Some(id) = waiting.pop() {
        for dependency in list(&nodes[&id]["deps"]) {
            // The kind of a normal dependency is null.
            if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()) {
                waiting.push(dependency["pkg"].as_str().unwrap().to_owned());
            }
        }
        found.insert(id);
        waiting.retain(|id| !found.contains(id));
    }
    packages.iter().filter(|package| found.contains(package["id"].as_str().unwrap())).collect()
}

#[test]
fn rust_version_is_the_highest_that_a_shipped_dependency_declares() {
    let metadata = metadata();
    let shipped = shipped(&metadata);
    assert!(shipped.len() > 20, "only {} packages", shipped.len());
    let version = |package: &Value| -> Vec<u32> {
        let parts = package["rust_version"].as_str().unwrap_or("1").split('.').map(|part| part.parse().unwrap());
        // 1.87 and 1.87.0 are the same version.
        parts.chain([0, 0]).take(3).collect()
    };
    let (ours, others): (Vec<&Value>, Vec<&Value>) = shipped.iter().partition(|package| package["source"].is_null());
    let highest = others.iter().map(|package| version(package)).max().unwrap();
    assert_eq!(ours.len(), 2);
    for package in ours {
        assert_eq!(version(package), highest, "{}", package["name"]);
    }
}

#[test]
fn core_depends_on_five_crates_alone_without_their_std() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let core = packages.iter().find(|package| package["name"] == "chat-core").unwrap();
    let dependencies = core["dependencies"].as_array().unwrap();
    let mut names: Vec<_> = dependencies.iter().map(|dependency| dependency["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["cobs", "heapless", "postcard", "serde", "siphasher"]);
    for dependency in dependencies {
        let features = dependency["features"].as_array().unwrap();
        assert!(!features.iter().any(|feature| feature == "std" || feature == "alloc"), "{dependency}");
    }
}

#[test]
fn every_dependency_has_its_reason_in_the_architecture() {
    let metadata = metadata();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let members: HashSet<_> = list(&metadata["workspace_members"]).into_iter().collect();
    let ours: Vec<_> =
        list(&metadata["packages"]).into_iter().filter(|package| members.contains(&package["id"])).collect();
    let dependencies = ours.iter().flat_map(|package| list(&package["dependencies"]));
    let others = dependencies.filter(|dependency| !dependency["source"].is_null());
    let mut taken: Vec<_> = others.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect();
    taken.sort_unstable();
    taken.dedup();
    let document = read("docs/ARCHITECTURE.md");
    let reasons = rows(section(&document, "## Dependencies")).skip(2);
    let mut explained: Vec<_> = reasons.flat_map(|row| row[0].split(", ").collect::<Vec<_>>()).collect();
    explained.sort_unstable();
    assert_eq!(explained, taken);
}

#[test]
fn no_other_runtime_is_shipped() {
    let metadata = metadata();
    for package in shipped(&metadata) {
        let name = package["name"].as_str().unwrap();
        assert!(!["tokio", "async-std"].contains(&name), "{name}");
    }
}
