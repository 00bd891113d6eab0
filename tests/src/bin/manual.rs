//! Writes the manual page and the completions of shells into docs/ (tests/manual).
#![cfg_attr(loom, allow(unused))]

#[cfg(not(loom))]
fn main() -> std::io::Result<()> {
    for (path, text) in tests::manual::files() {
        let path = tests::workspace::root().join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(loom)]
fn main() {}
