use std::io::Read;
use std::process::{Output, Stdio};

use quipu::limits::{
    METADATA_BYTES_MAX, PAYLOAD_BYTES_MAX, STREAM_BYTES_MAX, TAG_BYTES_MAX, TAGS_MAX,
    TYPE_BYTES_MAX,
};
use quipu::{Codec, ExpectedVersion, NewEvent, Store, Timestamp};

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
    assert_eq!(exported[0]["data_base64"], "Zm9vYg==");
    assert_eq!(exported[0]["metadata_base64"], "/w==");
    assert_eq!(exported[1]["data"]["a"], 1);
    assert_eq!(
        (&exported[2]["data_base64"], &exported[2]["codec"]),
        (&"ew==".into(), &"json".into())
    );
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

/// Payloads, metadata, names and times at the limits of what a store takes.
fn at_the_limits() -> Vec<NewEvent<'static>> {
    let json = |bytes: usize| format!("\"{}\"", "j".repeat(bytes - 2)).into_bytes();
    let tags: Vec<String> = (0..TAGS_MAX)
        .map(|number| format!("{number:03}{}", "\u{1}".repeat(TAG_BYTES_MAX - 3)))
        .collect();
    let kind = "\"".repeat(TYPE_BYTES_MAX);
    let mut events = vec![
        NewEvent::new("Bytes", vec![0xff; PAYLOAD_BYTES_MAX])
            .metadata(vec![0xff; METADATA_BYTES_MAX]),
        NewEvent::new("Json", json(PAYLOAD_BYTES_MAX))
            .codec(Codec::Json)
            .metadata(json(METADATA_BYTES_MAX)),
        NewEvent::new("Broken", vec![b'{'; PAYLOAD_BYTES_MAX])
            .codec(Codec::Json)
            .metadata(b"{\"base64\":\"Zm9v\"}".as_slice()),
        NewEvent::new("Same", b"{\"base64\":\"Zm9v\"}".as_slice()).codec(Codec::Json),
        NewEvent::new(kind, b"".as_slice()).tags(tags).codec(Codec::Rkyv),
    ];
    let codecs = [Codec::Protobuf, Codec::MessagePack, Codec::Other(5), Codec::Other(15)];
    events.extend(codecs.map(|codec| NewEvent::new("Coded", b"0".as_slice()).codec(codec)));
    // The ends of what a store takes, of four digits, and of the year 0.
    let seconds = [253_402_300_800, 253_402_300_799, -62_135_596_800, -62_167_219_200];
    let around = seconds.map(|seconds: i64| [seconds * 1_000_000 - 1, seconds * 1_000_000]);
    let times = [i64::MIN, i64::MAX].into_iter().chain(around.into_iter().flatten());
    events.extend(
        times.map(|time| NewEvent::new("Timed", b"0".as_slice()).occurred(Timestamp(time))),
    );
    events
}

#[test]
fn what_a_store_takes_at_its_limits_is_exported_and_imported_as_the_same_events() {
    let (bench, other) = (Bench::new(), Bench::new());
    let stream = "s".repeat(STREAM_BYTES_MAX);
    let store = Store::open(bench.store()).unwrap();
    for event in at_the_limits() {
        store.append(&stream, ExpectedVersion::Any, [event]).unwrap();
    }
    let file = other.write("out.jsonl", bench.ok(&["export"]).stdout);
    other.ok(&["import", &file]);
    let again = Store::open(other.store()).unwrap();
    let (mut left, mut right) = (store.all().events().unwrap(), again.all().events().unwrap());
    while let Some(event) = left.next().unwrap() {
        let other = right.next().unwrap().unwrap();
        let name = (event.event_type(), event.codec(), event.occurred());
        let occurred = event.occurred().unwrap_or(event.recorded());
        assert_eq!((other.event_type(), other.codec()), (name.0, name.1));
        assert_eq!((other.stream(), other.occurred()), (event.stream(), Some(occurred)));
        assert!(other.tags().eq(event.tags()), "{name:?}");
        assert!(other.payload() == event.payload(), "{name:?}");
        assert!(other.metadata() == event.metadata(), "{name:?}");
    }
    assert!(right.next().unwrap().is_none());
}
