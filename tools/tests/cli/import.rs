use std::fs;

use quipu::{ExpectedVersion, NewEvent};
use serde_json::Value;

use crate::bench::{Bench, lines};

#[test]
fn an_export_gives_back_what_was_imported() {
    let bench = Bench::new();
    let text = lines(1_000);
    let file = bench.write("in.jsonl", &text);
    bench.ok(&["import", &file, "--batch", "7"]);
    let exported = bench.exported();
    assert_eq!(exported.len(), 1_000);
    for (line, exported) in text.lines().zip(&exported) {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let mut exported = exported.clone();
        let time =
            |value: &Value| value["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        if line.get("time").is_some() {
            assert_eq!(time(&line), time(&exported));
        }
        // What is not given comes back as nothing, but for the time, which is then the recorded one.
        exported["time"] = line.get("time").cloned().unwrap_or(Value::Null);
        line["time"] = exported["time"].clone();
        if line["tags"].as_array().is_some_and(Vec::is_empty) {
            line.as_object_mut().unwrap().remove("tags");
        }
        assert_eq!(line, exported);
    }
    assert!(
        bench.ok(&["export"]).stdout.contains(r#""data":{"n": 0, "f":1.50}"#),
        "bytes are kept"
    );
}

#[test]
fn an_export_can_be_imported_and_exported_to_the_same_bytes() {
    let (bench, other) = (Bench::new(), Bench::new());
    let file = bench.write("in.jsonl", lines(200));
    bench.ok(&["import", &file]);
    let first = bench.ok(&["export"]).stdout;
    let file = other.write("again.jsonl", &first);
    other.ok(&["import", &file]);
    assert_eq!(other.ok(&["export"]).stdout, first);
}

#[test]
fn compressed_input_is_recognised_in_files_and_on_standard_input() {
    let bench = Bench::new();
    let packed = zstd::encode_all(lines(100).as_bytes(), 1).unwrap();
    let file = bench.write("no-telling-name", &packed);
    bench.ok(&["import", &file]);
    let other = Bench::new();
    let said = other.run_with_input(&["import", "-"], &packed);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(other.exported().len(), 100);
    assert_eq!(bench.exported().len(), 100);
}

#[test]
fn a_bad_line_is_refused_with_its_number_and_nothing_of_its_batch_is_stored() {
    for (bad, reason) in [
        ("", "blank"),
        ("{", "EOF"),
        (r#"{"stream":"a","type":"T","data":1,"colour":"red"}"#, "unknown field `colour`"),
        (r#"{"stream":"a","type":"T","data":1,"time":"2013-01-01"}"#, "no RFC 3339 time"),
        (r#"{"stream":"","type":"T","data":1}"#, "name of the stream"),
    ] {
        let bench = Bench::new();
        let text = format!("{}{bad}\n{}", lines(25), lines(3));
        let file = bench.write("in.jsonl", &text);
        let said = bench.run(&["import", &file, "--batch", "10"]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains("error: line 26: "), "{said:?}");
        assert!(said.stderr.contains(reason), "{said:?}");
        assert!(said.stderr.contains("the first 20 lines are stored"), "{said:?}");
        assert_eq!(bench.exported().len(), 20);
        let said = bench.run(&["import", &file, "--batch", "10", "--resume", "--json"]);
        assert_eq!(
            (said.error()["line"].as_u64(), said.error()["stored"].as_u64()),
            (Some(26), Some(20))
        );
        let file = bench.write("in.jsonl", lines(25));
        bench.ok(&["import", &file, "--resume"]);
        assert_eq!(bench.exported().len(), 25, "corrected and resumed");
    }
}

#[test]
fn an_import_goes_on_after_a_part_of_its_input() {
    let bench = Bench::new();
    let text = lines(100);
    let part: String = text.split_inclusive('\n').take(33).collect();
    let part = bench.write("part.jsonl", part);
    let whole = bench.write("whole.jsonl", &text);
    bench.ok(&["import", &part]);
    let said = bench.ok(&["import", &whole, "--resume", "--json", "--batch", "10"]);
    let summary = said.objects().remove(0);
    assert_eq!((summary["resumed"].as_u64(), summary["events"].as_u64()), (Some(33), Some(67)));
    let other = Bench::new();
    other.ok(&["import", &whole]);
    let without_time = |bench: &Bench| {
        let mut all = bench.exported();
        all.iter_mut().for_each(|event| event["time"] = Value::Null);
        all
    };
    assert_eq!(without_time(&bench), without_time(&other));
}

#[test]
fn a_finished_import_adds_nothing_and_is_refused_without_resume() {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(50));
    bench.ok(&["import", &file]);
    let summary = bench.ok(&["import", &file, "--resume", "--json"]).objects().remove(0);
    assert_eq!((summary["resumed"].as_u64(), summary["events"].as_u64()), (Some(50), Some(0)));
    let said = bench.run(&["import", &file]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("--resume"), "{said:?}");
    assert_eq!(bench.exported().len(), 50);
}

#[test]
fn an_import_resumes_beside_other_events() {
    let bench = Bench::new();
    let text = lines(90);
    let other = bench.write("other.jsonl", lines(5).replace("cord", "other"));
    for lines in [0, 30, 60, 90] {
        let part: String = text.split_inclusive('\n').take(lines).collect();
        let part = bench.write("part.jsonl", part);
        let said = bench.ok(&["import", &part, "--resume", "--progress-lines", "--batch", "20"]);
        let acknowledged: Vec<&str> =
            said.stdout.lines().filter(|l| l.starts_with("ack")).collect();
        assert_eq!(acknowledged.len(), if lines == 0 { 0 } else { 2 }, "{said:?}");
        let last = format!("acknowledged {lines}");
        assert!(lines == 0 || acknowledged.last() == Some(&last.as_str()), "{said:?}");
        bench.ok(&["append", "beside", "--type", "T", "--data", "1"]);
        bench.ok(&["import", &other, "--resume"]);
    }
    assert_eq!(bench.exported().len(), 90 + 4 + 5);
}

#[test]
fn a_changed_input_is_resumed_only_up_to_the_change() {
    let bench = Bench::new();
    let text = lines(20);
    let file = bench.write("in.jsonl", &text);
    bench.ok(&["import", &file]);
    let changed = text.replacen("knot:8", "knot:x", 1);
    let file = bench.write("in.jsonl", changed);
    let summary = bench.ok(&["import", &file, "--resume", "--json"]).objects().remove(0);
    assert_eq!((summary["resumed"].as_u64(), summary["events"].as_u64()), (Some(8), Some(12)));
}

#[test]
fn input_without_lines_is_no_error() {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", "");
    bench.ok(&["import", &file]);
    assert!(bench.exported().is_empty());
    assert!(fs::exists(bench.store()).unwrap());
}

#[test]
fn parsing_alone_needs_no_store() {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(10));
    let summary = bench.ok(&["import", &file, "--parse-only", "--json"]).objects().remove(0);
    assert_eq!(summary["lines"], 10);
    assert!(!fs::exists(bench.store()).unwrap());
}

#[test]
fn a_time_finer_than_a_microsecond_is_cut_only_when_asked() {
    let bench = Bench::new();
    let line = r#"{"stream":"a","type":"T","time":"2013-01-01T05:17:00.1234567Z","data":1}"#;
    let file = bench.write("in.jsonl", format!("{line}\n"));
    let said = bench.run(&["import", &file]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("line 1") && said.stderr.contains("--cut-times"), "{said:?}");
    bench.ok(&["import", &file, "--cut-times"]);
    assert_eq!(bench.exported()[0]["time"], "2013-01-01T05:17:00.123456Z");
}

#[test]
fn progress_is_told_to_scripts_as_objects() {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(50));
    let said = bench.ok(&["import", &file, "--json", "--progress-lines", "--batch", "20"]);
    let told: Vec<u64> =
        said.objects().iter().filter_map(|object| object["acknowledged"].as_u64()).collect();
    assert_eq!(told, [20, 40, 50]);
}

/// The reason why a line is refused quotes it.
#[test]
fn nothing_that_a_terminal_obeys_is_printed_of_a_bad_line_and_not_all_of_a_long_one() {
    let long = format!("{{\"{}\":1}}", "k".repeat(1 << 20));
    let time = format!(
        "{{\"stream\":\"a\",\"type\":\"T\",\"data\":1,\"time\":\"{}\"}}",
        "9".repeat(1 << 20)
    );
    for (bad, part) in [
        ("{\"\\u001b[2J\\u009b31m\\u0007\":1}", "unknown field `\\u{1b}[2J\\u{9b}31m\\u{7}`"),
        (&long, "unknown field `kkk"),
        (&long, ", at its byte "),
        (&time, "is no RFC 3339 time"),
    ] {
        let bench = Bench::new();
        let file = bench.write("in.jsonl", format!("{bad}\n"));
        let said = bench.run(&["import", &file]);
        assert_eq!(said.code, Some(2), "{said:?}");
        let told = said.stderr.strip_suffix('\n').unwrap();
        assert!(told.lines().count() == 2 && told.len() < 800, "{} bytes", told.len());
        assert!(!told.replace('\n', "").contains(char::is_control), "{told:?}");
        assert!(told.contains(part), "{told}");
        let error = bench.run(&["import", &file, "--json"]).error().to_string();
        assert!(error.len() < 800, "{} bytes", error.len());
    }
}

/// The rest of a file that cannot be read to its end cannot be looked at before anything is written: of lines before
/// which some are lost none may be stored a second time.
#[test]
fn nothing_is_written_where_the_rest_of_the_input_cannot_be_compared() {
    let bench = Bench::new();
    let text = lines(2_000);
    let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
    let whole = Bench::new();
    whole.ok(&["import", &whole.write("in.jsonl", &text)]);
    // Lines 1 to 50 and 1501 to 1600 are there.
    let from = quipu::Store::open(whole.store()).unwrap();
    let to = quipu::Store::open(bench.store()).unwrap();
    let mut events = from.all().events().unwrap();
    while let Some(event) = events.next().unwrap() {
        if event.position().0 < 50 || (1_500..1_600).contains(&event.position().0) {
            let copy = NewEvent::new(event.event_type(), event.payload()).id(event.id().unwrap());
            to.append(event.stream(), ExpectedVersion::Any, [copy]).unwrap();
        }
    }
    to.close().unwrap();
    let broken = bench.write("in.jsonl.zst", &packed[..packed.len() - 3]);
    for batch in ["10", "1000"] {
        let said = bench.run(&["import", &broken, "--resume", "--batch", batch, "--json"]);
        assert_ne!(said.code, Some(0), "{said:?}");
        assert_eq!(said.error()["error"], "file", "{said:?}");
        assert_eq!(bench.exported().len(), 150, "{batch}: {said:?}");
    }
}
