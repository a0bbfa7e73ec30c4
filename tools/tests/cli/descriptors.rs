//! The command where a process may have few files open.

use std::path::Path;
use std::process::Command;

use quipu::{ExpectedVersion, NewEvent, Options, Store};

use crate::bench::{Bench, quipu, said};

/// Of them the command and the store need a few for other things.
const FEW: u64 = 40;

/// A store of more segments than that.
fn many_segments(path: &Path) {
    let options = Options { segment_bytes_min: 8 << 10, segment_bytes_max: 8 << 10, ..small() };
    let store = Store::builder(path).options(options).open().unwrap();
    while store.stats().rolls < FEW + 10 {
        store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![7; 3000])]).unwrap();
    }
    store.close().unwrap();
}

fn small() -> Options {
    Options { buffer_bytes: 4096, ballast_bytes: 0, ..Options::default() }
}

/// Runs the command with this limit, and this one that it may give itself.
fn run(soft: u64, hard: u64, arguments: &[&str]) -> crate::bench::Said {
    let mut shell = Command::new("sh");
    let limits = format!("ulimit -S -n {soft} && ulimit -H -n {hard} && exec \"$0\" \"$@\"");
    shell.arg("-c").arg(limits).arg(quipu().get_program()).args(arguments);
    said(shell, b"")
}

/// Without the manifest all of them are open at once.
#[test]
fn a_store_of_many_segments_that_has_lost_its_manifest_is_salvaged() {
    let bench = Bench::new();
    many_segments(&bench.store());
    std::fs::remove_file(bench.store().join("manifest")).unwrap();
    let (from, to) = (bench.store().display().to_string(), bench.folder.join("copy"));
    let arguments = ["--store", &from, "salvage", "--to", &to.display().to_string()];
    let short = run(FEW, FEW, &arguments);
    assert_eq!(short.code, Some(2), "{short:?}");
    assert!(short.stderr.contains("ulimit -n"), "{short:?}");
    let enough = run(FEW, 500, &arguments);
    assert_eq!(enough.code, Some(1), "its manifest is lost: {enough:?}");
    let copied = quipu().args(["--store", &to.display().to_string(), "verify"]).output().unwrap();
    assert!(copied.status.success(), "{copied:?}");
}
