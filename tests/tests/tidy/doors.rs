//! Files, clocks and sleep are reached through the `disk` crate only, threads and locks through one file of it.

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

const OF_THREADS: [&str; 4] =
    ["parking_lot", "std::thread", "std::sync::atomic", "std::hint::spin_loop"];

/// The locks, atomics and threads of `disk` and `engine` of which a model could not take the place.
pub(crate) fn unmodelled(file: &Text) -> Vec<String> {
    let modelled = ["disk/src/", "engine/src/"].iter().any(|folder| file.path.starts_with(folder));
    let free =
        ["disk/src/threads", "engine/src/plant.rs"].iter().any(|free| file.path.starts_with(free));
    if !modelled || free || !file.is_rust() || file.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let code = without_tests(&code(&file.text));
    let uses = OF_THREADS.iter().flat_map(|door| {
        occurrences(&code, door).into_iter().map(|at| (line_of(&code, at), *door))
    });
    uses.map(|(line, door)| format!("{}:{line}: {door}; use quipu_disk::threads", file.path))
        .collect()
}

/// The door itself, the command line, and what only tests, fuzzers and measurements run.
fn is_free(path: &str) -> bool {
    let free = ["bench/", "disk/", "tools/", "tests/", "fuzz/", "mutants/"];
    free.iter().any(|folder| path.starts_with(folder))
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
}
