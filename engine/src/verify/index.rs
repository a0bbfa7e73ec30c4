//! Verification of index files: each by itself, and against what the log says.

use std::collections::HashMap;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use quipu_disk::Disk;
use quipu_format::record::Record;
use quipu_format::{ByteOffset, Position, Salt, SegmentId, StoreId, Version};
use quipu_index::{
    BuildKeyHasher, Head, Held, Identity, IndexError, Key, Keys, Kind, Part as IndexPart, Sealed,
    Way,
};

use super::{Severity, Verifier};
use crate::ReadMode;
use crate::directory::Directory;
use crate::index_files::{IndexNames, for_each, load_index, try_run};
use crate::keys::keys_of;
use crate::pipeline::SegmentRef;
use crate::recovery::Part;

/// In the same order each time, so that a store is always verified by the same calls and told the same of.
type ByKey<T> = HashMap<Key, T, BuildKeyHasher>;

/// What becomes of an index that cannot be used as it is.
const ANEW: &str = "it is made anew when it is needed";

/// What the index files must say, as far as the log has been read.
#[derive(Default)]
pub(super) struct Expected {
    /// Of each key: its events up to the last segment that was read.
    heads: ByKey<Head>,
    /// What the segment being read holds.
    segment: Content,
}

/// What the index of one segment must say.
#[derive(Default)]
struct Content {
    base: Position,
    /// Of each key the ordinals of its events.
    keys: ByKey<Vec<u32>>,
    ids: ByKey<Vec<u32>>,
    offsets: Vec<ByteOffset>,
    /// Streams that begin here, each with the ordinal of its first event.
    names: Vec<(String, u32)>,
    scratch: Vec<Key>,
}

impl Expected {
    /// Another segment is read.
    pub(super) fn begin(&mut self, base: Position) {
        self.segment = Content { base, ..Content::default() };
    }

    /// An event of the segment.
    pub(super) fn add(&mut self, keys: &Keys, record: &Record<'_>, at: (Position, ByteOffset)) {
        self.segment.add(keys, record, at);
    }

    /// The segment has been read: what it holds belongs to what came before from now on.
    fn end(&mut self, id: SegmentId) {
        let base = self.segment.base;
        for (key, ordinals) in std::mem::take(&mut self.segment.keys) {
            let Some(last) = ordinals.last() else { continue };
            let known = self.heads.get(&key);
            let head = Head {
                count: known.map_or(0, |head| head.count) + ordinals.len() as u64,
                position: base.plus(u64::from(*last)),
                segment: id,
                depth: known.map_or(0, |head| head.depth + 1),
            };
            self.heads.insert(key, head);
        }
    }
}

impl Content {
    fn add(
        &mut self,
        keys: &Keys,
        record: &Record<'_>,
        (position, offset): (Position, ByteOffset),
    ) {
        let ordinal = position.0.saturating_sub(self.base.0) as u32;
        let stream = (keys.key(Kind::Stream, record.stream()), record.stream());
        let mut all = std::mem::take(&mut self.scratch);
        keys_of(keys, stream, record.kind(), record.tags(), &mut all);
        for key in &all {
            let ordinals = self.keys.entry(*key).or_default();
            if ordinals.last() != Some(&ordinal) {
                ordinals.push(ordinal);
            }
        }
        self.scratch = all;
        if let Some(id) = record.id() {
            self.ids.entry(keys.bytes(Kind::EventId, &id)).or_default().push(ordinal);
        }
        if record.version() == Version(0) {
            self.names.push((record.stream().to_owned(), ordinal));
        }
        self.offsets.push(offset);
    }

    /// What the index says that the log does not, if anything.
    fn compare(
        &self,
        file: &Arc<Sealed>,
        heads: &ByKey<Head>,
    ) -> std::result::Result<Option<&'static str>, IndexError> {
        let covers = *file.covers();
        let part = IndexPart::File(Arc::clone(file));
        if covers.base != self.base || covers.events as usize > self.offsets.len() {
            return Ok(Some("it covers other events than the log has"));
        }
        let mut entries = 0;
        for (key, ordinals) in &self.keys {
            let ordinals = &ordinals[..ordinals.partition_point(|&at| at < covers.events)];
            entries += u32::from(!ordinals.is_empty());
            let found = part.find(*key)?;
            if found.is_some() == ordinals.is_empty() {
                return Ok(Some("a key that the log does not have, or not the other way round"));
            }
            let Some(held) = found else { continue };
            if !same(&part, &held, ordinals)? {
                return Ok(Some("other events of a key than the log has"));
            }
            if !descends(&held, heads.get(key)) {
                return Ok(Some("other events before of a key than the log has"));
            }
        }
        for (key, ordinals) in &self.ids {
            // Ids are indexed only while that is asked for: those that must be there are the first ones.
            let mut found = Vec::new();
            if let Some(held) = part.find(*key)? {
                entries += 1;
                for_each(&part, &held, &mut |ordinal| found.push(ordinal))?;
                if found.iter().any(|ordinal| ordinals.binary_search(ordinal).is_err()) {
                    return Ok(Some("an event with another id"));
                }
            }
            let expected = ordinals.iter().filter(|&&ordinal| ordinal < covers.ids);
            if expected.into_iter().any(|ordinal| found.binary_search(ordinal).is_err()) {
                return Ok(Some("it lacks the id of an event"));
            }
        }
        if entries != file.entries() {
            return Ok(Some("keys that the log does not have"));
        }
        self.compare_places(file, covers.events)
    }

    fn compare_places(
        &self,
        file: &Arc<Sealed>,
        events: u32,
    ) -> std::result::Result<Option<&'static str>, IndexError> {
        let part = IndexPart::File(Arc::clone(file));
        for (ordinal, offset) in (0..events).zip(&self.offsets) {
            if part.offset(ordinal)? != Some(*offset) {
                return Ok(Some("an event at another place than in the log"));
            }
        }
        let begun = self.names.iter().filter(|(_, ordinal)| *ordinal < events);
        let mut names: Vec<&str> = begun.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let (mut names, mut same) = (names.into_iter(), true);
        file.each_name(|name| same &= names.next() == Some(name))?;
        if !same || names.next().is_some() {
            return Ok(Some("other names of streams than the log has"));
        }
        Ok(None)
    }
}

/// Whether a part has exactly these ordinals of a key.
fn same(part: &IndexPart, held: &Held, ordinals: &[u32]) -> std::result::Result<bool, IndexError> {
    if held.count as usize != ordinals.len() || ordinals.last() != Some(&held.last) {
        return Ok(false);
    }
    let (mut found, mut at) = (Vec::new(), 0);
    while at < ordinals.len() {
        part.batch(held, ordinals[at], Way::Forward, &mut found)?;
        if found.is_empty() || !ordinals[at..].starts_with(&found) {
            return Ok(false);
        }
        at += found.len();
    }
    Ok(part.nth(held, held.count - 1)? == held.last)
}

/// Whether an entry says of the segments before what they hold.
fn descends(held: &Held, before: Option<&Head>) -> bool {
    let count = before.map_or(0, |head| head.count);
    let prev = before.map(|head| head.segment);
    let depth = before.map_or(0, |head| head.depth + 1);
    let jumps_back = held.jump.is_none_or(|jump| Some(jump) <= prev);
    (held.before, held.prev, held.depth) == (count, prev, depth) && jumps_back
}

/// Where index files are looked for.
#[derive(Clone, Copy)]
pub(super) struct Place<'d> {
    pub(super) disk: &'d dyn Disk,
    pub(super) directory: &'d Directory,
    pub(super) names: &'d IndexNames,
    pub(super) store: StoreId,
}

impl Verifier<'_> {
    /// Verifies the index of a segment that has just been read; what has been found there before it was is
    /// `findings`.
    pub(super) fn index(&mut self, place: Place<'_>, part: &Part, findings: usize) {
        let id = part.segment.id;
        let path = place.directory.index(id);
        let whole = self.report.findings.len() == findings;
        if !place.names.segments.contains(&id) {
            if part.sealed().is_some() {
                let what = "there is no index; the next opening makes it";
                self.find(Severity::Unfinished, path, 0..0, nothing(), what);
            }
        } else {
            let identity = Identity { store: place.store, segment: id, salt: part.segment.salt };
            let loaded = load_index(place.disk, place.directory, &identity);
            let is_short = loaded
                .as_ref()
                .is_ok_and(|file| part.sealed().is_some() && file.covers().end < part.end);
            match loaded.and_then(|file| self.judge(file, part, whole)) {
                // A close has left it, and the one of all of the segment could not be written.
                Ok(None) if is_short => {
                    let what = format!("the index does not cover all of a sealed segment; {ANEW}");
                    self.find(Severity::Unfinished, path, 0..0, nothing(), &what);
                }
                judged => self.tell_of(path, judged),
            }
        }
        self.expected.end(id);
    }

    fn judge(
        &self,
        file: Sealed,
        part: &Part,
        whole: bool,
    ) -> std::result::Result<Option<&'static str>, IndexError> {
        file.verify()?;
        if part.sealed().is_some() && file.covers().end > part.end {
            return Ok(Some("it covers more than all of a sealed segment"));
        }
        // An index may know more than a log that has lost something, and a writer may have gone on.
        if !whole || self.incomplete || file.covers().end > part.end {
            return Ok(None);
        }
        self.expected.segment.compare(&Arc::new(file), &self.expected.heads)
    }

    /// Verifies the runs that end with a segment that has just been read.
    pub(super) fn runs(&mut self, place: Place<'_>, ids: &[SegmentId], last: SegmentRef) {
        let mut at = 0;
        let mut used = Vec::new();
        while at < ids.len() {
            let run = place.names.runs_from(&ids[at..]).into_iter().next();
            at += run.map_or(1, |(_, covered)| covered);
            used.extend(run.map(|(run, _)| run));
        }
        for run in place.names.runs.iter().filter(|run| *run.end() == last.id) {
            let path = place.directory.run(run);
            if used.contains(&run) {
                let judged = self.judge_run(place, run, last.salt);
                self.tell_of(path, judged);
            } else {
                let what = "a run that a longer one covers; the next opening removes it";
                self.find(Severity::Unfinished, path, 0..0, nothing(), what);
            }
        }
    }

    fn judge_run(
        &self,
        place: Place<'_>,
        segments: &RangeInclusive<SegmentId>,
        salt: Salt,
    ) -> std::result::Result<Option<&'static str>, IndexError> {
        let last = Identity { store: place.store, segment: *segments.end(), salt };
        let run = try_run(place.disk, place.directory, ReadMode::Pread, *segments.start(), &last)?;
        run.verify()?;
        if self.incomplete {
            return Ok(None);
        }
        let heads = self.expected.heads.iter();
        let within = heads.filter(|(_, head)| segments.contains(&head.segment));
        let mut entries = 0;
        for (key, head) in within {
            entries += 1;
            if run.find(*key)? != Some(*head) {
                return Ok(Some("another head of a key than the log has"));
            }
        }
        Ok((run.entries() != entries).then_some("heads of keys that the log does not have"))
    }

    /// Index files of segments that are not there.
    pub(super) fn unused_indexes(&mut self, place: Place<'_>, ids: &[SegmentId]) {
        let what = "an index that nobody uses; the next opening for writing removes it";
        let gone = place.names.segments.iter().filter(|id| !ids.contains(id));
        let runs = place.names.runs.iter().filter(|run| !ids.contains(run.end()));
        let paths = gone.map(|&id| place.directory.index(id));
        for path in paths.chain(runs.map(|run| place.directory.run(run))) {
            self.find(Severity::Unfinished, path, 0..0, nothing(), what);
        }
    }

    fn tell_of(
        &mut self,
        path: PathBuf,
        judged: std::result::Result<Option<&'static str>, IndexError>,
    ) {
        let (severity, at, what) = match judged {
            Ok(None) => return,
            // A writer has put another in its place.
            Err(IndexError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return,
            Ok(Some(lie)) => (Severity::Damage, 0, format!("{lie}; {ANEW}")),
            Err(IndexError::Damaged { at, what }) => {
                (Severity::Damage, at, format!("{what}; {ANEW}"))
            }
            Err(IndexError::Unsupported(error)) => {
                (Severity::Unsupported, 0, format!("{error}; reading goes without it"))
            }
            Err(error) => (Severity::Damage, 0, format!("{error}; {ANEW}")),
        };
        let what = format!("the index: {what}");
        // What is wrong with an index is not with the log: what follows is still compared with each other.
        let incomplete = self.incomplete;
        self.find(severity, path, at..at, nothing(), &what);
        self.incomplete = incomplete;
    }
}

fn nothing() -> std::ops::Range<Position> {
    Position(0)..Position(0)
}
