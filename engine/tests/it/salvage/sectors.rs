//! Sectors that the medium does not give back cost what stands in them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{
    Error, ErrorKind, Options, SalvageReport, Severity, Store, Unreadable, salvageable_on,
    verify_on,
};
use quipu_disk::{Errno, Fault, FaultDisk, FaultKind};

use super::checker::{Known, make};
use super::store::{COPY, PATH, commits, contents, files, fill, options, segments};

const PAGE: u64 = 4096;

/// Segments of several pages.
fn wide_open(disk: &FaultDisk) -> Store {
    let options = Options { segment_bytes_min: 24 << 10, segment_bytes_max: 24 << 10, ..options() };
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(options).open().unwrap()
}

/// A store of two lives, closed, with sealed segments and an active one.
fn closed_store() -> FaultDisk {
    let disk = FaultDisk::new(1);
    for _ in 0..2 {
        let store = wide_open(&disk);
        fill(&store, 30);
        store.close().unwrap();
    }
    disk
}

fn salvageable(disk: &FaultDisk) -> quipu::Result<SalvageReport> {
    salvageable_on(disk, Path::new(PATH), &mut |_| {})
}

/// The commits that have bytes of their own there, which are others than zeros.
fn concerned(known: &Known, file: &Path, bytes: &[u8], page: &std::ops::Range<u64>) -> Vec<usize> {
    let is_lost = |commit: &super::store::Commit| {
        let (start, end) = (commit.bytes.start.max(page.start), commit.bytes.end.min(page.end));
        let part = bytes.get(usize::try_from(start).unwrap()..usize::try_from(end).unwrap());
        commit.file == file && part.is_some_and(|part| part.iter().any(|&byte| byte != 0))
    };
    let commits = known.commits.iter().enumerate();
    commits.filter(|(_, commit)| is_lost(commit)).map(|(number, _)| number).collect()
}

fn is_judged(file: &Path) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("seg" | "idx" | "run")) || file.ends_with("manifest")
}

/// Every page that a store has, one after the other.
fn all_pages(disk: &FaultDisk, check: &mut dyn FnMut(&Unreadable, &[u8])) {
    let all: Vec<PathBuf> = files(disk, PATH).into_iter().filter(|file| is_judged(file)).collect();
    for file in all {
        let bytes = contents(disk, &file);
        let size = bytes.len() as u64;
        for offset in (0..size).step_by(PAGE as usize) {
            // Some bytes of it are enough.
            disk.spoil(&file, offset..offset + 1).unwrap();
            let error = io::Error::from_raw_os_error(5).to_string();
            let length = PAGE.min(size - offset);
            check(&Unreadable { file: file.clone(), offset, bytes: length, error }, &bytes);
            disk.put(&file, &bytes).unwrap();
        }
    }
}

#[test]
fn a_page_that_cannot_be_read_costs_the_commits_in_it_and_no_other() {
    let disk = closed_store();
    let known = Known::of(&disk);
    let (mut several, mut none) = (0, 0);
    all_pages(&disk, &mut |bad, bytes| {
        let page = bad.offset..bad.offset + bad.bytes;
        let lost = concerned(&known, &bad.file, bytes, &page);
        let made = make(&disk);
        assert_eq!(known.judge(&lost, &made), Ok(()), "{bad:?}");
        let report = made.report;
        assert_eq!(report.manifest.is_some(), bad.file.ends_with("manifest"), "{bad:?}");
        let is_told = report.unreadable == [bad.clone()];
        assert!(is_told || report.unreadable.is_empty() && lost.is_empty(), "{bad:?}: {report:?}");
        several += u32::from(lost.len() > 1);
        none += u32::from(lost.is_empty());
        for file in files(&disk, COPY) {
            disk.erase(&file).unwrap();
        }
    });
    assert!(several > 5 && none > 5, "{several} {none}");
    assert!(salvageable(&disk).unwrap().unreadable.is_empty());
}

#[test]
fn verifying_names_every_page_that_cannot_be_read_and_goes_on() {
    let disk = closed_store();
    let known = Known::of(&disk);
    all_pages(&disk, &mut |bad, bytes| {
        let page = bad.offset..bad.offset + bad.bytes;
        let lost = concerned(&known, &bad.file, bytes, &page);
        let report = verify_on(&disk, Path::new(PATH), &mut |_| {}).unwrap();
        assert_eq!(report.worst(), Some(Severity::Damage), "{bad:?}");
        let what = format!("it cannot be read: {}", bad.error);
        let is_it = |found: &quipu::Finding| {
            (&found.file, found.offset, found.bytes) == (&bad.file, bad.offset, bad.bytes)
                && found.what == what
        };
        assert_eq!(report.findings.iter().filter(|found| is_it(found)).count(), 1, "{report:?}");
        let kept = (known.commits.len() - lost.len()) as u64;
        assert_eq!(report.commits, kept, "{bad:?}: {report:?}");
    });
}

/// Of a log that was not closed nothing says what stood in its last page.
#[test]
fn an_end_that_cannot_be_read_is_not_taken_for_one() {
    let disk = FaultDisk::new(1);
    let store = wide_open(&disk);
    fill(&store, 12);
    let disk = disk.kill();
    drop(store);
    let written = commits(&disk, PATH);
    let last = written.last().unwrap();
    let page = (last.bytes.end - 1) / PAGE * PAGE;
    disk.spoil(&last.file, page..page + 9).unwrap();
    let kept = written.iter().filter(|commit| commit.bytes.end <= page).count() as u64;
    let report = salvageable(&disk).unwrap();
    assert!(kept > 0 && report.commits == kept, "{kept} {report:?}");
    assert!(!report.is_complete(), "{report:?}");
    assert!(report.lost.iter().any(|lost| lost.what.contains("os error 5")), "{report:?}");
    // A page behind it that nobody has written to is none of its business.
    let disk = disk.kill();
    disk.put(&last.file, &disk.contents(&last.file).unwrap()).unwrap();
    disk.spoil(&last.file, page + PAGE..page + PAGE + 1).unwrap();
    assert!(salvageable(&disk).unwrap().is_complete());
}

/// A word of a close says nothing of what was written behind it.
#[test]
fn an_end_behind_an_older_close_is_not_taken_for_that_of_the_close() {
    let disk = closed_store();
    let manifest = Path::new(PATH).join("manifest");
    let closed = contents(&disk, &manifest);
    let store = wide_open(&disk);
    fill(&store, 12);
    let disk = disk.kill();
    drop(store);
    let written = commits(&disk, PATH);
    let last = written.last().unwrap();
    let page = (last.bytes.end - 1) / PAGE * PAGE;
    // The edits of the last opening are lost.
    disk.put(&manifest, &closed).unwrap();
    let report = salvageable(&disk).unwrap();
    assert_eq!((report.commits, report.lost.len()), (written.len() as u64, 0), "{report:?}");
    disk.spoil(&last.file, page..page + 9).unwrap();
    let report = salvageable(&disk).unwrap();
    assert!(report.manifest.is_some() && report.commits < written.len() as u64, "{report:?}");
    assert!(report.lost.iter().any(|lost| lost.what.contains("os error 5")), "{report:?}");
}

/// Nor where it is all that there is.
#[test]
fn a_log_of_which_nothing_can_be_read_is_not_taken_for_an_empty_one() {
    let disk = FaultDisk::new(1);
    let store = wide_open(&disk);
    fill(&store, 2);
    let disk = disk.kill();
    drop(store);
    disk.spoil(&segments(&disk, PATH)[0], PAGE..PAGE + 9).unwrap();
    let report = salvageable(&disk).unwrap();
    assert_eq!((report.commits, report.lost.len()), (0, 1), "{report:?}");
    assert!(report.lost[0].positions.is_empty() && !report.is_complete(), "{report:?}");
}

#[test]
fn other_errors_of_the_system_end_it() {
    let disk = closed_store();
    let refused = |errno| {
        let at = disk.operations() + 20;
        disk.plan(Fault { at, kind: FaultKind::Error(errno), sticky: false });
        let told: Vec<Error> =
            [salvageable(&disk).err(), verify_on(&disk, Path::new(PATH), &mut |_| {}).err()]
                .into_iter()
                .flatten()
                .collect();
        assert_eq!(told.len(), 1, "{told:?}");
        told[0].kind()
    };
    assert_eq!(refused(Errno::Denied), ErrorKind::Io);
    assert!(segments(&disk, PATH).len() > 2);
}
