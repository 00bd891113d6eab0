//! The project's own folder and program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder with the workspace's manifest.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package tests lies in the workspace's folder")
}

/// The text of a file of the project.
pub fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Each Rust file below these folders, by name.
pub fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut sources = Vec::new();
    let mut folders: Vec<_> = folders.iter().map(|name| root().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("the folder is read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("it lies there").display().to_string();
                sources.push((name, std::fs::read_to_string(&path).expect("sources are text")));
            }
        }
    }
    assert!(sources.len() > 20, "only {} files", sources.len());
    sources
}

/// The `chat-host` program, built from the present sources once in each run.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| build(&["--bin", "chat-host"]).join("chat-host"))
}

/// An example of core, built from the present sources.
pub fn example(name: &str) -> PathBuf {
    static EXAMPLES: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLES.get_or_init(|| build(&["--examples"]).join("examples")).join(name)
}

/// Builds something, and returns the folder of the result. The whole workspace is named, as for `cargo test --workspace`: a package alone
/// would give its dependencies other features, and they would be built once more.
fn build(what: &[&str]) -> PathBuf {
    // A test is in <target>/<profile>/deps, a tool one folder above, where what is built belongs too.
    let executable = std::env::current_exe().expect("what runs has an executable");
    let folder = executable.parent().expect("it lies in a folder");
    let profile = if folder.ends_with("deps") { folder.parent().expect("it lies in a profile") } else { folder };
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--workspace"]).args(what).arg("--target-dir");
    build.arg(profile.parent().expect("the profile lies in <target>")).current_dir(root());
    if profile.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().is_ok_and(|status| status.success()), "{what:?} does not build");
    profile.to_owned()
}
