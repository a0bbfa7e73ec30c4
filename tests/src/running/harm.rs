//! What happens to the files of a store that is running.

use std::path::{Path, PathBuf};

use quipu_format::PAGE_BYTES;

use super::flaw::{Flaw, NO_DESCRIPTOR, Planned, UNREADABLE};
use super::ground::{Ground, name};
use crate::random::Random;
use crate::segments::is_index;

const SECTOR_BYTES: u64 = 512;
/// Calls of a kind that are passed over before one fails.
const PASSED_MAX: usize = 6;

/// The kinds of files, by what their names end with.
const ENDINGS: [&str; 5] = [".seg", ".seg", ".idx", ".run", "manifest"];

impl Ground {
    /// Does something to a file. An index is never changed in place: who has it open believes what was summed once.
    pub(super) fn harm(&mut self, random: &mut Random) {
        match random.below(100) {
            0..45 => self.harm_segment(random),
            45..60 => {
                self.harm_segment(random);
                self.harm_index_of_harmed(random);
            }
            60..85 => self.harm_index(random),
            85..90 => self.harm_live(random),
            90..94 => self.harm_manifest(random),
            _ => self.restore(),
        }
    }

    /// What could not be read can be read again.
    pub(super) fn restore(&mut self) {
        if self.disk.has_bad_sectors() {
            self.words.push("all can be read again".to_owned());
            self.disk.restore();
            self.ledger.restored();
        }
    }

    /// Has one call of a process fail.
    pub(super) fn plan(&mut self, random: &mut Random, flaw: &Flaw) {
        let ending = ENDINGS[random.below(ENDINGS.len())];
        let number = if random.percent(50) { UNREADABLE } else { NO_DESCRIPTOR };
        flaw.plan(Planned { ending, after: random.below(PASSED_MAX), number });
    }

    fn harm_segment(&mut self, random: &mut Random) {
        let files: Vec<PathBuf> =
            self.ledger.written_files().into_iter().map(Path::to_owned).collect();
        let last = files.last().cloned();
        let Some(file) = (if random.percent(20) { last.clone() } else { random.pick(&files) })
        else {
            return;
        };
        self.harmed.live |= Some(&file) == last.as_ref();
        let Ok(bytes) = self.disk.contents(&file) else { return };
        let end = self.ledger.end_of(&file).min(bytes.len() as u64);
        let frames = self.ledger.frames_of(&file);
        let Some(frame) = random.pick(&frames) else { return };
        let begin = if random.percent(5) { 0 } else { frame.start };
        let what = random.below(20);
        // What cannot be read is as it was written.
        if what < 16 && !self.ledger.is_sealed(&file) {
            self.harmed.unsealed.insert(file.clone());
        }
        match what {
            0..10 => {
                let at = random.between(begin as usize, (frame.end - 1) as usize) as u64;
                self.done(self.disk.flip(&file, at, 1 << random.below(8)).is_ok(), || {
                    format!("{}: a bit at {at}", name(&file))
                });
            }
            10..14 => {
                let at = frame.start - frame.start % SECTOR_BYTES;
                let sector = at..at + SECTOR_BYTES;
                self.done(self.disk.zero(&file, sector).is_ok(), || {
                    format!("{}: zeros at {at}", name(&file))
                });
            }
            14 => {
                let len = random.between(begin.min(end) as usize, end as usize);
                self.put(&file, &bytes[..len], format!("{} cut to {len}", name(&file)));
            }
            15 => self.erase(&file),
            _ => self.spoil(&file, frame.start),
        }
    }

    fn harm_index_of_harmed(&mut self, random: &mut Random) {
        let changed = self.ledger.changed(&self.disk);
        let changed: Vec<PathBuf> = changed.iter().map(|file| file.with_extension("idx")).collect();
        if let Some(file) = random.pick(&changed) {
            self.harm_this_index(random, &file);
        }
    }

    fn harm_index(&mut self, random: &mut Random) {
        let mut files = self.disk.files();
        files.retain(|file| is_index(file));
        if let Some(file) = random.pick(&files) {
            self.harm_this_index(random, &file);
        }
    }

    fn harm_this_index(&mut self, random: &mut Random, file: &Path) {
        let Ok(mut bytes) = self.disk.contents(file) else { return };
        match random.below(5) {
            0..2 if !bytes.is_empty() => {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
                self.put(file, &bytes, format!("{}: a bit at {at}", name(file)));
            }
            2 => {
                let len = random.below(bytes.len());
                self.put(file, &bytes[..len], format!("{} cut to {len}", name(file)));
            }
            3 => self.erase(file),
            _ => {
                let at = random.below(bytes.len()) as u64;
                self.spoil(file, at);
            }
        }
        let left = self.disk.contents(file).ok();
        self.harmed.indexes.insert(file.to_owned(), left);
    }

    fn harm_live(&mut self, random: &mut Random) {
        let files = self.disk.files();
        let Some(file) = files.iter().find(|file| file.ends_with("live")) else { return };
        self.harmed.live = true;
        if random.percent(50) {
            return self.erase(file);
        }
        let garbage: Vec<u8> = (0..PAGE_BYTES).map(|_| random.number() as u8).collect();
        self.put(file, &garbage, "live is garbage".to_owned());
    }

    fn harm_manifest(&mut self, random: &mut Random) {
        let Some(file) = self.manifest() else { return };
        let Ok(bytes) = self.disk.contents(&file) else { return };
        let used = bytes.iter().rposition(|&byte| byte != 0).unwrap_or(0);
        let what = random.below(4);
        let at = if what == 0 { 0 } else { random.below(used + 1) };
        match what {
            0 => self.erase(&file),
            1 => self.spoil(&file, at as u64),
            _ => {
                let bit = 1 << random.below(8);
                self.done(self.disk.flip(&file, at as u64, bit).is_ok(), || {
                    format!("manifest: a bit at {at}")
                });
            }
        }
        let left = self.disk.contents(&file).ok().and_then(|left| left.get(at).copied());
        if left != bytes.get(at).copied() {
            self.harmed.manifest.insert(at, left);
        }
    }

    fn erase(&mut self, file: &Path) {
        // Who has it open would still meet the page that cannot be read.
        let is_done = !self.ledger.is_spoiled(file) && self.disk.erase(file).is_ok();
        self.done(is_done, || format!("{} gone", name(file)));
    }

    fn put(&mut self, file: &Path, bytes: &[u8], words: String) {
        let is_done = !self.ledger.is_spoiled(file) && self.disk.put(file, bytes).is_ok();
        self.done(is_done, || words);
    }

    /// A page cannot be read any more.
    fn spoil(&mut self, file: &Path, at: u64) {
        let size = self.disk.contents(file).map_or(0, |bytes| bytes.len() as u64);
        let start = at - at % PAGE_BYTES;
        let page = start..(start + PAGE_BYTES).min(size);
        if self.disk.spoil(file, page.clone()).is_ok() {
            self.words.push(format!("{}: {page:?} cannot be read", name(file)));
            self.ledger.spoiled(file, page);
        }
    }

    fn done(&mut self, is_done: bool, words: impl FnOnce() -> String) {
        if is_done {
            self.words.push(words());
        }
    }
}
