//! `quipu bench`: what it reports adds up, and nothing is left of it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::{Bench, Said, quipu, said};

/// Runs a short load test in the folder.
fn load(bench: &Bench, arguments: &[&str]) -> Said {
    let mut command = quipu();
    command.current_dir(&bench.folder).args(["bench", "--seconds", "0.1"]).args(arguments);
    said(command, b"")
}

/// The report of one that succeeds.
fn report(bench: &Bench, arguments: &[&str]) -> Value {
    let said = load(bench, &[arguments, &["--json"]].concat());
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{arguments:?}: {said:?}");
    let mut objects = said.objects();
    assert_eq!(objects.len(), 1, "{objects:?}");
    objects.remove(0)
}

fn number(report: &Value, path: &str) -> f64 {
    report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {report}"))
}

fn left(bench: &Bench) -> Vec<PathBuf> {
    fs::read_dir(&bench.folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_is_reported_adds_up() {
    for durability in ["sync", "os"] {
        for in_flight in ["1", "5"] {
            let bench = Bench::new();
            let work = ["--threads", "2", "--events-per-commit", "3", "--payload", "100"];
            let how = ["--durability", durability, "--in-flight", in_flight, "--streams", "10"];
            let report = report(&bench, &[&work[..], &how].concat());
            let of = |path: &str| number(&report, path);
            assert_eq!(report["options"]["durability"], durability);
            assert_eq!(of("/options/in_flight").to_string(), in_flight);
            assert_eq!(of("/events"), 3.0 * of("/store/commits"), "{report}");
            assert_eq!(of("/store/commits"), of("/store/latency_seconds/count"), "{report}");
            assert_eq!(of("/raw/commits"), of("/raw/latency_seconds/count"), "{report}");
            assert!(of("/appended_events") > of("/events"), "the first moments: {report}");
            assert!(of("/slices") >= 2.0 && of("/store/seconds") >= 0.05, "{report}");
            for side in ["store", "raw"] {
                let rate = of(&format!("/{side}/commits")) / of(&format!("/{side}/seconds"));
                let told = of(&format!("/{side}/commits_per_second"));
                assert!((told / rate - 1.0).abs() < 1e-9 && told > 0.0, "{report}");
                let at = |name: &str| of(&format!("/{side}/latency_seconds/{name}"));
                let times = [at("p50"), at("p99"), at("p99_9"), at("max")];
                assert!(times[0] > 0.0 && times.is_sorted(), "{report}");
            }
            assert!(of("/ratio") > 0.0 && of("/ratio_least") <= of("/ratio_most"), "{report}");
            // Three payloads are in a commit, and in what is written and kept of it.
            assert!(of("/raw_commit_bytes") >= 300.0, "{report}");
            assert!(of("/log_bytes_per_event") >= 100.0, "{report}");
            assert!(of("/kept_bytes_per_event") >= 100.0, "{report}");
            assert!(of("/syncs") >= 1.0, "{report}");
            assert!(of("/cpu_seconds_per_million_events") >= 0.0, "{report}");
            assert_eq!(report["interrupted"], false);
            assert_eq!(left(&bench), Vec::<PathBuf>::new(), "nothing is left");
        }
    }
}

#[test]
fn people_see_both_sides() {
    let bench = Bench::new();
    let said = load(&bench, &[]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
    for part in ["1 thread, 1 event a commit of 256 bytes", "raw disk", "p99.9", "ratio", "kept"] {
        assert!(said.stdout.contains(part), "{part}: {}", said.stdout);
    }
}

#[test]
fn a_folder_that_was_there_stays_and_a_new_one_goes() {
    let bench = Bench::new();
    let there = bench.folder.join("there");
    fs::create_dir(&there).unwrap();
    report(&bench, &["there"]);
    report(&bench, &["new"]);
    assert_eq!(left(&bench), std::slice::from_ref(&there));
    assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
}

#[test]
fn the_store_that_is_kept_is_sound_and_holds_what_was_appended() {
    let bench = Bench::new();
    let report = report(&bench, &["kept", "--keep", "--streams", "7", "--durability", "os"]);
    let names = fs::read_dir(bench.folder.join("kept")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["store.quipu"]);
    let mut command = quipu();
    command.current_dir(&bench.folder);
    command.args(["--store", "kept/store.quipu", "verify", "--json"]);
    let verified = said(command, b"");
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert_eq!(verified.objects()[0]["events"], report["appended_events"]);
}

#[test]
fn no_store_and_no_other_file_is_touched() {
    let bench = Bench::new();
    bench.ok(&["append", "a", "--type", "T", "--data", "1"]);
    bench.write("file", "mine");
    let names = |folder: &PathBuf| {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    };
    let before = (names(&bench.folder), names(&bench.store()));
    for folder in ["test.quipu", ".", "file", "file/below", "missing/below"] {
        let said = load(&bench, &[folder, "--json"]);
        assert_eq!(said.code, Some(2), "{folder}: {said:?}");
        let error = said.error();
        assert!(error["message"].as_str().unwrap().contains(folder), "{error}");
        assert!(!error["advice"].as_str().unwrap().is_empty(), "{error}");
    }
    assert_eq!((names(&bench.folder), names(&bench.store())), before);
    assert_eq!(bench.exported().len(), 1);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let bench = Bench::new();
    for wrong in [
        &["--threads", "0"][..],
        &["--threads", "1025"],
        &["--events-per-commit", "65536"],
        &["--payload", "1"],
        &["--durability", "none"],
        &["--seconds", "0"],
        &["--streams", "0"],
        &["--in-flight", "0"],
        &["--events-per-commit", "65535", "--payload", "4096"],
    ] {
        let mut command = quipu();
        command.current_dir(&bench.folder).args(["bench", "--json"]).args(wrong);
        let said = said(command, b"");
        assert_eq!((said.code, &said.error()["error"]), (Some(2), &"usage".into()), "{wrong:?}");
    }
    assert_eq!(left(&bench), Vec::<PathBuf>::new());
}

#[test]
fn without_room_it_says_so_and_leaves_nothing() {
    let bench = Bench::new();
    // Room for the store's first files, and not for what is written beside it; then for neither.
    for blocks in [65_536, 1_024] {
        let line =
            format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" bench --seconds 0.1 --json");
        let mut command = Command::new("sh");
        command.current_dir(&bench.folder).args(["-c", &line, env!("CARGO_BIN_EXE_quipu")]);
        let said = said(command, b"");
        assert_eq!((said.code, &said.error()["error"]), (Some(2), &"full".into()), "{said:?}");
        assert!(said.error()["advice"].as_str().unwrap().contains("free some space"), "{said:?}");
        assert_eq!(left(&bench), Vec::<PathBuf>::new(), "{blocks}");
    }
}

/// A load test under way; whoever started the tests may ignore the signal that it is to take, or to ignore.
fn measuring(bench: &Bench, how: &str) -> Child {
    let mut command = Command::new("env");
    command.current_dir(&bench.folder).args([how, env!("CARGO_BIN_EXE_quipu"), "bench", "there"]);
    command.args(["--seconds", "600", "--json"]).env_remove("QUIPU_LOG");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    // Once that file is there, the store was measured for the first time.
    while !bench.folder.join("there/raw").exists() {
        assert!(child.try_wait().unwrap().is_none(), "ended by itself");
        assert!(begun.elapsed() < Duration::from_secs(300), "nothing is measured");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn send(signal: &str, child: &Child) {
    let line = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
}

/// What it says once it was interrupted.
fn interrupted(bench: &Bench, child: Child) {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["interrupted"], true, "{report}");
    assert!(number(&report, "/store/seconds") < 600.0, "{report}");
    assert_eq!(left(bench), Vec::<PathBuf>::new());
}

#[test]
fn interrupted_it_reports_what_it_has_and_leaves_nothing() {
    for signal in ["INT", "TERM", "HUP"] {
        let bench = Bench::new();
        let child = measuring(&bench, &format!("--default-signal={signal}"));
        send(signal, &child);
        interrupted(&bench, child);
    }
}

/// As `nohup` starts it. A second signal that it took would end it at once.
#[test]
fn a_terminal_that_is_closed_is_ignored_where_that_was_asked_for() {
    let bench = Bench::new();
    let mut child = measuring(&bench, "--ignore-signal=HUP");
    send("HUP", &child);
    // Had it taken the signal, it would have some slices of half a second to end in.
    std::thread::sleep(Duration::from_secs(3));
    assert!(child.try_wait().unwrap().is_none(), "it has ended");
    send("TERM", &child);
    interrupted(&bench, child);
}
