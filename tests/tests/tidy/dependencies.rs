//! What the dependency tree holds: licences, async runtimes, its size, and a reason for each.

use std::collections::BTreeSet;

use serde_json::Value;

/// Crates in the engine's tree besides the project's own four: forty in all.
pub(crate) const ENGINE_CRATES_MAX: usize = 36;

/// What deny.toml says.
pub(crate) struct Rules {
    /// SPDX identifiers, each with its exception if it has one.
    pub(crate) licences: BTreeSet<String>,
    pub(crate) banned: BTreeSet<String>,
}

impl Rules {
    pub(crate) fn parse(deny: &str) -> Rules {
        let entries = |section, key| {
            let lines = deny.lines().skip_while(move |line| *line != section).skip(1);
            let lines = lines.take_while(|line| !line.starts_with('['));
            let lines = lines.skip_while(move |line| *line != key).skip(1);
            let lines = lines.take_while(|line| *line != "]");
            lines.filter(|line| !line.trim_start().starts_with('#'))
        };
        let quoted = |text: &str| text.split('"').nth(1).map(str::to_owned);
        Rules {
            licences: entries("[licenses]", "allow = [").filter_map(quoted).collect(),
            banned: entries("[bans]", "deny = [")
                .filter_map(|line| line.split_once("crate = ").and_then(|(_, rest)| quoted(rest)))
                .collect(),
        }
    }
}

/// The packages in the output of `cargo metadata` whose licence is not allowed.
pub(crate) fn unlicensed(metadata: &Value, rules: &Rules) -> Vec<String> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut findings = Vec::new();
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none");
        if !allows(&rules.licences, licence) {
            findings.push(format!("{}: licence {licence} is not in deny.toml", package["name"]));
        }
    }
    findings
}

/// Whether an SPDX expression can be met with the allowed licences. `/` is an old way to write `OR`.
pub(crate) fn allows(allowed: &BTreeSet<String>, expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(allowed, &mut rest) && rest.is_empty()
}

fn any_of(allowed: &BTreeSet<String>, rest: &mut &[&str]) -> bool {
    let mut met = all_of(allowed, rest);
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        // Both sides are read, whether the first is met or not.
        met |= all_of(allowed, rest);
    }
    met
}

fn all_of(allowed: &BTreeSet<String>, rest: &mut &[&str]) -> bool {
    let mut met = one(allowed, rest);
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        met &= one(allowed, rest);
    }
    met
}

fn one(allowed: &BTreeSet<String>, rest: &mut &[&str]) -> bool {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let met = any_of(allowed, rest);
            let closed = rest.first() == Some(&")");
            *rest = rest.get(1..).unwrap_or_default();
            met && closed
        }
        [licence, "WITH", exception, after @ ..] => {
            *rest = after;
            allowed.contains(&format!("{licence} WITH {exception}"))
        }
        [licence, after @ ..] => {
            *rest = after;
            allowed.contains(*licence)
        }
        [] => false,
    }
}

/// What the output of `cargo tree --prefix none` for the engine must not show.
pub(crate) fn overgrown(tree: &str, rules: &Rules) -> Vec<String> {
    // A line is `name vVERSION`, then the path of a crate of the project in parentheses, or marks.
    let others: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter(|line| !line.contains("(/"))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .collect();
    let banned = others.iter().filter(|(name, _)| rules.banned.contains(*name));
    let mut findings: Vec<String> = banned
        .map(|(name, _)| format!("the engine depends on {name}, banned by deny.toml"))
        .collect();
    if others.len() > ENGINE_CRATES_MAX {
        findings.push(format!(
            "the engine depends on {} crates besides the project's own, at most {ENGINE_CRATES_MAX}",
            others.len()
        ));
    }
    findings
}

/// The names in `[workspace.dependencies]`, the project's own crates apart.
pub(crate) fn declared(root_manifest: &str) -> BTreeSet<String> {
    let section = root_manifest.lines().skip_while(|line| *line != "[workspace.dependencies]");
    section
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#') && !line.contains("path = "))
        .filter_map(|line| line.split_once(['=', '.']))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

/// The names of the dependencies, of all kinds, that the members name in the output of
/// `cargo metadata`, the project's own crates apart.
pub(crate) fn used(metadata: &Value) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    packages
        .iter()
        .filter_map(|package| package["dependencies"].as_array())
        .flatten()
        .filter(|dependency| dependency["path"].is_null())
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect()
}

/// Where the table of dependencies in the decision record differs from those there are.
pub(crate) fn unexplained(dependencies: &BTreeSet<String>, record: &str) -> Vec<String> {
    let explained: BTreeSet<String> = record
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(name, _)| name.to_owned())
        .collect();
    let missing = dependencies
        .difference(&explained)
        .map(|name| format!("{name}: no line in docs/adr/0001-dependencies.md"));
    let left_over = explained
        .difference(dependencies)
        .map(|name| format!("{name}: in docs/adr/0001-dependencies.md and not in Cargo.toml"));
    missing.chain(left_over).collect()
}
