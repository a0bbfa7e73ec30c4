//! The names of streams, where something cannot be read for a moment, or at all.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quipu::{ErrorKind, Mode, Options, ReadMode, Store, Streams};
use quipu_disk::{Access, FaultDisk};

use super::{PATH, closed_store, closed_store_of, contents, without};
use crate::attended::{Attendant, Attended};
use crate::small;

/// Opens and reads files so often, and then no more.
#[derive(Debug)]
struct Failing(AtomicU64);

impl Default for Failing {
    fn default() -> Failing {
        Failing(AtomicU64::new(u64::MAX))
    }
}

impl Failing {
    fn admit(&self) -> io::Result<()> {
        let take = |left: u64| left.checked_sub(1);
        let taken = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        // `EIO`.
        taken.map(drop).map_err(|_| io::Error::from_raw_os_error(5))
    }
}

impl Attendant for Failing {
    fn opens(&self, _path: &Path, _access: Access) -> io::Result<()> {
        self.admit()
    }
    fn reads(&self, _path: &Path) -> io::Result<()> {
        self.admit()
    }
}

/// What a listing says: what its calls fail with because they cannot read, and all else.
type Listed = (Vec<ErrorKind>, Vec<Result<String, String>>);

/// What a listing says of which so many calls, from that with this number on, cannot read anything.
fn names(disk: &FaultDisk, number: usize, calls: usize) -> Listed {
    let is_failing = |call| (number..number + calls).contains(&call);
    names_after(disk, "", |call| if is_failing(call) { 0 } else { u64::MAX })
}

/// What a listing says of the streams that begin like this, of which each call can read so often.
fn names_after(disk: &FaultDisk, prefix: &str, reads: impl Fn(usize) -> u64) -> Listed {
    let disk = Attended::<Failing>::new(disk);
    let options = Options { read_mode: ReadMode::Pread, ..small::options() };
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).options(options);
    let store = builder.mode(Mode::ReadOnly).open().unwrap();
    let mut streams: Streams = store.streams(prefix).unwrap();
    let (mut failed, mut told) = (Vec::new(), Vec::new());
    for call in 0.. {
        disk.attendant.0.store(reads(call), Ordering::SeqCst);
        match streams.next() {
            Some(Ok(name)) => told.push(Ok(name)),
            Some(Err(error)) if error.kind() == ErrorKind::Io => failed.push(error.kind()),
            Some(Err(error)) => told.push(Err(error.to_string())),
            None => break,
        }
        assert!(call < 1000, "it does not come to an end");
    }
    (failed, told)
}

/// Neither a name nor a loss is left out because of what fails once.
#[test]
fn what_cannot_be_read_once_is_asked_for_again() {
    let all = contents(&closed_store());
    // In the first of them a stream begins with the last event: whether it is visible is looked at by itself.
    let disks = [closed_store_of(97), without(&all[2..3], &[])];
    for (which, disk) in disks.iter().enumerate() {
        let (_, expected) = names(disk, 0, 0);
        let mut failures = 0;
        for number in 0..expected.len() {
            let (failed, told) = names(disk, number, 1);
            assert!(told == expected, "disk {which}, call {number}: {failed:?}, {told:?}");
            failures += failed.len();
        }
        assert!(failures > [1, 0][which], "disk {which}: {failures} calls read anything");
    }
}

/// What was asked for again, and answered, is not held against what comes next.
#[test]
fn what_cannot_be_read_once_is_asked_for_again_whatever_failed_before() {
    let disk = closed_store_of(97);
    // This one begins with the last event.
    let expected = vec![Ok("s-8".to_owned())];
    let mut failures = 0;
    for reads in 0..20 {
        let (failed, told) =
            names_after(&disk, "s-8", |call| [0, reads].get(call).map_or(u64::MAX, |&reads| reads));
        // If it reads nothing it is the very question of before that fails.
        assert!(reads == 0 || told == expected, "{reads} reads: {failed:?}, {told:?}");
        failures = failures.max(failed.len());
    }
    assert_eq!(failures, 2);
}

/// Each name, and what is lost, is asked for twice at most.
#[test]
fn what_cannot_be_read_at_all_is_not_asked_for_for_ever() {
    let all = contents(&closed_store());
    for disk in [closed_store_of(97), without(&all[2..3], &[])] {
        let (failed, told) = names(&disk, 0, usize::MAX);
        let (_, all) = names(&disk, 0, 0);
        assert!(failed.len() <= 2 * all.len(), "{} of {}", failed.len(), all.len());
        assert!(!failed.is_empty() && !told.is_empty(), "{failed:?}, {told:?}");
    }
}
