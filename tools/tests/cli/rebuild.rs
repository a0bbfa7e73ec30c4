use std::fs;

use crate::bench::{Bench, flip, lines};

#[test]
fn index_files_are_made_anew() {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(100));
    bench.ok(&["import", &file]);
    let before: Vec<Vec<u8>> =
        bench.files("idx").iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!before.is_empty());
    for file in bench.files("idx") {
        flip(&file, 5000);
    }
    assert_eq!(bench.run(&["verify"]).code, Some(1));
    let report = bench.ok(&["rebuild-index", "--json"]).objects().remove(0);
    assert_eq!(report["segments"].as_u64(), Some(before.len() as u64));
    assert_eq!(report["bytes"].as_u64(), Some(before.iter().map(|file| file.len() as u64).sum()));
    assert!(report["keys"].as_u64().unwrap() > 25);
    assert_eq!(bench.run(&["verify"]).code, Some(0));
    let after: Vec<Vec<u8>> =
        bench.files("idx").iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(before == after, "the same log gives the same index");
    assert!(bench.ok(&["rebuild-index"]).stdout.starts_with("made anew: the index"));
}
