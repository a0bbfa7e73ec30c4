//! An import that is killed at a random moment, again and again.
//!
//! After each kill `verify` is clean, `export` gives a prefix of the input with at least every line that
//! was acknowledged, and `import --resume` completes it exactly. `KILLS=200 cargo test --release -p
//! quipu-tools --test kill` does it two hundred times; `KILLS_SEED` repeats a run's moments.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::disallowed_methods,
    reason = "the test makes and reads the files that the command works on"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

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
    fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("quipu-kill-{}", std::process::id()));
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

/// Imports until `moment` has passed, kills the import, and says how many lines it had acknowledged.
fn killed_import(store: &Path, input: &str, batch: &str, moment: Duration) -> usize {
    let arguments = ["import", input, "--progress-lines", "--batch", batch];
    let mut child =
        quipu(store, &arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let started = Instant::now();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            let acknowledged = lines.filter_map(|line| {
                line.strip_prefix("acknowledged ").and_then(|number| number.parse().ok())
            });
            acknowledged.last().unwrap_or(0)
        });
        while started.elapsed() < moment {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap()
    })
}

fn exported(store: &Path) -> Vec<Value> {
    let output = quipu(store, &["export"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(plain).collect()
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
    let folder = Folder::new();
    let input = folder.0.join("input.jsonl");
    std::fs::write(&input, zstd::decode_all(SAMPLE).unwrap()).unwrap();
    let lines: Vec<Value> = std::fs::read_to_string(&input).unwrap().lines().map(plain).collect();
    let (mut cut_short, mut acknowledged_in_all) = (0, 0);
    for kill in 0..kills {
        let random = (seed ^ kill).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        let random = random.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16;
        let moment = Duration::from_micros(random % 250_000);
        let batch = ["1", "10", "100", "1000"][(random % 4) as usize];
        let at = format!("KILLS_SEED={seed}, kill {kill}, after {moment:?}, batch {batch}");
        let store = folder.0.join(format!("{kill}.quipu"));
        let path = input.to_str().unwrap();
        let acknowledged = killed_import(&store, path, batch, moment);
        if store.join("manifest").exists() {
            succeeds(&store, &["verify"]);
            let found = exported(&store);
            assert!(found.len() >= acknowledged, "{at}: {acknowledged}, found {}", found.len());
            assert!(found[..] == lines[..found.len()], "{at}: not a prefix of the input");
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
    println!(
        "{kills} kills, {cut_short} of them in the middle; {acknowledged_in_all} lines had been acknowledged"
    );
}
