//! A process of its own that follows a store while this one appends to it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use quipu::{ExpectedVersion, NewEvent, Store};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Events that are appended, each in a commit of its own.
const EVENTS: u64 = 100;
/// How long an event may be on its way to the other process.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the other process saw.
pub(super) struct Seen {
    /// Events that were appended.
    pub(super) appended: u64,
    /// How many of them came one after the other, from the first on.
    pub(super) in_order: u64,
    /// How long after its acknowledgement each was seen.
    delays: Vec<Duration>,
}

impl Seen {
    /// The median delay, and the longest.
    pub(super) fn delays(&self) -> Option<(Duration, Duration)> {
        let mut delays = self.delays.clone();
        delays.sort_unstable();
        Some((*delays.get(delays.len() / 2)?, *delays.last()?))
    }
}

/// A line of the other process: the event's position, and when it came.
type Sighting = (Option<u64>, Instant);

/// Makes a store, starts a process that follows it, appends, and compares.
pub(super) fn follow(path: &Path) -> Result<Seen, Failure> {
    let store = Store::open(path)?;
    append(&store, 0)?;
    let mut child = start(path)?;
    let watched = match child.stdout.take() {
        Some(stdout) => append_and_watch(&store, stdout),
        None => Ok(Seen { appended: EVENTS, in_order: 0, delays: Vec::new() }),
    };
    // Whatever went wrong, no process is left behind; one that is gone cannot be killed again.
    let _gone = child.kill();
    child.wait().map_err(|error| broken(&error))?;
    store.close()?;
    watched
}

fn append(store: &Store, number: u64) -> Result<Instant, Failure> {
    let event = NewEvent::json("Counted", &json!({ "number": number }))?;
    store.append("counter", ExpectedVersion::Any, [event])?;
    Ok(Instant::now())
}

fn start(store: &Path) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(|error| broken(&error))?;
    Command::new(program)
        .arg("--store")
        .arg(store)
        .args(["tail", "--follow", "--lines", "1", "--json"])
        .env_remove("QUIPU_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| broken(&error))
}

fn append_and_watch(store: &Store, stdout: ChildStdout) -> Result<Seen, Failure> {
    let (sender, sightings) = channel::<Sighting>();
    let reader = thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let now = Instant::now();
            let event: Option<Value> = serde_json::from_str(&line).ok();
            let position = event.and_then(|event| event["position"].as_u64());
            if sender.send((position, now)).is_err() {
                break;
            }
        }
    });
    // The event that was there before: the other process has begun.
    let mut seen = Seen { appended: EVENTS, in_order: 0, delays: Vec::new() };
    if next(&sightings) != Some(0) {
        return Ok(seen);
    }
    let mut acknowledged = Vec::new();
    for number in 1..=EVENTS {
        acknowledged.push(append(store, number)?);
    }

    for (position, acknowledged) in (1..).zip(acknowledged) {
        match sightings.recv_timeout(PATIENCE) {
            Ok((Some(found), at)) if found == position => {
                seen.in_order += 1;
                seen.delays.push(at.saturating_duration_since(acknowledged));
            }
            _ => break,
        }
    }
    drop(sightings);
    // It ends with the other process, whose killing nobody waits for here.
    drop(reader);
    Ok(seen)
}

fn next(sightings: &Receiver<Sighting>) -> Option<u64> {
    sightings.recv_timeout(PATIENCE).ok()?.0
}

fn broken(error: &std::io::Error) -> Failure {
    Failure::new("child", format!("the following process: {error}"), "run the demo again")
}
