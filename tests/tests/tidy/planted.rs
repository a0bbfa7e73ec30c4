//! The twin of each checker: a violation that it must find, beside what it must let pass.

use std::collections::BTreeSet;

use serde_json::json;

use crate::dependencies::{self, Rules};
use crate::source::{Text, code, functions, without_tests};
use crate::{arrows, doors, hygiene, sizes, unsafe_code};

fn file(path: &str, text: &str) -> Text {
    Text { path: path.to_owned(), text: text.to_owned() }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Asserts that each finding holds its planted part, in order, and that there are no others.
fn assert_finds(findings: &[String], planted: &[&str]) {
    let found = findings.len() == planted.len()
        && findings.iter().zip(planted).all(|(finding, part)| finding.contains(part));
    assert!(found, "planted {planted:?}, found {findings:?}");
}

#[test]
fn code_is_told_from_comments_and_literals() {
    let rows = [
        ("a // fn {\nb", "a b"),
        ("a /* { /* } */ { */ b", "a b"),
        (r#"a "}\"}" b"#, "a b"),
        (r##"a r#"}"}"# b"##, "a b"),
        (r##"a br#"}"# c"}" b"##, "a b c b"),
        (r"a '{' '\'' '\\' b", "a b"),
        ("a 'é' <'a> b", "a <'a> b"),
        ("r#fn for\"}\"", "r#fn for"),
    ];
    for (text, expected) in rows {
        let code = code(text);
        assert_eq!(code.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
        assert_eq!(
            (code.len(), code.lines().count()),
            (text.len(), text.lines().count()),
            "{text}"
        );
    }
}

#[test]
fn functions_are_measured_to_their_closing_brace() {
    let text = "trait T {\n fn none(a: [u8; 2]);\n}\ntype F = fn(u8);\n\
                fn short() {}\nfn long(\n a: [u8; 2],\n) {\n  if a { \"}\" }\n}\n";
    let found = functions(&code(text));
    let found: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.lines)).collect();
    assert_eq!(found, [("short", 1), ("long", 5)]);
}

#[test]
fn test_modules_are_blanked() {
    let text = "a\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nc\n#[cfg(test)]\nmod d;\ne";
    let kept = without_tests(text);
    assert_eq!(kept.split_whitespace().collect::<Vec<_>>(), ["a", "c", "e"]);
    assert_eq!(kept.lines().count(), text.lines().count());
}

#[test]
fn arrow_only_drawn_and_arrow_only_built_are_found() {
    let drawn = arrows::drawn("x -> y\n```arrows\ntools -> engine\nengine -> disk\n```\nx -> z");
    let built = arrows::built(&json!({ "packages": [{
        "manifest_path": "/r/engine/Cargo.toml",
        "dependencies": [
            { "name": "quipu-disk", "path": "/r/disk", "kind": null },
            { "name": "quipu-format", "path": "/r/format", "kind": "build" },
            { "name": "quipu-tests", "path": "/r/tests", "kind": "dev" },
            { "name": "uuid", "kind": null },
        ],
    }]}));
    let findings = arrows::differences(&drawn, &built);
    assert_finds(
        &findings,
        &["engine -> format stands in engine", "tools -> engine stands in ARCH"],
    );
}

#[test]
fn arrow_that_points_up_is_found() {
    let arrow = |(from, to): (&str, &str)| (from.to_owned(), to.to_owned());
    let built = [("engine", "tools"), ("format", "disk"), ("index", "engine"), ("engine", "index")];
    let findings = arrows::pointing_up(&built.into_iter().map(arrow).collect());
    let planted = [
        "engine -> index closes a circle",
        "nothing depends on tools",
        "format depends on no other",
        "index -> engine closes a circle",
    ];
    assert_finds(&findings, &planted);
}

#[test]
fn file_that_no_exception_can_allow_is_found() {
    let files = [
        file("a.rs", &"\n".repeat(sizes::FILE_LINES_MAX + 1)),
        file("b.rs", &"\n".repeat(sizes::FILE_LINES_MAX)),
        file("c.md", &"\n".repeat(sizes::FILE_LINES_MAX + 1)),
    ];
    assert_finds(&sizes::far_too_long(&files), &["a.rs: 801 lines"]);
}

#[test]
fn long_files_and_functions_are_found() {
    let function =
        |name: &str, lines: usize| format!("fn {name}() {{{}}}\n", "\n".repeat(lines - 1));
    let files = [
        file("a.rs", &(function("f", 71) + &function("f", 72) + &function("g", 70))),
        file("b.rs", &"\n".repeat(sizes::FILE_LINES + 1)),
        file("c.rs", &"\n".repeat(sizes::FILE_LINES)),
    ];
    let found = sizes::too_long(&files).into_iter().collect::<Vec<_>>();
    let planted = [("a.rs::f", 71), ("a.rs::f#2", 72), ("b.rs", 401)];
    assert_eq!(found, planted.map(|(what, lines)| (what.to_owned(), lines)));
}

#[test]
fn ratchet_turns_one_way() {
    let sizes = [("grew.rs", 500), ("new.rs", 401), ("same.rs", 450), ("shrank.rs", 420)];
    let found = sizes.map(|(what, lines)| (what.to_owned(), lines)).into_iter().collect();
    let ratchet = "# what lines\ngrew.rs 499\nsame.rs 450\nshrank.rs 430\ngone.rs 402\nsame.rs\n";
    let planted = [
        "cannot read `same.rs`",
        "grew.rs: 500 lines, grew from 499",
        "new.rs: 401 lines",
        "shrank.rs: 420 lines, shrank from 430: lower the ratchet",
        "gone.rs: no longer too long: lower the ratchet",
    ];
    assert_finds(&sizes::against_ratchet(&found, ratchet), &planted);
}

#[test]
fn unsafe_code_without_a_reason_is_found() {
    let text = "\
// SAFETY: of another statement
let a = 1;
let b = unsafe { f() };
// SAFETY: in bounds
#[allow(unsafe_code, reason = \"checked\")]
let c =
    unsafe { g() };
unsafe impl Send for T {}
/// Does.
pub unsafe fn h() {}
/// # Safety
/// Never.
pub unsafe fn i(j: unsafe fn(u8)) {}
let k = unsafe { l() }; // SAFETY: beside it
// unsafe { in a comment }
unsafe extern \"C\" {}
";
    let findings = unsafe_code::unexplained(&file("a.rs", text));
    assert_finds(&findings, &["a.rs:3:", "a.rs:8:", "a.rs:10:", "a.rs:16:"]);
}

#[test]
fn crate_that_should_forbid_unsafe_code_is_found() {
    let files = [
        file("a/src/lib.rs", "//! No unsafe code.\n#![deny(unsafe_code)]"),
        file("a/src/bin/b.rs", ""),
        file("a/src/bin/f/main.rs", "mod g;"),
        file("a/src/bin/f/g.rs", ""),
        file("c/src/lib.rs", "mod d;"),
        file("c/src/d.rs", "unsafe { }"),
        file("e/src/main.rs", "#![forbid(unsafe_code)]"),
    ];
    assert_finds(
        &unsafe_code::unforbidden(&files),
        &["a/src/lib.rs", "a/src/bin/b.rs", "a/src/bin/f/main.rs"],
    );
}

#[test]
fn file_clock_and_sleep_around_disk_are_found() {
    let text = "use std::fs;\nuse std::time::{Duration, Instant, SystemTime};\n\
                // std::fs is not for us\nthread::sleep(Duration::ZERO);\nlet xfs = rustixfs::x();\n\
                #[cfg(test)]\nmod tests {\n use std::fs;\n}\n";
    let planted =
        ["e/a.rs:1: std::fs", "e/a.rs:2: System", "e/a.rs:2: Instant", "e/a.rs:4: thread"];
    assert_finds(&doors::forced(&file("e/a.rs", text)), &planted);
    for free in ["disk/a.rs", "tools/src/a.rs", "tests/a.rs", "e/tests/a.rs", "e/src/a/tests.rs"] {
        assert_finds(&doors::forced(&file(free, text)), &[]);
    }
    assert_finds(
        &doors::forced(&file("e/a.rs", "use std::{fs, io};\nfs::read(p);")),
        &["e/a.rs:2"],
    );
}

#[test]
fn locks_that_no_model_can_replace_are_found() {
    let text = "use parking_lot::Mutex;\nlet a = std::thread::current();\nuse std::sync::atomic::fence;\n\
                #[cfg(test)]\nmod tests {\n use std::thread;\n}\n";
    for path in ["engine/src/a.rs", "disk/src/a.rs"] {
        let planted = ["a.rs:1: parking_lot", "a.rs:2: std::thread", "a.rs:3: std::sync::atomic"];
        assert_finds(&doors::unmodelled(&file(path, text)), &planted);
    }
    for free in ["disk/src/threads.rs", "index/src/a.rs", "engine/tests/a.rs"] {
        assert_finds(&doors::unmodelled(&file(free, text)), &[]);
    }
}

#[test]
fn blemishes_are_found() {
    let lines = [
        concat!("see /wo", "rk/a"),
        concat!("see /ro", "ot/a"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("to", "do!()"),
        concat!("unimple", "mented!()"),
        concat!("#[ig", "nore = \"slow\"]"),
        "space ",
        "fine",
    ];
    let findings = hygiene::blemishes(&file("a", &lines.join("\n")));
    let planted = ["a:1:", "a:2:", "a:3:", "a:4:", "a:5:", "a:6:", "a:7:", "a:8:"];
    assert_finds(&findings, &planted);
}

#[test]
fn overlong_map_is_found() {
    let lines = |count| "\n".repeat(count);
    assert_finds(&hygiene::overlong_map(&lines(hygiene::ARCHITECTURE_LINES_MAX)), &[]);
    assert_finds(&hygiene::overlong_map(&lines(hygiene::ARCHITECTURE_LINES_MAX + 1)), &["301"]);
}

#[test]
fn dead_links_are_found() {
    let text = "[a](../a.md#b), [c](c.md), `[d](d.md)`, [e](https://e.example), [f](#f)\n\
                ```\n[g](g.md)\n```\n[h]: h.md\n[i](../../i.md) [j](a/)\n";
    let exists = |path: &str| ["a.md", "docs/a"].contains(&path);
    let findings = hygiene::dead_links(&file("docs/x.md", text), exists);
    assert_finds(&findings, &["x.md:1: dead link to c.md", "x.md:5:", "x.md:6:"]);
}

const DENY: &str = r#"
[licenses]
# "GPL-3.0" never
allow = [
  "MIT", # "most"
  "Apache-2.0 WITH LLVM-exception",
  "Unicode-3.0",
]
[bans]
allow = [
  { crate = "fine" },
]
deny = [
  { crate = "tokio", reason = "async" },
]
"#;

#[test]
fn licence_expressions_are_understood() {
    let rules = Rules::parse(DENY);
    assert_eq!(rules.licences, names(&["Apache-2.0 WITH LLVM-exception", "MIT", "Unicode-3.0"]));
    let rows = [
        ("MIT", true),
        ("Apache-2.0", false),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND Unicode-3.0", true),
        ("MIT AND (GPL-3.0 OR Zlib)", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("GPL-3.0 OR MIT AND GPL-3.0", false),
        ("MIT OR", true),
        ("MIT MIT", false),
        ("(MIT", false),
        ("", false),
    ];
    for (expression, expected) in rows {
        assert_eq!(dependencies::allows(&rules.licences, expression), expected, "{expression}");
    }
}

#[test]
fn unlicensed_package_is_found() {
    let metadata = json!({ "packages": [
        { "name": "a", "license": "MIT" },
        { "name": "b", "license": "GPL-3.0" },
        { "name": "c", "license": null },
    ]});
    let findings = dependencies::unlicensed(&metadata, &Rules::parse(DENY));
    assert_finds(&findings, &["\"b\": licence GPL-3.0", "\"c\": licence none"]);
}

#[test]
fn async_runtime_and_overgrown_tree_are_found() {
    let rules = Rules::parse(DENY);
    let tree = "quipu v0.1.0 (/r/engine)\ntokio v1.0.0\nfine v1.0.0\nfine v1.0.0 (*)\n";
    assert_finds(&dependencies::overgrown(tree, &rules), &["depends on tokio"]);
    let lines =
        |count| (0..count).map(|at| format!("c{at} v1.0.0 (proc-macro)\n")).collect::<String>();
    let limit = dependencies::ENGINE_CRATES_MAX;
    assert_finds(&dependencies::overgrown(&lines(limit), &rules), &[]);
    assert_finds(&dependencies::overgrown(&lines(limit + 1), &rules), &["37 crates"]);
}

#[test]
fn dependency_without_a_reason_is_found() {
    let manifest = "[workspace]\nx = 1\n[workspace.dependencies]\nquipu = { path = \"engine\" }\n\
                    # why\na = \"1\"\nb.version = \"1\"\n[profile.dev]\ny = 1\n";
    let mut declared = dependencies::declared(manifest);
    assert_eq!(declared, names(&["a", "b"]));
    declared.extend(dependencies::used(&json!({ "packages": [{ "dependencies": [
        { "name": "c" },
        { "name": "quipu", "path": "/r/engine" },
    ]}]})));
    let findings = dependencies::unexplained(&declared, "| `a` | why |\n| `d` | why |\n");
    assert_finds(&findings, &["b: no line", "c: no line", "d: in docs"]);
}
