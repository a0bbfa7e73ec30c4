//! Files, clocks and sleep are reached through the `disk` crate only.

use crate::source::{Text, code, line_of, occurrences, without_tests};

const DOORS: [&str; 5] = ["std::fs", "fs::", "SystemTime", "Instant", "thread::sleep"];

/// The uses of files, clocks and sleep around the `disk` crate.
pub(crate) fn forced(file: &Text) -> Vec<String> {
    if !file.is_rust() || is_free(&file.path) {
        return Vec::new();
    }
    let code = without_tests(&code(&file.text));
    let mut findings = Vec::new();
    for door in DOORS {
        for at in occurrences(&code, door) {
            let line = line_of(&code, at);
            findings.push(format!("{}:{line}: {door}; use quipu_disk::Disk", file.path));
        }
    }
    findings
}

/// The door itself, the command line, and what only tests run.
fn is_free(path: &str) -> bool {
    ["disk/", "tools/", "tests/"].iter().any(|folder| path.starts_with(folder))
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
}
