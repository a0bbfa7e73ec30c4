use std::process::Stdio;

use serde_json::Value;

use crate::bench::{Bench, lines, quipu};

fn filled() -> Bench {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(100));
    bench.ok(&["import", &file]);
    bench
}

fn versions(objects: &[Value]) -> Vec<u64> {
    objects.iter().map(|event| event["version"].as_u64().unwrap()).collect()
}

#[test]
fn a_stream_is_read_both_ways_from_any_version() {
    let bench = filled();
    for (arguments, expected) in [
        (&[][..], (0..25).collect::<Vec<_>>()),
        (&["--from", "20"], (20..25).collect()),
        (&["--from", "20", "--limit", "2"], vec![20, 21]),
        (&["--backwards", "--limit", "3"], vec![24, 23, 22]),
        (&["--backwards", "--from", "1"], vec![1, 0]),
        (&["--limit", "0"], vec![]),
        (&["--from", "25"], vec![]),
    ] {
        let all = [&["read", "plain", "--json"][..], arguments].concat();
        let objects = bench.ok(&all).objects();
        assert_eq!(versions(&objects), expected, "{arguments:?}");
        assert!(objects.iter().all(|event| event["stream"] == "plain"));
    }
}

#[test]
fn an_object_has_all_fields_of_its_event() {
    let bench = Bench::new();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let append = ["append", "a", "--type", "T", "--data", "{\"n\":1}", "--id", id, "--tag", "t"];
    bench.ok(&[&append[..], &["--metadata", "[2]"]].concat());
    let event = bench.ok(&["read", "a", "--json"]).objects().remove(0);
    let recorded = event["recorded"].as_str().unwrap().to_owned();
    let expected = serde_json::json!({
        "stream": "a", "version": 0, "position": 0, "type": "T", "id": id, "recorded": recorded,
        "tags": ["t"], "codec": "json", "data": {"n": 1}, "metadata": [2],
    });
    assert_eq!(event, expected);
    let bench = filled();
    let event = bench.ok(&["read", "plain", "--limit", "1", "--json"]).objects().remove(0);
    assert_eq!(event["occurred"], "1969-12-31T23:59:59.25Z");
}

#[test]
fn people_get_lines_that_fit_the_terminal() {
    let bench = Bench::new();
    let data = format!("{{\"long\":[{}]}}", ["123456"; 40].join(","));
    bench.ok(&["append", "a", "--type", "Noted", "--data", &data, "--tag", "t:1"]);
    for (columns, expected) in [(None, 80), (Some("60"), 60), (Some("x"), 80), (Some("1"), 40)] {
        let mut command = quipu();
        command.env_remove("COLUMNS").envs(columns.map(|columns| ("COLUMNS", columns)));
        command.arg("--store").arg(bench.store()).args(["read", "a"]);
        let said = crate::bench::said(command, b"");
        let longest = said.stdout.lines().skip(1).map(str::len).max().unwrap();
        assert!((expected - 8..=expected).contains(&longest), "{columns:?}: {}", said.stdout);
        assert!(said.stdout.starts_with("  0  20"), "{}", said.stdout);
        for part in ["Noted", "position 0", "t:1", "{\"long\":[123456,"] {
            assert!(said.stdout.contains(part), "{part}: {}", said.stdout);
        }
    }
}

#[test]
fn what_a_terminal_would_obey_is_escaped() {
    use quipu::{ExpectedVersion, NewEvent, Store};

    let bench = Bench::new();
    let store = Store::open(bench.store()).unwrap();
    let evil = "\u{1b}[2J";
    let event = NewEvent::new(evil, evil.as_bytes()).tag(evil).metadata(evil.as_bytes());
    store.append(evil, ExpectedVersion::NoStream, [event]).unwrap();
    store.close().unwrap();
    for arguments in [&["read", evil][..], &["tail"], &["streams"], &["read", "\u{1b}"]] {
        let said = bench.run(arguments);
        let all = format!("{}{}", said.stdout, said.stderr);
        assert!(!all.contains('\u{1b}') && !all.is_empty(), "{arguments:?}: {all:?}");
    }
}

#[test]
fn a_stream_that_does_not_exist_is_said_to() {
    let bench = filled();
    let said = bench.run(&["read", "planet", "--json"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let error = said.error();
    assert_eq!((&error["error"], &error["stream"]), (&"no-stream".into(), &"planet".into()));
    assert!(error["advice"].as_str().unwrap().contains("quipu streams --prefix"), "{error}");
    assert_eq!(bench.run(&["read", ""]).code, Some(2));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = filled();
    let mut command = quipu();
    command.arg("--store").arg(bench.store()).args(["read", "plain"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
