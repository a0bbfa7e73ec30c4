//! An index that sums up and lies: verification compares it with the log.

use std::path::Path;

use quipu::{
    Appended, ErrorKind, ExpectedVersion, NewEvent, OwnedEvent, Severity, Store, verify_on,
};
use quipu_disk::FaultDisk;
use quipu_format::PAGE_BYTES;
use quipu_format::index::{Contents, Draft, Entry, HeadEntry, IndexHeader, Parts, Span, build};

use super::store::{PATH, closed_store, file, files, verified};

/// How an index lies.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// Of each key it says one event more before, or in all.
    Counts,
    /// It names another segment before.
    Links,
    /// Events stand elsewhere.
    Places,
    /// It knows other names.
    Names,
    /// It knows other keys.
    Keys,
}

fn forge(bytes: &[u8], lie: Lie) -> Vec<u8> {
    let header = IndexHeader::decode(&bytes[..PAGE_BYTES as usize], bytes.len() as u64).unwrap();
    let section =
        |span: Span| bytes[span.start as usize..(span.start + span.bytes) as usize].to_vec();
    let sections = header.sections;
    let (mut offsets, mut names) = (section(sections.offsets), section(sections.names));
    match lie {
        // The base of the first block.
        Lie::Places => offsets[0] ^= 1,
        Lie::Names => *names.last_mut().unwrap() ^= 1,
        Lie::Counts | Lie::Links | Lie::Keys => {}
    }
    let mut entries = Vec::new();
    let bytes_each = header.contents.entry_bytes() as usize;
    for entry in section(sections.entries).chunks_exact(bytes_each) {
        match header.contents {
            Contents::Segment(_) => {
                let mut entry = Entry::decode(entry).unwrap();
                match lie {
                    Lie::Counts => entry.before += 1,
                    Lie::Links => {
                        entry.prev = entry.prev.map(|prev| quipu_format::SegmentId(prev.0 - 1));
                    }
                    Lie::Keys => entry.key ^= 1,
                    Lie::Places | Lie::Names => {}
                }
                entry.encode(&mut entries);
            }
            Contents::Run { .. } => {
                let mut entry = HeadEntry::decode(entry).unwrap();
                entry.count += 1;
                entry.encode(&mut entries);
            }
        }
    }
    build(&Draft {
        features: header.features,
        store: header.store,
        contents: header.contents,
        filter: header.filter,
        parts: Parts {
            filter: &section(sections.filter),
            directory: &section(sections.directory),
            entries: &entries,
            postings: &section(sections.postings),
            offsets: &offsets,
            names: &names,
        },
    })
}

/// Whether verification finds that a file lies, and nothing else.
fn is_found(disk: &FaultDisk, path: &Path) -> bool {
    let report = verify_on(disk, Path::new(PATH), &mut |_| {}).unwrap();
    assert!(report.findings.iter().all(|finding| finding.file == path), "{:?}", report.findings);
    report.findings.iter().any(|finding| finding.severity == Severity::Damage)
}

#[test]
fn an_index_that_lies_is_found() {
    let cases = [
        ("0000000009.idx", Lie::Counts),
        ("0000000010.idx", Lie::Links),
        ("0000000011.idx", Lie::Places),
        ("0000000001.idx", Lie::Names),
        ("0000000012.idx", Lie::Keys),
        ("0000000001-0000000008.run", Lie::Counts),
    ];
    for (name, lie) in cases {
        let (disk, path) = (closed_store(), file(name));
        let bytes = disk.contents(&path).unwrap();
        disk.put(&path, &forge(&bytes, lie)).unwrap();
        assert!(is_found(&disk, &path), "{name} {lie:?}");
    }
}

/// The check can fail: it does where nothing is wrong.
#[test]
fn an_index_that_says_what_the_log_says_is_not_complained_of() {
    let disk = closed_store();
    assert!(verified(&disk).findings.is_empty(), "{:?}", verified(&disk).findings);
    assert!(!is_found(&disk, &file("0000000009.idx")));
}

#[test]
fn indexes_that_nobody_uses_or_that_are_missing_are_no_damage() {
    let disk = closed_store();
    let any = disk.contents(&file("0000000003.idx")).unwrap();
    disk.put(&file("0000000900.idx"), &any).unwrap();
    disk.put(&file("0000000001-0000000003.run"), &any).unwrap();
    quipu_disk::Disk::remove(&disk, &file("0000000004.idx")).unwrap();
    let report = verified(&disk);
    assert_eq!(report.findings.len(), 3, "{:?}", report.findings);
    assert!(report.is_sound());
    let store = super::store::open(&disk).unwrap();
    store.close().unwrap();
    assert!(verified(&disk).findings.is_empty(), "{:?}", verified(&disk).findings);
    assert_eq!(files(&disk, "run").len(), 2);
}

/// Keys are looked for in the order of their numbers, so that a run of a simulator can be repeated.
#[test]
fn a_store_is_verified_by_the_same_calls_each_time() {
    let disk = closed_store();
    let traces = [(); 2].map(|()| {
        let same = disk.kill();
        assert_eq!(verified(&same).findings, []);
        same.trace_hash()
    });
    assert_eq!(traces[0], traces[1]);
}

/// All events of a store, in order.
fn all(store: &Store) -> Vec<OwnedEvent> {
    let mut events = store.all().events().unwrap();
    let mut all = Vec::new();
    while let Some(event) = events.next().unwrap() {
        all.push(event.to_owned());
    }
    all
}

/// Appends an event again, under its id and where it was expected then.
fn retry(store: &Store, event: &OwnedEvent) -> quipu::Result<Appended> {
    let before = event.version.0.checked_sub(1);
    let expected = before.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
    let again = NewEvent::new("T", vec![7; 300]).id(event.id.unwrap());
    store.append(&event.stream, expected, [again])
}

/// Whoever is told of a conflict takes it that nothing was written, and may decide to write it once more.
#[test]
fn what_an_index_hides_from_a_retry_is_no_conflict() {
    let disk = closed_store();
    let (mut recognised, mut refused) = (0, 0);
    for number in 9..=16 {
        let (disk, path) = (disk.kill(), file(&format!("{number:010}.idx")));
        let bytes = disk.contents(&path).unwrap();
        disk.put(&path, &forge(&bytes, Lie::Keys)).unwrap();
        let store = super::store::open(&disk).unwrap();
        let events = all(&store);
        for event in &events {
            match retry(&store, event) {
                Ok(done) => {
                    assert_eq!((done.position, done.version), (event.position, event.version));
                    recognised += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Damaged, "{event:?}: {error}");
                    assert!(error.advice().contains("rebuild-index"), "{error}");
                    refused += 1;
                }
            }
        }
        assert_eq!(store.next_position().0, events.len() as u64, "nothing is stored twice");
    }
    assert!(recognised > 1000 && refused > 20, "{recognised} {refused}");
}
