//! The twin: of a few lines with a change that no test notices, that one is told, and no other.

#![allow(clippy::disallowed_methods, reason = "writes a package of a few lines, no store")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SOURCE: &str = "\
/// The larger of two.
pub fn larger(a: u32, b: u32) -> u32 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_larger_one_is_given() {
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!((super::larger(1, 2), super::larger(3, 2)), (2, 3));
    }

    #[test]
    fn something_is_given() {
        super::larger(1, 2);
    }
}
";

/// Lines, columns and replacements as cargo-mutants lists them.
const CHANGES: [(&str, &str, [usize; 4], &str); 4] = [
    ("BinaryOperator", "replace > with < in larger", [3, 10, 3, 11], "<"),
    ("BinaryOperator", "replace > with >= in larger", [3, 10, 3, 11], ">="),
    ("FnValue", "replace larger -> u32 with 0", [3, 5, 3, 30], "0"),
    ("FnValue", "replace larger -> u32 with \"\"", [3, 5, 3, 30], "\"\""),
];

fn few_lines(folder: &Path, numbers: &[usize]) -> PathBuf {
    let tree = folder.join("source");
    fs::create_dir_all(tree.join("src")).unwrap();
    let package =
        "[workspace]\n[package]\nname = \"few\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    fs::write(tree.join("Cargo.toml"), package).unwrap();
    fs::write(tree.join("src/lib.rs"), SOURCE).unwrap();
    let changes = numbers.iter().map(|&number| {
        let (kind, name, [line, column, end_line, end_column], replacement) = CHANGES[number];
        let (name, replacement) = (name.replace('"', "\\\""), replacement.replace('"', "\\\""));
        format!(
            "{{\"file\": \"src/lib.rs\", \"name\": \"{name}\", \"genre\": \"{kind}\", \
             \"replacement\": \"{replacement}\", \"span\": {{\
             \"start\": {{\"line\": {line}, \"column\": {column}}}, \
             \"end\": {{\"line\": {end_line}, \"column\": {end_column}}}}}}}"
        )
    });
    let list = format!("[{}]", changes.collect::<Vec<_>>().join(","));
    fs::write(folder.join("list.json"), list).unwrap();
    tree
}

/// Tries changes of the few lines, first with the quickest test only; what was said, and which were missed and left.
fn tried(name: &str, numbers: &[usize], again: &str) -> (Output, String, String) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    let tree = few_lines(&folder, numbers);
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quipu-mutants"));
        command.arg("--tree").arg(&tree).arg("--list").arg(folder.join("list.json"));
        command.args(["--package", "few", "--tests", "--lib"]);
        command.args(["--seconds", "0.1", "--again", again, "--output"]);
        command.arg(folder.join("out")).output().unwrap()
    };
    let output = run();
    let read = |name: &str| fs::read_to_string(folder.join("out").join(name)).unwrap_or_default();
    let (missed, left) = (read("missed.txt"), read("left.txt"));
    let gone = folder.join("out/tree/tests/gone.rs");
    fs::create_dir_all(gone.parent().unwrap()).unwrap();
    fs::write(&gone, "no test").unwrap();
    assert_eq!(run().status.code(), output.status.code(), "what is known is not tried again");
    assert!(!gone.exists(), "what is not in the tree any more would be built");
    (output, missed, left)
}

fn said(output: &Output) -> String {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn a_change_that_no_test_notices_is_told_and_no_other() {
    let (output, missed, left) = tried("missed", &[0, 1, 2, 3], "60");
    assert_eq!(missed, "replace > with >= in larger\n", "{}", said(&output));
    assert_eq!(left, "replace larger -> u32 with \"\"\n", "it does not compile");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("3 tried: 2 failed a test"), "{}", said(&output));
}

#[test]
fn where_all_are_noticed_nothing_is_told() {
    let (output, missed, left) = tried("noticed", &[0, 2], "60");
    assert_eq!((&*missed, &*left, output.status.code()), ("", "", Some(0)), "{}", said(&output));
}

#[test]
fn what_the_quick_tests_do_not_notice_is_asked_of_the_others() {
    let (output, missed, _) = tried("unsure", &[0], "0.1");
    assert_eq!(
        missed,
        "replace > with < in larger\n",
        "of no other was it asked: {}",
        said(&output)
    );
    assert!(said(&output).contains("1 of 1: unsure replace > with <"), "{}", said(&output));
}
