//! How long files and functions are, and the exceptions in `tests/tidy-ratchet.txt`.

use std::collections::BTreeMap;

use crate::source::{Text, code, functions};

pub(crate) const FILE_LINES_MAX: usize = 800;
pub(crate) const FILE_LINES: usize = 400;
pub(crate) const FUNCTION_LINES: usize = 70;

/// The files longer than any exception may allow.
pub(crate) fn far_too_long(files: &[Text]) -> Vec<String> {
    let rust = files.iter().filter(|file| file.is_rust());
    rust.map(|file| (&file.path, file.text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| format!("{path}: {lines} lines, at most {FILE_LINES_MAX} ever"))
        .collect()
}

/// What needs an exception, with its lines: files by path, functions by `path::name`. A second long
/// function of the same name in one file is `path::name#2`.
pub(crate) fn too_long(files: &[Text]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let lines = file.text.lines().count();
        if lines > FILE_LINES {
            found.insert(file.path.clone(), lines);
        }
        let mut namesakes = BTreeMap::<String, usize>::new();
        for function in functions(&code(&file.text)) {
            if function.lines > FUNCTION_LINES {
                let count = namesakes.entry(function.name.clone()).or_default();
                *count += 1;
                let suffix = if *count > 1 { format!("#{count}") } else { String::new() };
                found.insert(format!("{}::{}{suffix}", file.path, function.name), function.lines);
            }
        }
    }
    found
}

/// Where `found` differs from the exceptions, which only ever go down.
pub(crate) fn against_ratchet(found: &BTreeMap<String, usize>, ratchet: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut allowed = BTreeMap::new();
    for line in ratchet.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once(' ').map(|(what, lines)| (what, lines.parse::<usize>())) {
            Some((what, Ok(lines))) => drop(allowed.insert(what, lines)),
            _ => findings.push(format!("tidy-ratchet.txt: cannot read `{line}`")),
        }
    }
    for (what, &lines) in found {
        match allowed.remove(what.as_str()) {
            None => findings.push(format!("{what}: {lines} lines; is there a noun missing?")),
            Some(limit) if lines > limit => {
                findings.push(format!("{what}: {lines} lines, grew from {limit}"));
            }
            Some(limit) if lines < limit => {
                findings
                    .push(format!("{what}: {lines} lines, shrank from {limit}: lower the ratchet"));
            }
            Some(_) => {}
        }
    }
    findings.extend(
        allowed.keys().map(|what| format!("{what}: no longer too long: lower the ratchet")),
    );
    findings
}
