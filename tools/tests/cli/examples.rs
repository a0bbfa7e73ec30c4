//! Every example of every `--help`, and every command of the README, run as a user would run it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::bench::{Bench, Said, quipu, said};

const SAMPLE: &[u8] = include_bytes!("../../data/flights-sample.jsonl.zst");
const README: &str = include_str!("../../../README.md");

/// What the help of a command prints.
fn help(arguments: &[&str]) -> String {
    let mut command = quipu();
    command.args(arguments).arg("--help");
    let said = said(command, b"");
    assert_eq!(said.code, Some(0), "{arguments:?}");
    said.stdout
}

/// The commands that the help lists.
fn commands(help: &str) -> Vec<String> {
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The lines below `Examples:`.
fn examples(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("Examples:\n") else { return Vec::new() };
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// A folder in which a shell finds `quipu`, the sample, and what else the examples name.
fn folder() -> Bench {
    let bench = Bench::new();
    bench.write("flights.jsonl.zst", SAMPLE);
    fs::create_dir_all(bench.folder.join("tools/data")).unwrap();
    bench.write("tools/data/flights-sample.jsonl.zst", SAMPLE);
    bench.write("paid.json", "{\"paid\":42}");
    let bin = bench.folder.join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_quipu"), bin.join("quipu")).unwrap();
    bench
}

/// A shell that runs a line in the folder.
fn shell(bench: &Bench, line: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(&bench.folder).env("NO_COLOR", "1");
    command.env("PATH", format!("{}:{path}", bench.folder.join("bin").display()));
    command.env("TMPDIR", &bench.folder).env_remove("QUIPU_STORE").env_remove("QUIPU_LOG");
    command
}

fn run(bench: &Bench, line: &str) -> Said {
    said(shell(bench, line), b"")
}

fn fill(bench: &Bench) {
    let said = run(bench, "quipu --store flights.quipu import flights.jsonl.zst");
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// Whether a command never ends by itself.
fn follows(line: &str) -> bool {
    line.contains(" tail ") && (line.contains("--follow") || line.contains(" -f"))
}

/// Runs a command that goes on until it is interrupted: it must not end by itself, and it must print what is
/// there if it is asked to.
fn interrupt(bench: &Bench, line: &str) {
    // The shell's place is taken, so that what is killed is the command.
    let mut command = shell(bench, &format!("exec {line}"));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    if line.contains("-n 0") {
        std::thread::sleep(Duration::from_millis(200));
    } else {
        assert!(BufReader::new(stdout).lines().next().unwrap().is_ok(), "{line}");
    }
    assert!(child.try_wait().unwrap().is_none(), "{line}: ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A load test takes the time that it is given: here it gets as little as can be.
fn hurried(line: &str) -> String {
    let little = "--seconds 0.1";
    match line.strip_prefix("quipu bench") {
        None => line.to_owned(),
        Some(rest) if rest.contains("--seconds 30") => line.replace("--seconds 30", little),
        Some(rest) => format!("quipu bench {little}{rest}"),
    }
}

/// The tools that an example uses beside `quipu`, as far as a machine may lack them.
fn is_there(bench: &Bench, line: &str) -> bool {
    let tool = line.split_whitespace().next().unwrap_or_default();
    tool == "quipu" || run(bench, &format!("command -v {tool}")).code == Some(0)
}

#[test]
fn every_example_of_every_help_runs() {
    let mut ran = 0;
    for command in commands(&help(&[])) {
        let examples = examples(&help(&[&command]));
        assert!(!examples.is_empty(), "{command} has no example");
        let bench = folder();
        for line in examples {
            // Longer ones are broken in two by a terminal's width, and no shell joins them again.
            assert!(line.len() <= 78, "{line}");
            let line = hurried(&line);
            if command == "import" {
                let _none = fs::remove_dir_all(bench.folder.join("flights.quipu"));
            } else if !bench.folder.join("flights.quipu").exists() {
                fill(&bench);
            }
            if !is_there(&bench, &line) {
                println!("SKIPPED, for want of its first command: {line}");
            } else if follows(&line) {
                interrupt(&bench, &line);
            } else {
                let said = run(&bench, &line);
                assert_eq!(said.code, Some(0), "{line}: {said:?}");
                assert_eq!(said.stderr, "", "{line}");
            }
            ran += 1;
        }
    }
    assert!(ran >= 30, "only {ran} examples found");
}

#[test]
fn the_examples_of_the_whole_command_run_one_after_the_other() {
    let bench = folder();
    let lines = examples(&help(&[]));
    assert!(lines.len() >= 6, "{lines:?}");
    for line in lines {
        let said = run(&bench, &line);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{line}: {said:?}");
        assert!(!said.stdout.is_empty(), "{line}");
    }
}

#[test]
fn the_commands_of_the_readme_run_one_after_the_other() {
    let bench = folder();
    let (_, section) = README.split_once("\n## The command\n").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    assert!(block.lines().count() >= 6, "{block}");
    for line in block.lines() {
        let line = hurried(&line.replacen("cargo run --release --", "quipu", 1));
        let said = run(&bench, &line);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{line}: {said:?}");
        assert!(!said.stdout.is_empty(), "{line}");
    }
}

#[test]
fn an_example_that_fails_is_noticed() {
    let bench = folder();
    assert_eq!(run(&bench, "quipu --store flights.quipu read no-such-stream").code, Some(2));
    assert!(!follows("quipu --store flights.quipu tail"));
    let text = "Commands:\n  fly  Go\n  help  Print\n\nExamples:\n  quipu fly | cat\n\nExit codes";
    assert_eq!(
        (commands(text), examples(text)),
        (vec!["fly".into()], vec!["quipu fly | cat".into()])
    );
}
