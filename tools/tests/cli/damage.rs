use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::bench::{Bench, flip, lines};

/// A store whose event 40 has a changed byte; gives the offset of that.
fn damaged() -> (Bench, u64) {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(100));
    bench.ok(&["import", &file, "--batch", "10"]);
    let bytes = fs::read(bench.segment()).unwrap();
    let needle = b"knot:40";
    let offset = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
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
