//! What becomes of index files between two openings: nothing that is done to them may be noticed.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use quipu_disk::{Disk, FaultDisk};
use quipu_format::PAGE_BYTES;
use quipu_format::index::{Contents, Draft, Entry, HeadEntry, IndexHeader, Parts, Span, build};

use super::World;
use crate::segments::indexes;

/// Old index files that are kept, to be put back.
const KEPT_MAX: usize = 16;

/// Index files as they were once, and as they were made by no store.
#[derive(Default)]
pub(super) struct Attic {
    files: Vec<(PathBuf, Vec<u8>)>,
    harmed: HashMap<PathBuf, Vec<u8>>,
}

impl World {
    /// Does to index files what crashes, restored backups and bad media do. The store is not open. Gives whether it did.
    pub(super) fn meddle(&mut self) -> bool {
        let disk = self.subject.disk().clone();
        let files = indexes(&disk);
        // Removing a file is an operation, and what is planned must happen to the store.
        if files.is_empty() || self.subject.faults.is_armed(disk.operations()) {
            return false;
        }
        let chosen = self.random.below(files.len());
        if let Ok(bytes) = disk.contents(&files[chosen]) {
            if self.attic.files.len() == KEPT_MAX {
                self.attic.files.remove(0);
            }
            self.attic.files.push((files[chosen].clone(), bytes));
        }
        if self.forges {
            files.iter().for_each(|file| self.forge_file(&disk, file));
            return true;
        }
        let harms = self.random.percent(40);
        if harms {
            for _ in 0..self.random.between(1, 4) {
                let chosen = self.random.below(files.len());
                self.harm(&disk, &files[chosen]);
            }
        }
        harms
    }

    /// The index files that are as they were harmed.
    pub(super) fn harmed(&self) -> Vec<PathBuf> {
        let disk = self.subject.disk();
        let is_there =
            |file: &Path, harmed: &[u8]| disk.contents(file).is_ok_and(|it| it == harmed);
        let files = self.attic.harmed.iter().filter(|(file, harmed)| is_there(file, harmed));
        files.map(|(file, _)| file.clone()).collect()
    }

    fn put(&mut self, disk: &FaultDisk, file: &Path, bytes: &[u8]) -> io::Result<()> {
        self.attic.harmed.insert(file.to_owned(), bytes.to_owned());
        disk.put(file, bytes)
    }

    /// The bug that must be found: an index that sums up and does not say what the log says.
    fn forge_file(&mut self, disk: &FaultDisk, file: &Path) {
        let forged = disk.contents(file).ok().and_then(|bytes| forge(&bytes));
        if let Some(forged) = forged {
            let _ = self.put(disk, file, &forged);
        }
    }

    /// Harms one file. What fails because the file is not there any more harms nothing. It is always another file that
    /// gets the name: a process that reads the store meanwhile has looked at the pages of the old one, and does not sum
    /// them again.
    fn harm(&mut self, disk: &FaultDisk, file: &Path) {
        let Ok(mut bytes) = disk.contents(file) else { return };
        let place = self.random.below(bytes.len().max(1));
        let _ = match self.random.below(10) {
            0..3 => disk.remove(file),
            3..5 => {
                let mask = 1 << self.random.below(8);
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= mask;
                }
                self.put(disk, file, &bytes)
            }
            5 => self.put(disk, file, &bytes[..place.min(bytes.len())]),
            6 => {
                bytes[place..].fill(0);
                self.put(disk, file, &bytes)
            }
            7 => self.put(disk, file, b""),
            _ => {
                let chosen = self.random.below(self.attic.files.len().max(1));
                match self.attic.files.get(chosen).cloned() {
                    // Under its own name it is out of date, under another's it is a stranger.
                    Some((name, old)) if self.random.percent(60) => self.put(disk, &name, &old),
                    Some((_, old)) => self.put(disk, file, &old),
                    None => Ok(()),
                }
            }
        };
    }
}

/// The same index, but of each key it knows one event more.
fn forge(bytes: &[u8]) -> Option<Vec<u8>> {
    let header = IndexHeader::decode(bytes.get(..PAGE_BYTES as usize)?, bytes.len() as u64).ok()?;
    let section = |span: Span| bytes.get(span.start as usize..(span.start + span.bytes) as usize);
    let sections = header.sections;
    let mut entries = Vec::new();
    for entry in section(sections.entries)?.chunks_exact(header.contents.entry_bytes() as usize) {
        match header.contents {
            Contents::Segment(_) => {
                let entry = Entry::decode(entry).ok()?;
                Entry { before: entry.before + 1, ..entry }.encode(&mut entries);
            }
            Contents::Run { .. } => {
                let entry = HeadEntry::decode(entry).ok()?;
                HeadEntry { count: entry.count + 1, ..entry }.encode(&mut entries);
            }
        }
    }
    Some(build(&Draft {
        features: header.features,
        store: header.store,
        contents: header.contents,
        filter: header.filter,
        parts: Parts {
            filter: section(sections.filter)?,
            directory: section(sections.directory)?,
            entries: &entries,
            postings: section(sections.postings)?,
            offsets: section(sections.offsets)?,
            names: section(sections.names)?,
        },
    }))
}
