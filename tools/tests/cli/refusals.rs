//! What each command says where there is no store that it can work on.

use std::fs;
use std::path::Path;

use crate::bench::{Bench, Said, lines, quipu, said};

/// Commands that only read.
const READING: [&[&str]; 8] = [
    &["export"],
    &["read", "plain"],
    &["tail"],
    &["tail", "-f"],
    &["streams"],
    &["stat"],
    &["stat", "--quick"],
    &["verify"],
];

/// Commands that write.
const WRITING: [&[&str]; 3] =
    [&["append", "a", "--type", "T", "--data", "1"], &["import", "-"], &["rebuild-index"]];

/// A command that only reads, and not beside a writer.
const SALVAGE: &[&str] = &["salvage", "--dry-run"];

fn filled() -> Bench {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(100));
    bench.ok(&["import", &file]);
    bench
}

/// Runs a command on a path, once for people and once for scripts; both must say the same.
fn refused(path: &str, arguments: &[&str], code: i32) -> (String, String) {
    let run = |more: &[&str]| {
        let mut command = quipu();
        command.args(["--store", path]).args(arguments).args(more);
        said(command, b"")
    };
    let Said { code: exit, stdout, stderr } = run(&[]);
    assert_eq!((exit, stdout.as_str()), (Some(code), ""), "{path} {arguments:?}: {stderr}");
    let scripts = run(&["--json"]);
    assert_eq!(scripts.code, Some(code), "{path} {arguments:?}");
    let error = scripts.error();
    let text = |name: &str| error[name].as_str().unwrap().to_owned();
    let expected = format!("error: {}\n  help: {}\n", text("message"), text("advice"));
    assert_eq!(stderr, expected, "{path} {arguments:?}");
    (text("error"), stderr)
}

fn expect(path: &str, arguments: &[&str], expected: &str, advice: &str) {
    let (word, text) = refused(path, arguments, 2);
    assert_eq!(word, expected, "{arguments:?}: {text}");
    assert!(text.contains(advice), "{arguments:?}: {text}");
    assert!(text.contains(path) || expected == "unsupported", "{arguments:?}: {text}");
}

#[test]
fn every_command_that_opens_a_store_is_tried() {
    let mut command = quipu();
    command.arg("--help");
    let help = said(command, b"").stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let without = ["bench", "demo", "completions", "man", "help"];
    for line in listed.take_while(|line| !line.is_empty()) {
        let name = line.split_whitespace().next().unwrap();
        let tried =
            READING.iter().chain(&WRITING).chain([&SALVAGE]).any(|arguments| arguments[0] == name);
        assert!(tried || without.contains(&name), "{name} opens a store and is not tried here");
    }
}

#[test]
fn a_path_where_nothing_is() {
    let bench = Bench::new();
    let path = bench.folder.join("nothing").display().to_string();
    for arguments in READING.iter().chain([&WRITING[2], &SALVAGE]) {
        expect(&path, arguments, "no-store", "check the path; a store is a directory");
        assert!(!fs::exists(&path).unwrap(), "{arguments:?} made something");
    }
}

#[test]
fn a_directory_that_is_no_store() {
    let bench = Bench::new();
    bench.write("letter.txt", "dear store");
    let path = bench.folder.display().to_string();
    for arguments in READING.iter().chain(&WRITING).chain([&SALVAGE]) {
        expect(&path, arguments, "no-store", "check the path; a store is a directory");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "{arguments:?} made something");
    }
}

#[test]
fn a_file_that_is_no_directory() {
    let bench = Bench::new();
    let path = bench.write("letter.txt", "dear store");
    for arguments in READING.iter().chain(&WRITING).chain([&SALVAGE]) {
        expect(&path, arguments, "io", "check the path; a store is a directory");
    }
}

#[test]
fn a_store_in_use_is_read_and_not_written() {
    let bench = filled();
    let store = quipu::Store::open(bench.store()).unwrap();
    let path = bench.store().display().to_string();
    for arguments in WRITING.iter().chain([&SALVAGE]) {
        expect(&path, arguments, "in-use", "close the program that writes to it");
    }
    for arguments in READING.iter().filter(|arguments| !arguments.contains(&"-f")) {
        let said = bench.ok(arguments);
        assert!(!said.stdout.is_empty() && said.stderr.is_empty(), "{arguments:?}: {said:?}");
    }
    store.close().unwrap();
}

/// Sets a bit in one of the feature masks at the beginning of the manifest, as a newer version would.
fn from_the_future(mask: usize) -> Bench {
    let bench = filled();
    set(&bench.store().join("manifest"), mask);
    bench
}

/// Sets a bit in one of the feature masks at the beginning of a file.
fn set(path: &Path, mask: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[mask] |= 0x80;
    let sum = crc32(&bytes[..4092]);
    bytes[4092..4096].copy_from_slice(&sum.to_le_bytes());
    fs::write(path, bytes).unwrap();
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn a_store_of_a_newer_format() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    let bench = from_the_future(16);
    let path = bench.store().display().to_string();
    for arguments in READING.iter().chain(&WRITING).chain([&SALVAGE]) {
        expect(&path, arguments, "unsupported", "use the version of Quipu that wrote the store");
    }
}

#[test]
fn a_store_that_this_version_must_not_write() {
    let bench = from_the_future(12);
    let path = bench.store().display().to_string();
    for arguments in WRITING {
        expect(&path, arguments, "unsupported", "use the version of Quipu that wrote the store");
    }
    for arguments in READING.iter().filter(|arguments| !arguments.contains(&"-f")) {
        bench.ok(arguments);
    }
    // What this version does not know would be lost on the way.
    expect(&path, SALVAGE, "unsupported", "use the version of Quipu that wrote the store");
}

#[test]
fn verify_names_what_it_does_not_understand_and_verifies_the_rest() {
    let bench = filled();
    set(&bench.files("idx")[0], 16);
    let said = bench.run(&["verify"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let named = bench.files("idx")[0].display().to_string();
    assert!(said.stdout.contains(&format!("unsupported: {named}")), "{said:?}");
    assert!(said.stdout.contains("sound, but for 1 place not verified: 100 events"), "{said:?}");
    assert!(said.stderr.contains("use the version of Quipu that wrote the store"), "{said:?}");
    let said = bench.run(&["verify", "--json"]);
    assert_eq!((said.code, said.error()["error"].as_str()), (Some(2), Some("unsupported")));
    let report = said.objects().remove(0);
    assert_eq!(report["sound"], false);
    assert_eq!(report["findings"][0]["severity"], "unsupported");
    // Damage is worse.
    set_wrong(&bench.files("seg")[0]);
    let said = bench.run(&["verify"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.stdout.contains("unsupported: ") && said.stdout.contains("damaged in"),
        "{said:?}"
    );
}

/// Changes a byte in the middle of a segment's first events.
fn set_wrong(segment: &Path) {
    let mut bytes = fs::read(segment).unwrap();
    bytes[5000] ^= 1;
    fs::write(segment, bytes).unwrap();
}
