//! Index files of a newer version: nobody has to understand them.

use quipu::Mode;

use super::store::{Mask, check, closed_store, copy, files, open, set, verified};

#[test]
fn a_writer_makes_index_files_anew_that_it_does_not_understand() {
    let whole = closed_store();
    for kind in ["idx", "run"] {
        let disk = copy(&whole);
        let newer = files(&disk, kind);
        newer.iter().for_each(|file| set(&disk, file, Mask::Incompatible));
        assert!(!verified(&disk).unwrap().is_sound());
        let store = open(&disk, Mode::Existing).unwrap();
        check(&store, &(0..0), kind);
        store.close().unwrap();
        assert!(verified(&disk).unwrap().is_sound(), "{kind}");
    }
}

#[test]
fn a_writer_leaves_index_files_as_they_are_that_ask_to_be_kept_up() {
    let disk = closed_store();
    let index = files(&disk, "idx").remove(3);
    set(&disk, &index, Mask::ReadOnlyCompatible);
    let bytes = disk.contents(&index).unwrap();
    let store = open(&disk, Mode::Existing).unwrap();
    check(&store, &(0..0), "a bit that forbids writing");
    store.close().unwrap();
    assert_eq!(disk.contents(&index).unwrap(), bytes);
}
