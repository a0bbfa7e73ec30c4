//! `quipu demo` that is interrupted.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::bench::{Bench, Said};

/// Sends the signal to a demo that has begun this step. Whoever started the tests may ignore the signal.
fn interrupt(bench: &Bench, signal: &str, step: &str) -> Said {
    let mut command = Command::new("env");
    command.args([&format!("--default-signal={signal}"), env!("CARGO_BIN_EXE_quipu"), "demo"]);
    command.env("TMPDIR", &bench.folder).env("NO_COLOR", "1").env_remove("QUIPU_LOG");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut stdout = String::new();
    while !stdout.lines().any(|line| line.starts_with(step)) {
        assert!(output.read_line(&mut stdout).unwrap() > 0, "no {step}: {stdout}");
    }
    let line = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
    output.read_to_string(&mut stdout).unwrap();
    let ended = child.wait_with_output().unwrap();
    Said { code: ended.status.code(), stdout, stderr: String::from_utf8(ended.stderr).unwrap() }
}

/// Its processes have its standard error: that ends once they all have.
#[test]
fn an_interrupted_demo_leaves_neither_a_folder_nor_a_process() {
    for (signal, step) in [("INT", "Import: "), ("TERM", "Follow: "), ("HUP", "Crash: ")] {
        let bench = Bench::new();
        // One that was over before the signal came proves nothing.
        let mut tries = (0..20).map(|_| interrupt(&bench, signal, step));
        let said = tries.find(|said| said.code != Some(0)).unwrap();
        assert_eq!(said.code, Some(2), "{signal}: {said:?}");
        assert!(said.stderr.starts_with("error: interrupted\n"), "{signal}: {said:?}");
        assert!(!said.stdout.contains("BROKEN"), "{signal}: {said:?}");
        assert_eq!(fs::read_dir(&bench.folder).unwrap().count(), 0, "{signal}: {said:?}");
    }
}
