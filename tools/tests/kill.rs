//! An import that is killed at a random moment, again and again.
//!
//! The first is killed as soon as it has acknowledged something, the others within twice the time that an import takes
//! here. After each kill `verify` is clean, `export` gives a prefix of the input with at least every line that
//! was acknowledged, and `import --resume` completes it exactly. `KILLS=200 cargo test --release -p
//! quipu-tools --test kill` does it two hundred times; `KILLS_SEED` repeats a run's moments.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::disallowed_methods,
    reason = "the test makes and reads the files that the command works on"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

/// The signal that kills.
const SIGKILL: i32 = 9;
/// The fewest kills of which it is asked that a fifth comes in the middle of the import.
const KILLS_ENOUGH: u64 = 20;

const SAMPLE: &[u8] = include_bytes!("../data/flights-sample.jsonl.zst");

/// A line without what may differ between equal ones: the order of keys and the zone of the time.
fn plain(line: &str) -> Value {
    let mut value: Value = serde_json::from_str(line).unwrap();
    let time: Timestamp = value["time"].as_str().unwrap().parse().unwrap();
    value["time"] = Value::from(time.as_microsecond());
    value
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("quipu-kill-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn quipu(store: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quipu"));
    command.args(arguments).arg("--store").arg(store).stdin(Stdio::null());
    command
}

/// When an import is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// As soon as it has acknowledged a line.
    Acknowledged,
    After(Duration),
}

/// An import that was killed, unless it had ended by then.
struct Killed {
    /// How many lines it had acknowledged.
    acknowledged: usize,
    status: ExitStatus,
    complaints: String,
}

/// Whether what is stored after a kill is the beginning of the input, with every line that was acknowledged.
fn judge(found: &[Value], lines: &[Value], acknowledged: usize) -> Result<(), String> {
    if found.len() < acknowledged {
        return Err(format!("{acknowledged} lines acknowledged, {} found", found.len()));
    }
    if !lines.starts_with(found) {
        return Err("not a prefix of the input".to_owned());
    }
    Ok(())
}

/// The lines of an import that it says to be acknowledged.
fn acknowledged_by(line: &str) -> Option<usize> {
    line.strip_prefix("acknowledged ").and_then(|number| number.parse().ok())
}

/// Imports until that moment, and kills the import.
fn killed_import(store: &Path, input: &str, batch: &str, moment: Moment) -> Killed {
    let arguments = ["import", input, "--progress-lines", "--batch", batch];
    let mut import = quipu(store, &arguments);
    let mut child = import.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let started = Instant::now();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            let acknowledged = lines.filter_map(|line| acknowledged_by(&line));
            acknowledged.for_each(|number| tell.send(number).unwrap());
        });
        let mut first = None;
        match moment {
            Moment::Acknowledged => first = told.recv().ok(),
            Moment::After(time) => {
                while started.elapsed() < time {
                    std::hint::spin_loop();
                }
            }
        }
        child.kill().unwrap();
        let status = child.wait().unwrap();
        let mut complaints = String::new();
        child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        let acknowledged = told.iter().last().or(first).unwrap_or(0);
        Killed { acknowledged, status, complaints }
    })
}

/// How long an import takes here.
fn whole_import(store: &Path, input: &str) -> Duration {
    let started = Instant::now();
    succeeds(store, &["import", input, "--batch", "100"]);
    let took = started.elapsed();
    std::fs::remove_dir_all(store).unwrap();
    took
}

fn exported(store: &Path) -> Vec<Value> {
    let output = quipu(store, &["export"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(plain).collect()
}

/// The sample as a file, and its lines.
fn input(folder: &Folder) -> (PathBuf, Vec<Value>) {
    let input = folder.0.join("input.jsonl");
    std::fs::write(&input, zstd::decode_all(SAMPLE).unwrap()).unwrap();
    let lines = std::fs::read_to_string(&input).unwrap().lines().map(plain).collect();
    (input, lines)
}

fn succeeds(store: &Path, arguments: &[&str]) {
    let output = quipu(store, arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

#[test]
fn an_import_that_is_killed_loses_nothing_and_is_resumed_exactly() {
    let kills: u64 = std::env::var("KILLS").map_or(6, |text| text.parse().unwrap());
    let clock = Timestamp::now().as_microsecond().unsigned_abs();
    let seed: u64 = std::env::var("KILLS_SEED").map_or(clock, |text| text.parse().unwrap());
    let folder = Folder::new("loop");
    let (input, lines) = input(&folder);
    let path = input.to_str().unwrap();
    let whole = whole_import(&folder.0.join("whole.quipu"), path);
    let (mut cut_short, mut acknowledged_in_all) = (0, 0);
    for kill in 0..kills {
        let random = (seed ^ kill).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        let random = random.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16;
        let (moment, batch) = if kill == 0 {
            (Moment::Acknowledged, "1")
        } else {
            let part = (random % 250_000) as f64 / 125_000.0;
            (Moment::After(whole.mul_f64(part)), ["1", "10", "100", "1000"][(random % 4) as usize])
        };
        let at = format!("KILLS_SEED={seed}, kill {kill}, {moment:?}, batch {batch}");
        let store = folder.0.join(format!("{kill}.quipu"));
        let Killed { acknowledged, status, complaints } =
            killed_import(&store, path, batch, moment);
        let finished = status.success() && acknowledged == lines.len();
        assert!(finished || status.signal() == Some(SIGKILL), "{at}: {status}: {complaints}");
        assert_eq!(complaints, "", "{at}");
        if store.join("manifest").exists() {
            succeeds(&store, &["verify"]);
            let found = exported(&store);
            judge(&found, &lines, acknowledged).unwrap_or_else(|why| panic!("{at}: {why}"));
            cut_short += u64::from(found.len() < lines.len());
        } else {
            assert_eq!(acknowledged, 0, "{at}: acknowledged without a store");
        }
        acknowledged_in_all += acknowledged;
        succeeds(&store, &["import", path, "--resume"]);
        assert!(exported(&store) == lines, "{at}: not completed exactly");
        succeeds(&store, &["verify"]);
        std::fs::remove_dir_all(&store).unwrap();
    }
    let told = format!(
        "KILLS_SEED={seed}: {kills} kills, {cut_short} of them in the middle; {acknowledged_in_all} lines had been acknowledged"
    );
    println!("{told}");
    assert!(kills == 0 || acknowledged_in_all > 0, "nothing was acknowledged: {told}");
    assert!(kills < KILLS_ENOUGH || cut_short > kills / 5, "hardly any in the middle: {told}");
}

/// Whoever takes a line for acknowledged as soon as it is handed over is found out by what is judged after each kill,
/// and so is a store in which a line is another.
#[test]
fn a_line_that_was_acknowledged_before_it_was_stored_is_found_after_a_kill() {
    /// The last of them is no whole batch, so it waits for the next.
    const HANDED_OVER: usize = 201;
    /// More than 64 batches are not on their way at once, so so many are acknowledged before the last is taken.
    const ACKNOWLEDGED: usize = HANDED_OVER - 1 - 64 * 2;
    let folder = Folder::new("twin");
    let (input, mut lines) = input(&folder);
    let store = folder.0.join("twin.quipu");
    let mut import = quipu(&store, &["import", "-", "--progress-lines", "--batch", "2"]);
    import.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut import = import.spawn().unwrap();
    let mut pipe = import.stdin.take().unwrap();
    let text = std::fs::read_to_string(&input).unwrap();
    for line in text.lines().take(HANDED_OVER) {
        writeln!(pipe, "{line}").unwrap();
    }
    let mut said = BufReader::new(import.stdout.take().unwrap()).lines().map_while(Result::ok);
    let is_enough = |acknowledged: &usize| *acknowledged >= ACKNOWLEDGED;
    let first = said.by_ref().filter_map(|line| acknowledged_by(&line)).find(is_enough).unwrap();
    import.kill().unwrap();
    import.wait().unwrap();
    let acknowledged = said.filter_map(|line| acknowledged_by(&line)).last().unwrap_or(first);

    succeeds(&store, &["verify"]);
    let found = exported(&store);
    judge(&found, &lines, acknowledged).unwrap();
    judge(&found, &lines, HANDED_OVER).expect_err("a line is missing");
    lines[found.len() - 1]["type"] = Value::from("another");
    judge(&found, &lines, acknowledged).expect_err("a line is not what it was");
}
