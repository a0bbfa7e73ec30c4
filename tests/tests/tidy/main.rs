//! Holds the repository to its house rules (CONTRIBUTING.md) and to its map (ARCHITECTURE.md).
//!
//! Each checker is a pure function over text and has a twin in `planted.rs` with a violation that it
//! must find. To add a rule: a checker, a twin, and a test here that runs it on the repository.
#![allow(clippy::disallowed_methods, reason = "looks at the repository, not at a store")]

mod arrows;
mod dependencies;
mod doors;
mod hygiene;
mod planted;
mod repository;
mod sizes;
mod source;
mod unsafe_code;

use dependencies::Rules;

fn assert_none(findings: impl IntoIterator<Item = String>) {
    let findings: Vec<String> = findings.into_iter().collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn arrows_are_those_drawn() {
    let drawn = arrows::drawn(&repository::read("ARCHITECTURE.md"));
    let built = arrows::built(&repository::metadata(&["--no-deps"]));
    assert_none(arrows::differences(&drawn, &built));
}

#[test]
fn arrows_point_down() {
    let built = arrows::built(&repository::metadata(&["--no-deps"]));
    assert_none(arrows::pointing_up(&built));
}

#[test]
fn files_and_functions_are_short() {
    let texts = repository::texts();
    let ratchet = repository::read("tests/tidy-ratchet.txt");
    let mut findings = sizes::far_too_long(&texts);
    findings.extend(sizes::against_ratchet(&sizes::too_long(&texts), &ratchet));
    assert_none(findings);
}

#[test]
fn unsafe_code_is_explained() {
    let texts = repository::texts();
    let rust = texts.iter().filter(|file| file.is_rust());
    assert_none(rust.flat_map(unsafe_code::unexplained));
}

#[test]
fn crates_without_unsafe_code_forbid_it() {
    assert_none(unsafe_code::unforbidden(&repository::texts()));
}

#[test]
fn files_clocks_and_sleep_are_reached_through_disk() {
    assert_none(repository::texts().iter().flat_map(doors::forced));
}

#[test]
fn threads_and_locks_come_from_one_file() {
    assert_none(repository::texts().iter().flat_map(doors::unmodelled));
}

#[test]
fn text_is_clean() {
    assert_none(repository::texts().iter().flat_map(hygiene::blemishes));
}

#[test]
fn links_lead_somewhere() {
    let texts = repository::texts();
    let markdown = texts.iter().filter(|file| file.path.ends_with(".md"));
    let exists = |path: &str| repository::root().join(path).exists();
    assert_none(markdown.flat_map(|file| hygiene::dead_links(file, exists)));
}

#[test]
fn map_is_short() {
    assert_none(hygiene::overlong_map(&repository::read("ARCHITECTURE.md")));
}

#[test]
fn dependencies_have_a_reason() {
    let mut dependencies = dependencies::declared(&repository::read("Cargo.toml"));
    dependencies.extend(dependencies::used(&repository::metadata(&["--no-deps"])));
    // Workspaces of their own, built by nobody else.
    for manifest in ["fuzz/Cargo.toml", "mutants/Cargo.toml", "bench/compare/Cargo.toml"] {
        dependencies.extend(dependencies::declared(&repository::read(manifest)));
    }
    let record = repository::read("docs/adr/0001-dependencies.md");
    assert_none(dependencies::unexplained(&dependencies, &record));
}

#[test]
fn licences_are_allowed() {
    let rules = Rules::parse(&repository::read("deny.toml"));
    let metadata = repository::metadata(&["--filter-platform", &repository::host()]);
    assert_none(dependencies::unlicensed(&metadata, &rules));
}

#[test]
fn engine_is_small_and_knows_no_async_runtime() {
    let rules = Rules::parse(&repository::read("deny.toml"));
    assert!(rules.banned.contains("tokio"), "deny.toml bans async runtimes");
    let tree = repository::cargo(&["tree", "-p", "quipu", "-e", "normal", "--prefix", "none"]);
    assert_none(dependencies::overgrown(&tree, &rules));
}
