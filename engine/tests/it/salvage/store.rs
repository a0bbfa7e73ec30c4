//! Small stores, and what they hold by their own bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu::{
    Codec, Durability, ExpectedVersion, Mode, NewEvent, OwnedEvent, Position, Result, Store,
    Timestamp, Uuid,
};
use quipu_disk::{Access, Disk, read_exact_at, write_all_at};
use quipu_format::frame::FrameKind;

use crate::frames::frames;
pub(crate) use crate::small::options;

pub(crate) const PATH: &str = "s";
pub(crate) const COPY: &str = "copy";

pub(crate) fn open(disk: &(impl Disk + Clone + 'static)) -> Store {
    Store::builder(PATH).disk(Arc::new(disk.clone())).options(options()).open().unwrap()
}

/// Appends commits over two streams of seven, with all that an event can carry; every third with durability `Os`.
pub(crate) fn fill(store: &Store, commits: u64) {
    try_fill(store, commits).unwrap();
}

pub(crate) fn try_fill(store: &Store, commits: u64) -> Result<()> {
    let first = store.next_position().0;
    (first..first + commits).try_for_each(|number| append(store, number))
}

fn append(store: &Store, number: u64) -> Result<()> {
    let event = |nth: u64| {
        NewEvent::new(format!("T{nth}"), format!("{number}-{nth} ").repeat(30).into_bytes())
            .codec(if nth == 0 { Codec::Json } else { Codec::Other(9) })
            .id(Uuid::from_u128(u128::from(number * 10 + nth + 1)))
            .tag(format!("k:{number}"))
            .tag("all")
            .metadata(format!("m{nth}").into_bytes())
            .occurred(Timestamp(i64::try_from(number).unwrap() - 5))
    };
    let (one, other) = (format!("a-{}", number % 4), format!("b-{}", number % 3));
    let durability = if number.is_multiple_of(3) { Durability::Os } else { Durability::Sync };
    let commit = store.commit().durability(durability);
    let commit = commit.append(&one, ExpectedVersion::Any, [event(0), event(1)]);
    let commit = commit.append(&other, ExpectedVersion::Any, [event(2)]);
    commit.submit()?.wait().map(drop)
}

/// All events of a store, or as many as can be read.
pub(crate) fn events(disk: &(impl Disk + Clone + 'static), path: &str) -> Vec<OwnedEvent> {
    let builder = Store::builder(path).disk(Arc::new(disk.clone())).mode(Mode::ReadOnly);
    let store = builder.open().unwrap();
    let mut events = store.all().events().unwrap();
    let mut all = Vec::new();
    while let Some(event) = events.next().unwrap() {
        all.push(event.to_owned());
    }
    all
}

/// A commit, by the bytes of its frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Commit {
    pub(crate) file: PathBuf,
    pub(crate) bytes: std::ops::Range<u64>,
    pub(crate) first: Position,
    pub(crate) events: u64,
}

impl Commit {
    pub(crate) fn positions(&self) -> std::ops::Range<u64> {
        self.first.0..self.first.0 + self.events
    }
}

/// The commits of a sound store.
pub(crate) fn commits(disk: &dyn Disk, path: &str) -> Vec<Commit> {
    let mut commits = Vec::new();
    for file in segments(disk, path) {
        for (at, header) in frames(&contents(disk, &file)) {
            if header.kind == FrameKind::Events {
                let bytes = at..at + u64::from(header.len);
                let (first, events) = (header.first_position, u64::from(header.events));
                commits.push(Commit { file: file.clone(), bytes, first, events });
            }
        }
    }
    commits
}

pub(crate) fn segment(number: u32) -> PathBuf {
    Path::new(PATH).join(format!("{number:010}.seg"))
}

pub(crate) fn segments(disk: &dyn Disk, path: &str) -> Vec<PathBuf> {
    let is_segment = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "seg");
    files(disk, path).into_iter().filter(is_segment).collect()
}

pub(crate) fn files(disk: &dyn Disk, path: &str) -> Vec<PathBuf> {
    let names = disk.list(Path::new(path)).unwrap();
    names.iter().map(|name| Path::new(path).join(name)).collect()
}

pub(crate) fn contents(disk: &dyn Disk, file: &Path) -> Vec<u8> {
    let file = disk.open(file, Access::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    bytes
}

/// Changes the bits of a byte that are set in `mask`; done twice, nothing has changed.
pub(crate) fn change(disk: &dyn Disk, path: &Path, offset: u64, mask: u8) {
    let file = disk.open(path, Access::Write).unwrap();
    let mut byte = [0];
    read_exact_at(&*file, &mut byte, offset).unwrap();
    write_all_at(&*file, &[byte[0] ^ mask], offset).unwrap();
    file.sync_data().unwrap();
}

/// Flips a bit in the middle of each commit of these numbers.
pub(crate) fn damage(disk: &dyn Disk, commits: &[Commit], numbers: &[usize]) {
    for &number in numbers {
        let Commit { file, bytes, .. } = &commits[number];
        change(disk, file, u64::midpoint(bytes.start, bytes.end), 1);
    }
}

/// Copies the files of a store to another disk.
pub(crate) fn copy_to(from: &dyn Disk, to: &dyn Disk, path: &str) {
    to.create_directory(Path::new(path)).unwrap();
    for file in files(from, path) {
        let bytes = contents(from, &file);
        write_all_at(&*to.open(&file, Access::Create).unwrap(), &bytes, 0).unwrap();
    }
}
