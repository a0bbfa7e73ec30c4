//! What the engine says on standard error with `-v`, also where nobody can hear it.

use std::fs::File;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::bench::{Bench, lines, quipu};

/// Longer than any command here takes.
const FOR_EVER: Duration = Duration::from_secs(120);

/// Enough for the log to go on in other segments: their threads have something to say then.
const EVENTS: usize = 40_000;

/// An import that says all that it does to `stderr`.
fn import(bench: &Bench, stderr: Stdio) -> Child {
    let input = bench.write("in.ndjson", lines(EVENTS));
    let mut command = quipu();
    command.arg("-vvv").arg("--store").arg(bench.store()).args(["import", &input]);
    command.stdout(Stdio::null()).stdin(Stdio::null()).stderr(stderr).spawn().unwrap()
}

/// Whether the command succeeds, and does not hang.
fn ends_well(mut child: Child) {
    let began = Instant::now();
    while began.elapsed() < FOR_EVER {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    panic!("it hangs");
}

#[test]
fn a_full_standard_error_stops_nothing() {
    let bench = Bench::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    ends_well(import(&bench, full.into()));
    assert_eq!(bench.exported().len(), EVENTS);
}

#[test]
fn a_standard_error_that_nobody_reads_any_more_stops_nothing() {
    let bench = Bench::new();
    let mut child = import(&bench, Stdio::piped());
    drop(child.stderr.take());
    ends_well(child);
    assert_eq!(bench.exported().len(), EVENTS);
}

#[test]
fn openings_and_rolls_are_told_to_who_asks_and_to_nobody_else() {
    let bench = Bench::new();
    let input = bench.write("in.ndjson", lines(EVENTS));
    let verbose = bench.ok(&["-v", "import", &input]);
    for what in ["opened", "rolled to a new segment", "sealed a segment"] {
        assert!(verbose.stderr.contains(what), "{what} is not in {}", verbose.stderr);
    }
    assert_eq!(bench.ok(&["stat"]).stderr, "");
}
