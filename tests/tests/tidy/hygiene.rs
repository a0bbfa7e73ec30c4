//! What the text of the repository must not hold, and where its links lead.

use crate::source::Text;

pub(crate) const ARCHITECTURE_LINES_MAX: usize = 300;

/// Split, so that this file does not hold what it looks for.
const FORBIDDEN: [(&str, &str); 7] = [
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("TO", "DO"), "unfinished work belongs into an issue"),
    (concat!("FIX", "ME"), "unfinished work belongs into an issue"),
    (concat!("to", "do!"), "a stub"),
    (concat!("unimple", "mented!"), "a stub"),
    (concat!("#[ig", "nore"), "a test that does not run proves nothing"),
];

/// The lines of a text that hold what no file may hold.
pub(crate) fn blemishes(file: &Text) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.split('\n')) {
        for (needle, reason) in FORBIDDEN {
            if line.contains(needle) {
                findings.push(format!("{}:{number}: `{needle}`: {reason}", file.path));
            }
        }
        if line.ends_with([' ', '\t', '\r']) {
            findings.push(format!("{}:{number}: trailing whitespace", file.path));
        }
    }
    findings
}

/// ARCHITECTURE.md, if it has grown beyond what someone new reads.
pub(crate) fn overlong_map(architecture: &str) -> Vec<String> {
    let lines = architecture.lines().count();
    let too_long = lines > ARCHITECTURE_LINES_MAX;
    let finding = format!("ARCHITECTURE.md: {lines} lines, at most {ARCHITECTURE_LINES_MAX}");
    too_long.then_some(finding).into_iter().collect()
}

/// The links of a Markdown file to local files for which `exists` says no. It is asked with paths
/// from the root of the repository.
pub(crate) fn dead_links(file: &Text, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    let mut in_fence = false;
    for (number, line) in (1..).zip(file.text.lines()) {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence {
            continue;
        }
        for link in links(line) {
            if !resolve(&file.path, link).is_some_and(|path| exists(&path)) {
                findings.push(format!("{}:{number}: dead link to {link}", file.path));
            }
        }
    }
    findings
}

/// The local targets of the links in a line: `[text](target)` and `[name]: target`.
fn links(line: &str) -> Vec<&str> {
    // Every second part stands between backticks.
    let prose = line.split('`').step_by(2);
    let inline = prose.flat_map(|part| part.split("](").skip(1)).map(|rest| {
        let end = rest.find([')', ' ']).unwrap_or(rest.len());
        &rest[..end]
    });
    let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    let all = inline.chain(definition.map(|(_, target)| target.trim()));
    all.map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| {
            !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")
        })
        .collect()
}

/// A link's target from the root of the repository; nothing if it leads out of it.
fn resolve(from: &str, link: &str) -> Option<String> {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(path.pop()?),
            part => path.push(part),
        }
    }
    Some(path.join("/"))
}
