use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::bench::{Bench, Said, flip, lines};

/// A store whose event 40 has a changed byte; gives the offset of that.
fn damaged() -> (Bench, u64) {
    damaged_at("knot:40")
}

/// A store with a changed byte at the first place that holds these words.
fn damaged_at(words: &str) -> (Bench, u64) {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(100));
    bench.ok(&["import", &file, "--batch", "10"]);
    let bytes = fs::read(bench.segment()).unwrap();
    let found = bytes.windows(words.len()).position(|window| window == words.as_bytes());
    let offset = found.unwrap();
    flip(&bench.segment(), offset);
    (bench, offset as u64)
}

#[test]
fn verify_names_file_and_offset_of_damage() {
    let (bench, flipped) = damaged();
    let said = bench.run(&["verify"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains(&bench.segment().display().to_string()), "{said:?}");
    assert!(said.stdout.contains("damaged in ") && said.stdout.contains("position"), "{said:?}");
    let said = bench.run(&["verify", "--json"]);
    let report = said.objects().remove(0);
    assert_eq!((said.code, &report["sound"]), (Some(1), &false.into()));
    let number = |value: &Value| value.as_u64().unwrap();
    let names_it = |finding: &Value| {
        let start = number(&finding["offset"]);
        let positions = &finding["positions"];
        finding["severity"] == "damage"
            && (start..start + number(&finding["bytes"])).contains(&flipped)
            && (number(&positions[0])..number(&positions[1])).contains(&40)
    };
    assert!(report["findings"].as_array().unwrap().iter().any(names_it), "{flipped}: {report}");
}

#[test]
fn export_leaves_out_what_is_damaged_and_goes_on() {
    let (bench, _) = damaged();
    let said = bench.run(&["export", "--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let mut missing = BTreeSet::new();
    for error in said.errors() {
        assert_eq!(error["error"], "damaged");
        assert!(error["file"].as_str().unwrap().ends_with(".seg"), "{error}");
        assert!(error["offset"].as_u64().unwrap() > 0, "{error}");
        let position = |index: usize| error["positions"][index].as_u64().unwrap();
        missing.extend(position(0)..position(1));
    }
    assert!(missing.contains(&40), "{missing:?}");
    assert!(missing.iter().all(|position| (40..50).contains(position)), "{missing:?}");
    assert_eq!(said.objects().len(), 100 - missing.len());
}

#[test]
fn a_sound_store_is_said_to_be_sound() {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(100));
    bench.ok(&["import", &file, "--batch", "10"]);
    assert!(bench.ok(&["verify"]).stdout.starts_with("sound: 100 events in 10 commits"));
    let report = bench.ok(&["verify", "--json"]).objects().remove(0);
    assert_eq!(report["sound"], true);
    assert_eq!(report["closed_cleanly"], true);
    assert_eq!((&report["events"], &report["next_position"]), (&100.into(), &100.into()));
}

#[test]
fn no_import_goes_into_a_store_whose_first_events_are_damaged() {
    let (bench, _) = damaged();
    let file = bench.write("in.jsonl", lines(100));
    let said = bench.run(&["import", &file, "--resume", "--json"]);
    assert_eq!((said.code, said.error()["error"].as_str()), (Some(1), Some("damaged")));
}

/// The positions that the errors name.
fn named(said: &Said) -> BTreeSet<u64> {
    let errors = said.errors();
    let ranges = errors.iter().map(|error| {
        assert_eq!(error["error"], "damaged", "{error}");
        assert!(error["file"].as_str().unwrap().ends_with(".seg"), "{error}");
        assert!(error["offset"].as_u64().unwrap() > 0, "{error}");
        error["positions"][0].as_u64().unwrap()..error["positions"][1].as_u64().unwrap()
    });
    ranges.flatten().collect()
}

#[test]
fn whoever_asks_for_a_damaged_event_learns_of_it_and_gets_the_rest() {
    for index in [Index::Kept, Index::Removed] {
        let (bench, _) = damaged();
        index.apply(&bench);
        for (arguments, good) in [
            (&["read", "cord-5"][..], 3),
            (&["read", "cord-5", "--backwards"], 3),
            (&["tail", "-n", "100"], 99),
            (&["tail", "-n", "100", "--stream", "cord-5"], 3),
            (&["tail", "-n", "100", "--tag", "a\"b"], 24),
            (&["export", "--stream", "cord-5"], 3),
            (&["export", "--category", "cord", "--type", "Tied"], 24),
            (&["export", "--type", "Tied", "--tag", "a\"b"], 24),
        ] {
            let said = bench.run(&[arguments, &["--json"]].concat());
            assert_eq!(said.code, Some(1), "{index:?} {arguments:?}: {said:?}");
            assert_eq!(named(&said), BTreeSet::from([40]), "{index:?} {arguments:?}");
            assert_eq!(said.objects().len(), good, "{index:?} {arguments:?}");
        }
        let said = bench.run(&["tail", "-n", "3", "--json"]);
        assert_eq!((said.code, said.objects().len()), (Some(0), 3), "no damage is near: {said:?}");
    }
}

#[test]
fn a_stream_that_cannot_be_counted_or_named_is_not_passed_over() {
    let (bench, _) = damaged_at("knot:96");
    let said = bench.run(&["streams"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("     damaged  cord-5\n"), "the last event is lost: {said:?}");
    let said = bench.run(&["streams", "--prefix", "cord-5", "--json"]);
    assert_eq!((said.code, named(&said)), (Some(1), BTreeSet::from([96])));
    assert_eq!(said.objects()[0]["events"], Value::Null);

    let (bench, _) = damaged_at("knot:12");
    assert_eq!(bench.ok(&["streams", "--prefix", "cord-5"]).stdout, "           4  cord-5\n");
    Index::Removed.apply(&bench);
    let said = bench.run(&["streams", "--prefix", "cord-5", "--json"]);
    assert_eq!((said.code, said.objects().len()), (Some(1), 0), "the name is lost: {said:?}");
    assert_eq!(named(&said), BTreeSet::from([12]), "nobody knows whose it is");
}

#[test]
fn an_index_is_not_made_from_a_log_that_has_lost_events() {
    let (bench, _) = damaged();
    let said = bench.run(&["rebuild-index", "--json"]);
    assert_eq!((said.code, said.error()["error"].as_str()), (Some(1), Some("damaged")));
    let report = said.objects().remove(0);
    assert_eq!((&report["damaged_segments"], &report["segments"]), (&1.into(), &0.into()));
    let text = bench.run(&["rebuild-index"]);
    assert!(text.stderr.contains("left as they are"), "{text:?}");
}

/// What becomes of the index files.
#[derive(Clone, Copy, Debug)]
enum Index {
    Kept,
    Removed,
}

impl Index {
    fn apply(self, bench: &Bench) {
        if let Index::Removed = self {
            for file in bench.files("idx") {
                fs::remove_file(file).unwrap();
            }
        }
    }
}

#[test]
fn a_segment_that_is_gone_is_told_of_by_every_command_that_reads() {
    let bench = Bench::new();
    let sample = include_bytes!("../../data/flights-sample.jsonl.zst");
    let file = bench.write("flights.jsonl.zst", sample);
    bench.ok(&["import", &file]);
    let gone = bench.files("seg").remove(2);
    fs::remove_file(&gone).unwrap();
    for arguments in [
        &["export", "--tag", "carrier:UA"][..],
        &["export", "--type", "FlightCancelled", "--limit", "1"],
        &["read", "aircraft-N14228"],
        &["tail"],
        &["streams", "--prefix", "aircraft-N1"],
        &["stat"],
        &["stat", "--quick"],
    ] {
        let said = bench.run(&[arguments, &["--json"]].concat());
        assert_eq!(said.code, Some(1), "{arguments:?}: {said:?}");
        assert!(!said.stdout.is_empty(), "{arguments:?}");
        let names = gone.display().to_string();
        let errors = said.errors();
        let told = errors.iter().filter(|error| error["file"] == names.as_str());
        assert_eq!(told.count(), 1, "{arguments:?}: {said:?}");
    }
    // Also where nobody knows how a stream ended, it is listed, unless it began in the missing segment.
    let left = bench.run(&["export"]).objects();
    let names: BTreeSet<_> = left.iter().map(|event| event["stream"].to_string()).collect();
    let listed = bench.run(&["streams", "--json"]).objects();
    let listed: BTreeSet<_> = listed.iter().map(|object| object["stream"].to_string()).collect();
    let (all, known) = (names.len(), listed.len());
    assert!(listed.is_subset(&names) && known > all * 2 / 3 && known < all, "{known} of {all}");
}

#[test]
fn the_end_of_a_log_that_cannot_be_read_is_not_passed_over() {
    let (bench, _) = damaged_at("knot:96");
    let file = bench.segment();
    let bytes = fs::read(&file).unwrap();
    let last = bytes.windows(6).rposition(|window| window == b"plain1" || window == b"plainT");
    flip(&file, last.unwrap());
    let said = bench.run(&["tail", "-n", "1", "--json"]);
    assert_eq!((said.code, said.objects().len()), (Some(1), 1), "{said:?}");
    assert_eq!(said.objects()[0]["position"], 98);
    assert_eq!(named(&said), BTreeSet::from([99]));
}

/// The commands that read a store whole; salvage only says what it would keep.
const READERS: [&[&str]; 6] = [
    &["export"],
    &["tail"],
    &["streams"],
    &["stat"],
    &["read", "plain"],
    &["salvage", "--dry-run"],
];

#[test]
fn a_manifest_that_cannot_be_read_is_told_of_by_every_command() {
    let bench = Bench::new();
    bench.ok(&["import", &bench.write("in.jsonl", lines(100)), "--batch", "10"]);
    let manifest = bench.store().join("manifest");
    for damage in [None, Some(&b""[..]), Some(b"noise")] {
        match damage {
            None => fs::remove_file(&manifest).unwrap(),
            Some(bytes) => fs::write(&manifest, bytes).unwrap(),
        }
        for arguments in READERS {
            let said = bench.run(arguments);
            assert_eq!(said.code, Some(1), "{arguments:?}: {said:?}");
            let told = [&said.stdout, &said.stderr].map(|text| {
                text.lines().filter(|line| line.contains("/manifest at offset 0: ")).count()
            });
            assert_eq!(told[0] + told[1], 1, "{arguments:?}: {said:?}");
            assert!(!said.stdout.contains("nothing is lost"), "{said:?}");
        }
        assert_eq!(bench.run(&["export"]).stdout.lines().count(), 100);
        assert_eq!(bench.run(&["append", "a", "--type", "T", "--data", "0"]).code, Some(1));
    }
    let said = bench.run(&["salvage", "--dry-run"]);
    assert!(said.stdout.contains("nothing of what was found is lost; 100 events"), "{said:?}");
}

#[test]
fn a_directory_with_a_manifest_of_something_else_is_no_store() {
    let bench = Bench::new();
    fs::create_dir(bench.store()).unwrap();
    fs::write(bench.store().join("manifest"), [7; 9000]).unwrap();
    let append = &["append", "a", "--type", "T", "--data", "0"][..];
    for arguments in READERS.into_iter().chain([&["verify"][..], append]) {
        let said = bench.run(&[arguments, &["--json"]].concat());
        let error = said.error()["error"].clone();
        assert_eq!((said.code, &error), (Some(2), &"no-store".into()), "{arguments:?}: {said:?}");
    }
}

#[test]
fn the_positions_of_a_missing_end_are_told_by_every_command() {
    let bench = Bench::new();
    bench.ok(&["import", &bench.write("in.jsonl", lines(100)), "--batch", "10"]);
    fs::remove_file(bench.segment()).unwrap();
    for arguments in READERS.into_iter().chain([&["verify"][..]]) {
        let said = bench.run(&[arguments, &["--json"]].concat());
        assert_eq!(said.code, Some(1), "{arguments:?}: {said:?}");
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(text.contains("\"positions\":[0,100]"), "{arguments:?}: {text}");
    }
}

/// What is cut off is told as a whole; what is damaged in the rest of the file is told too.
#[test]
fn damage_in_a_segment_that_was_cut_short_is_named() {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(100));
    bench.ok(&["import", &file, "--batch", "10"]);
    let bytes = fs::read(bench.segment()).unwrap();
    let at = bytes.windows(7).position(|window| window == b"knot:40").unwrap();
    flip(&bench.segment(), at);
    let last = bytes.iter().rposition(|&byte| byte != 0).unwrap();
    let cut = fs::OpenOptions::new().write(true).open(bench.segment()).unwrap();
    cut.set_len((last as u64).next_multiple_of(4096)).unwrap();
    let said = bench.run(&["export", "--json"]);
    let errors = said.errors();
    let named = |error: &Value| error["positions"][0] == 40 && error["positions"][1] == 41;
    assert!(said.code == Some(1) && errors.iter().any(named), "{said:?}");
}
