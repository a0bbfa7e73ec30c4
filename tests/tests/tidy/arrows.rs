//! Which crate depends on which: as drawn in ARCHITECTURE.md, and as built.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// From the crate that depends to the crate it depends on, both by folder.
pub(crate) type Arrows = BTreeSet<(String, String)>;

/// The bottom: crates that depend on no other of the project.
const ALONE: [&str; 2] = ["disk", "format"];
/// The top: crates that no other depends on.
const UNUSED: [&str; 3] = ["bench", "tests", "tools"];

/// The arrows in the fenced block `arrows` of ARCHITECTURE.md.
pub(crate) fn drawn(architecture: &str) -> Arrows {
    let block = architecture.lines().skip_while(|line| *line != "```arrows").skip(1);
    block
        .take_while(|line| *line != "```")
        .filter_map(|line| line.split_once(" -> "))
        .map(|(from, to)| (from.to_owned(), to.to_owned()))
        .collect()
}

/// The path dependencies in the output of `cargo metadata`, dev-dependencies apart.
pub(crate) fn built(metadata: &Value) -> Arrows {
    let mut arrows = Arrows::new();
    for package in list(&metadata["packages"]) {
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        let folder = Path::new(manifest).parent().map(name).unwrap_or_default();
        for dependency in list(&package["dependencies"]) {
            if let (Some(path), true) =
                (dependency["path"].as_str(), dependency["kind"].as_str() != Some("dev"))
            {
                arrows.insert((folder.clone(), name(Path::new(path))));
            }
        }
    }
    arrows
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn name(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Where the drawing and the code differ.
pub(crate) fn differences(drawn: &Arrows, built: &Arrows) -> Vec<String> {
    let undrawn = built.difference(drawn).map(|(from, to)| {
        format!("{from} -> {to} stands in {from}/Cargo.toml and not in ARCHITECTURE.md")
    });
    let unbuilt = drawn.difference(built).map(|(from, to)| {
        format!("{from} -> {to} stands in ARCHITECTURE.md and not in {from}/Cargo.toml")
    });
    undrawn.chain(unbuilt).collect()
}

/// The arrows that do not point down.
pub(crate) fn pointing_up(arrows: &Arrows) -> Vec<String> {
    let mut findings = Vec::new();
    for (from, to) in arrows {
        if ALONE.contains(&from.as_str()) {
            findings
                .push(format!("{from} -> {to}: {from} depends on no other crate of the project"));
        }
        if UNUSED.contains(&to.as_str()) {
            findings.push(format!("{from} -> {to}: nothing depends on {to}"));
        }
        if reachable(arrows, to).contains(from) {
            findings.push(format!("{from} -> {to} closes a circle"));
        }
    }
    findings
}

/// What can be reached from a crate along the arrows.
fn reachable(arrows: &Arrows, start: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::from([start.to_owned()]);
    let mut open = vec![start.to_owned()];
    while let Some(here) = open.pop() {
        for (_, to) in arrows.iter().filter(|(from, _)| *from == here) {
            if seen.insert(to.clone()) {
                open.push(to.clone());
            }
        }
    }
    seen
}
