use std::fs;

use serde_json::Value;

use crate::bench::{Bench, flip, lines};

fn filled() -> Bench {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(400));
    bench.ok(&["import", &file, "--batch", "50"]);
    bench
}

/// The sizes of all files of the store, as the system tells them.
fn bytes_of(bench: &Bench) -> u64 {
    let entries = fs::read_dir(bench.store()).unwrap();
    entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn sum(report: &Value) -> u64 {
    report["parts"].as_object().unwrap().values().map(|bytes| bytes.as_u64().unwrap()).sum()
}

#[test]
fn the_parts_add_up_to_the_sizes_of_the_files() {
    let bench = filled();
    for arguments in [&["stat", "--json"][..], &["stat", "--quick", "--json"]] {
        let report = bench.ok(arguments).objects().remove(0);
        assert_eq!(report["bytes"].as_u64(), Some(bytes_of(&bench)), "{arguments:?}");
        assert_eq!(sum(&report), bytes_of(&bench), "{arguments:?}: {report}");
        assert_eq!((&report["events"], &report["state"]), (&400.into(), &"closed".into()));
        let streams = bench.ok(&["streams", "--json"]).stdout.lines().count();
        assert_eq!(report["streams"].as_u64(), Some(streams as u64));
    }
    let report = bench.ok(&["stat", "--json"]).objects().remove(0);
    let exported = bench.exported();
    let payload: u64 = lines(400)
        .lines()
        .zip(&exported)
        .map(|(line, event)| {
            let data = line.split_once("\"data\":").unwrap().1;
            let end =
                [",\"metadata\":", ",\"tags\":[]}", "}"].iter().find_map(|end| data.find(end));
            if event["type"] == "Tied" { data.find("},").unwrap() + 1 } else { end.unwrap() }
        })
        .map(|bytes| bytes as u64)
        .sum();
    assert_eq!(report["parts"]["payload"].as_u64(), Some(payload));
    assert_eq!(report["parts"]["event_headers"], 32 * 400);
    assert_eq!(report["parts"]["commit_headers"], 32 * 8);
    let each = &report["bytes_per_event"];
    assert_eq!((&each["event_headers"], &each["commit_headers"]), (&32.0.into(), &0.64.into()));
    assert_eq!(each["all"].as_f64(), report["bytes"].as_f64().map(|bytes| bytes / 400.0));
    let parts = each.as_object().unwrap().iter().filter(|(name, _)| *name != "all");
    let sum: f64 = parts.map(|(_, bytes)| bytes.as_f64().unwrap()).sum();
    assert!((sum - each["all"].as_f64().unwrap()).abs() < 1e-6, "{each}");
}

#[test]
fn people_see_totals_and_what_an_event_takes() {
    let bench = filled();
    let text = bench.ok(&["stat"]).stdout;
    for part in ["closed properly", "400 events of", "payload", "in all", "ballast", "format"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.lines().skip(1).all(|line| line.len() <= 80), "{text}");
    let quick = bench.ok(&["stat", "--quick"]).stdout;
    assert!(quick.contains("log") && !quick.contains("payload"), "{quick}");
    let empty = Bench::new();
    quipu::Store::open(empty.store()).unwrap().close().unwrap();
    let report = empty.ok(&["stat", "--json"]).objects().remove(0);
    assert_eq!((&report["events"], &report["first_recorded"]), (&0.into(), &Value::Null));
    assert!(empty.ok(&["stat"]).stdout.contains("0 events"));
}

#[test]
fn a_store_in_use_is_said_to_be_and_one_left_behind_too() {
    let bench = filled();
    let store = quipu::Store::open(bench.store()).unwrap();
    let said = bench.ok(&["stat", "--json"]).objects().remove(0);
    assert_eq!(said["state"], "in-use");
    assert!(bench.ok(&["stat"]).stdout.contains("open in another process"));
    let copy = Bench::new();
    fs::create_dir(copy.store()).unwrap();
    for entry in fs::read_dir(bench.store()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.store().join(path.file_name().unwrap())).unwrap();
    }
    store.close().unwrap();
    let said = copy.ok(&["stat", "--json"]).objects().remove(0);
    assert_eq!(said["state"], "not-closed");
    assert_eq!(sum(&said), bytes_of(&copy));
}

#[test]
fn damage_is_counted_and_exits_with_1() {
    let bench = filled();
    let bytes = fs::read(bench.segment()).unwrap();
    let at = bytes.windows(7).position(|window| window == b"knot:40").unwrap();
    flip(&bench.segment(), at);
    let said = bench.run(&["stat", "--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let report = said.objects().remove(0);
    let unreadable = report["parts"]["unreadable"].as_u64().unwrap();
    assert!((100..1000).contains(&unreadable), "{report}");
    assert_eq!(sum(&report), bytes_of(&bench));
    assert_eq!(bench.run(&["stat", "--quick"]).code, Some(0), "the log is not looked into");
}

#[test]
fn files_that_are_none_of_the_stores_are_named_and_no_damage() {
    let bench = filled();
    let none = |value: &Value| value["strangers"].as_array().unwrap().is_empty();
    for command in ["stat", "verify"] {
        assert!(none(&bench.ok(&[command, "--json"]).objects()[0]), "{command}");
    }
    for name in ["0000000099.seg", "stray.txt"] {
        fs::write(bench.store().join(name), b"whatever").unwrap();
    }
    for command in ["stat", "verify"] {
        let report = bench.ok(&[command, "--json"]).objects().remove(0);
        assert_eq!(report["strangers"], serde_json::json!(["0000000099.seg", "stray.txt"]));
        let text = bench.ok(&[command]).stdout;
        assert!(text.contains("0000000099.seg is none of the store's files"), "{text}");
        assert!(text.contains("stray.txt is none of the store's files"), "{text}");
    }
    assert!(bench.ok(&["verify"]).stdout.contains("sound: 400 events"), "it is no damage");
}

/// Looking for the first event, for the last and for the streams meets the same loss.
#[test]
fn a_loss_at_either_end_of_the_log_is_counted() {
    let sample = include_bytes!("../../data/flights-sample.jsonl.zst");
    for last in [false, true] {
        let bench = Bench::new();
        let file = bench.write("flights.jsonl.zst", sample);
        bench.ok(&["import", &file]);
        let mut segments = bench.files("seg");
        let gone = if last { segments.pop().unwrap() } else { segments.remove(0) };
        fs::remove_file(gone).unwrap();
        for quick in [&["stat", "--json"][..], &["stat", "--quick", "--json"]] {
            let said = bench.run(quick);
            assert_eq!(said.code, Some(1), "{said:?}");
            let report: Value = serde_json::from_str(said.stdout.trim()).unwrap();
            assert!(report["streams"].as_u64().unwrap() > 0, "{report}");
        }
    }
}
