//! A process of its own that imports, and is killed in the middle.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::failure::Failure;
use crate::import::BATCHES_IN_FLIGHT_MAX;

/// Events in a commit: few, so that the import takes long enough to be killed.
const BATCH: u64 = 100;
/// How often an import may be too fast to be killed in the middle.
const TRIES: u32 = 8;

/// An import that was killed.
pub(super) struct Killed {
    /// Its store.
    pub(super) store: PathBuf,
    /// Events whose acknowledgement was read.
    pub(super) acknowledged: u64,
    /// Most events that may have been on their way beyond those.
    pub(super) in_flight_max: u64,
}

/// Starts an import of `lines` into a store beside `store` and kills it with SIGKILL once a part of its
/// `total` events is acknowledged: a half, and less if it is too fast for that.
pub(super) fn kill_an_import(lines: &Path, store: &Path, total: u64) -> Result<Killed, Failure> {
    let mut enough = total / 2;
    for attempt in 0..TRIES {
        let store = match attempt {
            0 => store.to_owned(),
            _ => store.with_extension(format!("{attempt}.quipu")),
        };
        if let Some(acknowledged) = attempt_to_kill(lines, &store, enough)? {
            let in_flight_max = (BATCHES_IN_FLIGHT_MAX as u64 + 1) * BATCH;
            return Ok(Killed { store, acknowledged, in_flight_max });
        }
        enough /= 2;
    }
    Err(Failure::new(
        "too-fast",
        format!("the import was over before it could be killed, {TRIES} times"),
        "run the demo again, or on a slower disk: set TMPDIR to a folder on it",
    ))
}

/// The number of events acknowledged, if the process could be killed in time.
fn attempt_to_kill(lines: &Path, store: &Path, enough: u64) -> Result<Option<u64>, Failure> {
    let mut child = start(lines, store)?;
    let acknowledged = match child.stdout.take() {
        Some(stdout) => read_and_kill(stdout, &mut child, enough),
        None => Ok(0),
    };
    // Whatever went wrong, no process is left behind; one that is gone cannot be killed again.
    let _gone = child.kill();
    let status = child.wait().map_err(|error| broken(&error))?;
    let acknowledged = acknowledged.map_err(|error| broken(&error))?;
    match status.code() {
        None => Ok(Some(acknowledged)),
        Some(0) => Ok(None),
        Some(code) => Err(Failure::new(
            "child",
            format!("the importing process ended with exit code {code}"),
            "see its message above",
        )),
    }
}

fn start(lines: &Path, store: &Path) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(|error| broken(&error))?;
    Command::new(program)
        .arg("--store")
        .arg(store)
        .args(["import", "--progress-lines", "--batch", &BATCH.to_string()])
        .arg(lines)
        .env_remove("QUIPU_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| broken(&error))
}

/// Reads acknowledgements, kills once there are enough, and reads what was said until then.
fn read_and_kill(stdout: ChildStdout, child: &mut Child, enough: u64) -> std::io::Result<u64> {
    let mut acknowledged = 0;
    let mut killed = false;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        let number = line.strip_prefix("acknowledged ").and_then(|text| text.parse().ok());
        acknowledged = number.unwrap_or(acknowledged);
        if acknowledged >= enough && !killed {
            child.kill()?;
            killed = true;
        }
    }
    Ok(acknowledged)
}

fn broken(error: &std::io::Error) -> Failure {
    Failure::new("child", format!("the importing process: {error}"), "run the demo again")
}
