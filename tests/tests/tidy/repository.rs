//! The files of the repository, and what cargo says of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::source::Text;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository")
}

/// All text files of the repository, sorted by path. What cargo builds is left out, and so are what fuzzers found,
/// which is any bytes, and symbolic links: what they lead to is here already.
pub(crate) fn texts() -> Vec<Text> {
    let mut texts = Vec::new();
    let mut open = vec![root().to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder that was listed can be read") {
            let entry = entry.expect("a folder that was opened can be read");
            let kind = entry.file_type().expect("an entry that was listed has a type");
            if kind.is_dir() && !is_built(&entry.path()) && !is_found(&entry.path()) {
                open.push(entry.path());
            } else if kind.is_file() {
                texts.extend(text(&entry.path()));
            }
        }
    }
    texts.sort_by(|one, other| one.path.cmp(&other.path));
    texts
}

/// A folder of git's or cargo's.
fn is_built(folder: &Path) -> bool {
    folder.ends_with(".git") || folder.ends_with("target") || folder.join("CACHEDIR.TAG").exists()
}

/// What fuzzers found: the corpus, and what is not taken into it yet.
fn is_found(folder: &Path) -> bool {
    let folder = folder.strip_prefix(root()).unwrap_or(folder);
    ["fuzz/corpus", "fuzz/found", "fuzz/artifacts"].iter().any(|found| folder == Path::new(found))
}

/// A file, if it holds text. One that went away since it was listed holds none.
fn text(path: &PathBuf) -> Option<Text> {
    let text = String::from_utf8(fs::read(path).ok()?).ok()?;
    let path = path.strip_prefix(root()).ok()?.to_str()?.to_owned();
    (!text.contains('\0')).then_some(Text { path, text })
}

/// One text file that must be there.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

/// What `cargo` prints, without network and without changing Cargo.lock.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs, since it runs this test");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {complaint}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// The output of `cargo metadata` with further arguments.
pub(crate) fn metadata(arguments: &[&str]) -> Value {
    let output = cargo(&[&["metadata", "--format-version", "1"], arguments].concat());
    serde_json::from_str(&output).expect("cargo metadata prints JSON")
}

/// The platform that this test was built on. Packages for others need not have been fetched.
pub(crate) fn host() -> String {
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("cargo names its host").to_owned()
}
