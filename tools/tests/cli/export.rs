use std::io::Read;
use std::process::{Output, Stdio};

use crate::bench::{Bench, flip, lines, quipu};

#[test]
fn filters_are_all_applied() {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(100));
    bench.ok(&["import", &file]);
    for (filter, expected) in [
        (&[][..], 100),
        (&["--stream", "plain"], 25),
        (&["--stream", "cord"], 0),
        (&["--category", "cord"], 50),
        (&["--category", "plain"], 0),
        (&["--type", "Tied"], 25),
        (&["--type", "Tied", "--type", "Cut"], 50),
        (&["--tag", "t"], 25),
        (&["--tag", "a\"b", "--tag", "knot:8"], 1),
        (&["--tag", "t", "--tag", "knot:8"], 0),
        (&["--from", "90"], 10),
        (&["--from", "100"], 0),
        (&["--limit", "3"], 3),
        (&["--limit", "0"], 0),
        (&["--type", "Tied", "--from", "50", "--limit", "5"], 5),
        (&["--until", "1970-01-01"], 25),
        (&["--since", "1969-12-31T23:59:59.25Z", "--until", "2013-01-02"], 50),
        (&["--since", "1969-12-31T23:59:59.250001Z", "--until", "2013-01-02"], 25),
        (&["--since", "2013-01-01T05:52:00-05:00", "--type", "Tied"], 2),
    ] {
        let mut arguments = vec!["export"];
        arguments.extend_from_slice(filter);
        assert_eq!(bench.ok(&arguments).objects().len(), expected, "{filter:?}");
    }
}

#[test]
fn what_is_no_json_is_exported_as_base64() {
    use quipu::{Codec, ExpectedVersion, NewEvent, Store};

    let bench = Bench::new();
    let store = Store::open(bench.store()).unwrap();
    let events = [
        NewEvent::new("Raw", b"foob".as_slice()).metadata(b"\xff".as_slice()),
        NewEvent::new("Pretty", b"{\n \"a\": 1\n}".as_slice()).codec(Codec::Json),
        NewEvent::new("Broken", b"{".as_slice()).codec(Codec::Json),
    ];
    store.append("made", ExpectedVersion::NoStream, events).unwrap();
    store.close().unwrap();
    let exported = bench.exported();
    assert_eq!(exported[0]["data"]["base64"], "Zm9vYg==");
    assert_eq!(exported[0]["metadata"]["base64"], "/w==");
    assert_eq!(exported[1]["data"]["a"], 1);
    assert_eq!(exported[2]["data"]["base64"], "ew==");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(20_000));
    bench.ok(&["import", &file]);
    let output = read_a_little(&bench);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Damage in the first commit is met before there is anything to read; that in another as what stands before it is
/// written to nobody.
#[test]
fn damage_that_was_met_is_told_also_where_the_reader_goes_away() {
    for tag in ["knot:0", "knot:1000"] {
        let bench = Bench::new();
        let file = bench.write("in.jsonl", lines(20_000));
        bench.ok(&["import", &file]);
        let bytes = std::fs::read(bench.segment()).unwrap();
        let offset = bytes.windows(tag.len()).position(|window| window == tag.as_bytes()).unwrap();
        flip(&bench.segment(), offset);
        let output = read_a_little(&bench);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{tag}: {told}");
        assert!(told.contains("offset"), "{tag}: {told}");
    }
}

/// Exports to a reader that goes away after ten bytes.
fn read_a_little(bench: &Bench) -> Output {
    let mut command = quipu();
    command.arg("--store").arg(bench.store()).arg("export");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    drop(stdout);
    child.wait_with_output().unwrap()
}

#[test]
fn an_export_runs_beside_a_writer() {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(10));
    bench.ok(&["import", &file]);
    let store = quipu::Store::open(bench.store()).unwrap();
    assert_eq!(bench.exported().len(), 10);
    let said = bench.run(&["append", "a", "--type", "T", "--data", "1", "--json"]);
    assert_eq!((said.code, said.error()["error"].as_str()), (Some(2), Some("in-use")));
    store.close().unwrap();
}
