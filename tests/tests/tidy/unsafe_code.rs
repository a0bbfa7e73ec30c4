//! Unsafe code says why it is sound; crates without any forbid it.

use std::collections::BTreeMap;

use crate::source::{Text, code, line_of, occurrences};

/// The unsafe blocks, functions, traits and implementations that no comment vouches for.
pub(crate) fn unexplained(file: &Text) -> Vec<String> {
    let code = code(&file.text);
    let text: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    for at in occurrences(&code, "unsafe") {
        let rest = code[at + "unsafe".len()..].trim_start();
        let needs_reason = rest.starts_with('{')
            || ["impl", "trait", "extern"].iter().any(|word| rest.starts_with(word))
            || rest.strip_prefix("fn").is_some_and(|name| !name.trim_start().starts_with('('));
        let line = line_of(&code, at);
        if needs_reason && !is_explained(&text[..line]) {
            findings.push(format!("{}:{line}: unsafe without a SAFETY comment", file.path));
        }
    }
    findings
}

/// Whether the statement or item that the last of `lines` belongs to has a comment above it, or
/// beside it, that says why it is sound.
fn is_explained(lines: &[&str]) -> bool {
    let Some((last, above)) = lines.split_last() else { return false };
    if last.contains("// SAFETY:") {
        return true;
    }
    let mut comment = String::new();
    for line in above.iter().rev().map(|line| line.trim()) {
        let is_comment = line.starts_with("//");
        let is_attribute = line.starts_with("#[");
        let ends_another = line.is_empty() || line.ends_with([';', '{', '}']);
        if is_comment {
            comment = format!("{line}\n{comment}");
        } else if !comment.is_empty() || (ends_another && !is_attribute) {
            break;
        }
    }
    comment.contains("SAFETY:") || comment.contains("# Safety")
}

/// The crates that hold no unsafe code and do not forbid it in each of their roots.
pub(crate) fn unforbidden(files: &[Text]) -> Vec<String> {
    let mut crates = BTreeMap::<&str, Vec<&Text>>::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        crates.entry(file.crate_folder()).or_default().push(file);
    }
    let mut findings = Vec::new();
    for files in crates.values() {
        if files.iter().any(|file| !occurrences(&code(&file.text), "unsafe").is_empty()) {
            continue;
        }
        for root in files.iter().filter(|file| is_root(&file.path)) {
            if !root.text.contains("#![forbid(unsafe_code)]") {
                findings.push(format!("{}: forbid(unsafe_code) is missing", root.path));
            }
        }
    }
    findings
}

fn is_root(path: &str) -> bool {
    let binary = path.split_once("/src/bin/").map(|(_, file)| file);
    path.ends_with("/src/lib.rs")
        || path.ends_with("/src/main.rs")
        || binary.is_some_and(|file| !file.contains('/') || file.ends_with("/main.rs"))
}
