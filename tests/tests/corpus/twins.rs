//! Targets and corpora that are wrong, and that this is seen where memory is counted.

use std::path::Path;

use quipu_disk::{Access, Disk, RealDisk, write_all_at};
use quipu_tests::fuzzing::{Bound, Judged, Target, peak_of, replay};

use crate::corpora;

fn target(name: &'static str, run: fn(&[u8]) -> Judged) -> Target {
    Target { name, run, bound: Bound::Decoder }
}

/// What other threads, those of the test runner, let go of meanwhile at most: it lowers what is counted.
const LET_GO_BYTES_MAX: usize = 64 << 10;

#[test]
fn memory_beyond_the_bound_is_a_finding() {
    let holds = |bytes: usize| drop(std::hint::black_box(vec![1_u8; bytes]));
    let (_, peak) = peak_of(|| holds(3 << 20));
    let wanted = (3 << 20) - LET_GO_BYTES_MAX..4 << 20;
    assert!(peak.is_some_and(|peak| wanted.contains(&peak)), "{peak:?}");
    // As a decoder does that believes a length.
    let believing = target("twin", |input| {
        let len = input.first_chunk().map_or(0, |len| u32::from_le_bytes(*len));
        drop(std::hint::black_box(vec![1_u8; len as usize]));
        Ok(())
    });
    assert_eq!(believing.judge(&(1_u32 << 19).to_le_bytes()), Ok(()));
    let wrong = believing.judge(&(2_u32 << 20).to_le_bytes()).unwrap_err();
    assert!(wrong.contains("bytes were held at once"), "{wrong}");
}

#[test]
fn memory_that_is_held_and_grows_is_counted() {
    let (kept, peak) = peak_of(|| {
        let mut kept: Vec<u8> = Vec::new();
        for byte in (0..1 << 20).map(|number: u32| number as u8) {
            kept.push(byte);
        }
        kept
    });
    assert!(peak.is_some_and(|peak| peak >= kept.len()), "{peak:?}");
    let zeroed = peak_of(|| std::hint::black_box(vec![0_u8; 5 << 20]).len());
    assert!(zeroed.1.is_some_and(|peak| peak >= (5 << 20) - LET_GO_BYTES_MAX), "{zeroed:?}");
}

#[test]
fn a_corpus_that_is_missing_or_empty_is_a_finding() {
    let passes = |name| target(name, |_| Ok(()));
    assert!(replay(&passes("no-such-target"), &corpora()).is_err());
    let folder = std::env::temp_dir().join(format!("quipu-corpus-{}", std::process::id()));
    let disk = RealDisk::new();
    disk.create_directory(&folder.join("twin")).unwrap();
    assert!(replay(&passes("twin"), &folder).is_err());
    let file = disk.open(&folder.join("twin/input"), Access::Create).unwrap();
    write_all_at(&*file, b"abc", 0).unwrap();
    assert_eq!(replay(&passes("twin"), &folder).map(|replayed| replayed.inputs), Ok(1));
    let refuses = target("twin", |input| Err(format!("{} bytes", input.len())));
    assert_eq!(replay(&refuses, &folder), Err("twin/input: 3 bytes".to_owned()));
    remove(&folder);
}

fn remove(folder: &Path) {
    std::fs::remove_dir_all(folder).unwrap();
}
