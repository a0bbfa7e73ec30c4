//! An index file that cannot be opened or read for once: what it knows of lost events nobody else does.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quipu::{ErrorKind, ExpectedVersion, NewEvent, Options, ReadMode, Store};
use quipu_disk::{Access, FaultDisk};

use super::lost::damaged;
use super::store::{PATH, STREAMS, closed_store, copy, file, files, fill, open, options, remove};
use crate::attended::{Attendant, Attended};
use crate::reading::served_and_lost;

/// `EMFILE`.
const TOO_MANY_OPEN_FILES: i32 = 24;
/// `EIO`.
const INPUT_OUTPUT_ERROR: i32 = 5;

/// Refuses one call about an index file, to open or to read it.
#[derive(Debug, Default)]
struct Unlucky {
    calls: AtomicU64,
    /// Number of the call, from 1 on.
    refuses: AtomicU64,
    refused: AtomicU64,
}

impl Unlucky {
    fn call(&self, path: &Path, number: i32) -> io::Result<()> {
        if path.extension().is_none_or(|extension| extension != "idx") {
            return Ok(());
        }
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if call == self.refuses.load(Ordering::Relaxed) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(io::Error::from_raw_os_error(number));
        }
        Ok(())
    }
}

impl Unlucky {
    /// How many calls there were, and one was refused if it came to that.
    fn counted(&self) -> u64 {
        let calls = self.calls.load(Ordering::Relaxed);
        let is_to_come = (1..=calls).contains(&self.refuses.load(Ordering::Relaxed));
        assert_eq!(self.refused.load(Ordering::Relaxed), u64::from(is_to_come));
        calls
    }
}

impl Attendant for Unlucky {
    fn opens(&self, path: &Path, access: Access) -> io::Result<()> {
        if access == Access::Read { self.call(path, TOO_MANY_OPEN_FILES) } else { Ok(()) }
    }
    fn reads(&self, path: &Path) -> io::Result<()> {
        self.call(path, INPUT_OUTPUT_ERROR)
    }
}

/// Opens a store while the call with this number is refused.
fn opened(disk: &FaultDisk, read_mode: ReadMode, refuses: u64) -> (Attended<Unlucky>, Store) {
    let disk = Attended::<Unlucky>::new(disk);
    disk.attendant.refuses.store(refuses, Ordering::Relaxed);
    let options = Options { read_mode, ..options() };
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).options(options);
    let store = builder.open();
    (disk, store.unwrap_or_else(|error| panic!("{refuses} of {read_mode:?}: {error}")))
}

/// Opens a store that has lost an event of which only an index knows the keys, and writes to all streams, while the call
/// with this number is refused. Gives how many calls there were.
fn write_with_a_call_refused(read_mode: ReadMode, refuses: u64) -> u64 {
    let damaged = damaged();
    remove(&damaged, "run");
    let (disk, store) = opened(&damaged, read_mode, refuses);
    for stream in 0..=STREAMS {
        let event = [NewEvent::new("T", vec![])];
        store
            .append(&format!("s-{stream}"), ExpectedVersion::Any, event)
            .unwrap_or_else(|error| panic!("{refuses} of {read_mode:?}: {error}"));
    }
    assert_eq!(served_and_lost(&store), (200 + STREAMS, 1));
    store.close().unwrap();
    disk.attendant.counted()
}

#[test]
fn one_call_that_fails_does_not_cost_what_an_index_knows() {
    for read_mode in [ReadMode::Map, ReadMode::Pread] {
        let calls = write_with_a_call_refused(read_mode, 0);
        assert!(calls > 10, "{calls} in {read_mode:?}");
        for refuses in 1..=calls {
            write_with_a_call_refused(read_mode, refuses);
        }
    }
}

/// The same of a store whose active segment has lost such an event, until that is sealed. Gives how many calls there were.
fn seal_with_a_call_refused(damaged: &FaultDisk, refuses: u64) -> u64 {
    let (disk, store) = opened(&copy(damaged), ReadMode::Pread, refuses);
    fill(&store, 60);
    store.close().unwrap();
    let calls = disk.attendant.counted();
    let store = open(&disk.disk).unwrap_or_else(|error| panic!("{refuses}: {error}"));
    assert_eq!(served_and_lost(&store), (259, 1));
    calls
}

#[test]
fn one_call_that_fails_as_a_segment_is_sealed_does_not_cost_what_its_index_knows() {
    let damaged = closed_store();
    damaged.flip(files(&damaged, "seg").last().unwrap(), 4300, 1).unwrap();
    let calls = seal_with_a_call_refused(&damaged, 0);
    assert!(calls > 10, "{calls}");
    for refuses in 1..=calls {
        seal_with_a_call_refused(&damaged, refuses);
    }
}

/// A segment was sealed, its index could not be written again, and the process was killed: what the last close has left
/// covers the beginning alone, and knows the keys of an event there that has gone bad.
fn begun() -> (FaultDisk, PathBuf) {
    let disk = closed_store();
    let active = files(&disk, "seg").pop().unwrap();
    let index = active.with_extension("idx");
    let before = disk.contents(&index).unwrap();
    let store = open(&disk).unwrap();
    fill(&store, 60);
    store.close().unwrap();
    assert!(disk.contents(&index).unwrap() != before && files(&disk, "seg").last() > Some(&active));
    disk.put(&index, &before).unwrap();
    disk.flip(&active, 4300, 1).unwrap();
    remove(&disk, "run");
    (disk, index)
}

#[test]
fn an_index_of_the_beginning_of_a_segment_is_used_where_that_has_lost_an_event() {
    let (disk, index) = begun();
    let store = open(&disk).unwrap();
    for stream in 0..=STREAMS {
        let event = [NewEvent::new("T", vec![])];
        store.append(&format!("s-{stream}"), ExpectedVersion::Any, event).unwrap();
    }
    assert_eq!(served_and_lost(&store), (260 + STREAMS, 1));
    store.close().unwrap();
    // The index of another segment does not help.
    remove(&disk, "run");
    disk.put(&index, &disk.contents(&file("0000000005.idx")).unwrap()).unwrap();
    assert_eq!(open(&disk).unwrap_err().kind(), ErrorKind::Damaged);
}

/// Opens such a store while the call with this number is refused. Gives how many calls there were.
fn begin_with_a_call_refused(disk: &FaultDisk, refuses: u64) -> u64 {
    let (disk, store) = opened(&copy(disk), ReadMode::Pread, refuses);
    let calls = disk.attendant.counted();
    assert_eq!(served_and_lost(&store), (259, 1));
    calls
}

#[test]
fn one_call_that_fails_does_not_cost_what_the_index_of_a_beginning_knows() {
    let (disk, _) = begun();
    let calls = begin_with_a_call_refused(&disk, 0);
    assert!(calls > 10, "{calls}");
    for refuses in 1..=calls {
        begin_with_a_call_refused(&disk, refuses);
    }
}
