//! The program as it is run: arms in processes of their own, kills, the report, and nothing left behind.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "runs a program and looks at what it writes; no store is touched"
)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A folder that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Place(path)
    }

    fn compare(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
        command.args(arguments).current_dir(&self.0).output().unwrap()
    }

    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SMALL: [&str; 9] =
    ["--force", "--rounds", "1", "--events", "200", "--streams", "100", "--seconds", "0.02"];

fn run(place: &Place, arguments: &[&str]) -> Output {
    place.compare(&[&["run"], arguments, &SMALL[..]].concat())
}

#[test]
fn a_run_tells_its_figures_and_leaves_nothing_behind() {
    let place = Place::new("run");
    let works = ["durable-1", "os-1", "streams", "tags-cold", "open-killed", "replay"];
    let options = ["--only", "quipu,tephra,sqlite", "--json", "figures.json", "--svg", "pictures"];
    let output = run(&place, &[&works[..], &options].concat());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    assert_eq!(place.files(), ["figures.json", "pictures"]);
    let report: Value =
        serde_json::from_slice(&fs::read(place.0.join("figures.json")).unwrap()).unwrap();
    let ran = |work: &str, runner: &str| {
        let rounds = report["rounds"].as_array().unwrap();
        let named = |round: &&Value| round["work"] == work && round["runner"]["store"] == runner;
        rounds.iter().find(named).map(|round| round["came"].clone()).unwrap()
    };
    for work in works {
        assert!(ran(work, "quipu")["ran"]["value"].as_f64().unwrap() > 0.0, "{work}");
        assert!(ran(work, "quipu")["ran"]["stored"].as_u64().unwrap() > 0, "{work}");
    }
    assert!(ran("os-1", "tephra")["absent"].is_string());
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(works.iter().all(|work| table.contains(&format!("\n{work}: "))), "{table}");
    let drawn = place.compare(&["draw", "figures.json", "again"]);
    assert!(drawn.status.success());
    let picture = |folder: &str| fs::read(place.0.join(folder).join("overview.svg")).unwrap();
    assert_eq!(picture("pictures"), picture("again"));
}

#[test]
fn what_cannot_be_run_is_refused_in_words() {
    let place = Place::new("refused");
    let words = |output: Output| {
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(words(run(&place, &["durable-2"])).contains("compare list"));
    assert!(words(place.compare(&["run", "--seconds", "0"])).contains("seconds"));
    assert!(words(place.compare(&["draw", "nothing.json", "pictures"])).contains("No such file"));
    assert_eq!(place.files(), Vec::<String>::new());
    let listed = place.compare(&["list"]);
    assert!(String::from_utf8(listed.stdout).unwrap().contains("durable-64"));
}

#[test]
fn an_arm_that_fails_fails_the_run() {
    let place = Place::new("failed");
    // No file may grow past 64 KiB, which no store can do with.
    let script = r#"ulimit -f 64; exec "$0" "$@""#;
    let works = ["run", "os-1-by-100", "--only", "quipu,sqlite"];
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_compare")]).args(works).args(SMALL);
    let output = command.current_dir(&place.0).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("FAILED"), "{table}");
    assert_eq!(place.files(), Vec::<String>::new());
}
