//! Every file, every mask: what is read, what is written, and what verification says.

use std::path::PathBuf;

use quipu::ExpectedVersion::Any;
use quipu::{ErrorKind, Mode, NewEvent, Severity};
use quipu_disk::FaultDisk;

use super::store::Mask::{Compatible, Incompatible, ReadOnlyCompatible};
use super::store::{
    EVENTS, Mask, Read, check, closed_store, closed_store_after, copy, files, open, positions, set,
    verified,
};

/// The files that have masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    Manifest,
    Sealed,
    Active,
    Index,
    Run,
}

/// What becomes of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    All,
    /// All but the events of this file.
    Rest,
    Refused,
}

/// What becomes of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    GoesOn,
    Refused,
}

/// What verification says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Sound,
    /// The file is named as one of a newer version, and the rest is verified.
    Named,
    Refused,
}

const TABLE: [(File, Mask, Reading, Writing, Verdict); 15] = [
    (File::Manifest, Compatible, Reading::All, Writing::GoesOn, Verdict::Sound),
    (File::Manifest, ReadOnlyCompatible, Reading::All, Writing::Refused, Verdict::Sound),
    (File::Manifest, Incompatible, Reading::Refused, Writing::Refused, Verdict::Refused),
    (File::Sealed, Compatible, Reading::All, Writing::GoesOn, Verdict::Sound),
    (File::Sealed, ReadOnlyCompatible, Reading::All, Writing::GoesOn, Verdict::Sound),
    (File::Sealed, Incompatible, Reading::Rest, Writing::GoesOn, Verdict::Named),
    (File::Active, Compatible, Reading::All, Writing::GoesOn, Verdict::Sound),
    (File::Active, ReadOnlyCompatible, Reading::All, Writing::Refused, Verdict::Sound),
    (File::Active, Incompatible, Reading::Refused, Writing::Refused, Verdict::Named),
    (File::Index, Compatible, Reading::All, Writing::GoesOn, Verdict::Sound),
    (File::Index, ReadOnlyCompatible, Reading::All, Writing::GoesOn, Verdict::Sound),
    (File::Index, Incompatible, Reading::All, Writing::GoesOn, Verdict::Named),
    (File::Run, Compatible, Reading::All, Writing::GoesOn, Verdict::Sound),
    (File::Run, ReadOnlyCompatible, Reading::All, Writing::GoesOn, Verdict::Sound),
    (File::Run, Incompatible, Reading::All, Writing::GoesOn, Verdict::Named),
];

impl File {
    /// A store with a bit in one of its files; which, as `whole` has none.
    fn newer(self, whole: &FaultDisk, mask: Mask) -> (FaultDisk, PathBuf) {
        if self == File::Sealed {
            // The seal holds a hash of the header too, so the bit is there from the beginning.
            let path = self.path(whole);
            return (closed_store_after(|disk| set(disk, &path, mask)), path);
        }
        let disk = copy(whole);
        let path = self.path(&disk);
        set(&disk, &path, mask);
        (disk, path)
    }

    fn path(self, disk: &FaultDisk) -> PathBuf {
        match self {
            File::Manifest => PathBuf::from("s/manifest"),
            File::Sealed => files(disk, "seg").remove(0),
            File::Active => files(disk, "seg").pop().unwrap(),
            File::Index => files(disk, "idx").remove(4),
            File::Run => files(disk, "run").remove(0),
        }
    }
}

#[test]
fn every_mask_of_every_file_is_honoured() {
    let whole = closed_store();
    check(&open(&copy(&whole), Mode::ReadOnly).unwrap(), &(0..0), "no bit is set");
    for (file, mask, reading, writing, verdict) in TABLE {
        let what = format!("{mask:?} in {file:?}");
        let (disk, path) = file.newer(&whole, mask);
        let refused = match reading {
            Reading::Rest => positions(&whole, &path),
            _ => 0..0,
        };
        let bytes = disk.contents(&path).unwrap();
        assert_eq!(judge(&disk, &path), verdict, "{what}");
        match open(&disk, Mode::ReadOnly) {
            Ok(store) => check(&store, &refused, &what),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}");
                assert_eq!(reading, Reading::Refused, "{what}");
            }
        }
        assert_eq!(disk.contents(&path).unwrap(), bytes, "{what}: reading changes nothing");
        match open(&disk, Mode::Existing) {
            Ok(store) => {
                assert_eq!(writing, Writing::GoesOn, "{what}");
                store.append("other-1", Any, [NewEvent::new("Other", vec![1])]).unwrap();
                store.close().unwrap();
                let store = open(&disk, Mode::ReadOnly).unwrap();
                assert_eq!(store.next_position().0, EVENTS + 1, "{what}");
                let kept = Read::of(store.stream("s-even").events().unwrap());
                assert_eq!(kept, Read::expected(EVENTS, 2, &refused), "{what}: afterwards");
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}");
                assert_eq!(writing, Writing::Refused, "{what}");
                assert_eq!(disk.contents(&path).unwrap(), bytes, "{what}: nothing was written");
            }
        }
    }
}

fn judge(disk: &FaultDisk, path: &PathBuf) -> Verdict {
    let report = match verified(disk) {
        Ok(report) => report,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            return Verdict::Refused;
        }
    };
    let worst = report.worst().filter(|worst| *worst > Severity::Unfinished);
    assert_eq!(report.is_sound(), worst.is_none());
    let Some(worst) = worst else { return Verdict::Sound };
    assert_eq!(worst, Severity::Unsupported, "{:?}", report.findings);
    let worst = report.findings.iter().filter(|finding| finding.severity == worst);
    assert!(worst.map(|finding| &finding.file).eq([path]), "{:?}", report.findings);
    assert!(report.segments > 10 && report.events > 150, "the rest is verified: {report:?}");
    Verdict::Named
}
