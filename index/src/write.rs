//! Writing the index of a segment.

use quipu_format::SegmentId;
use quipu_format::index::entry::DEPTH_MAX;
use quipu_format::index::{Contents, Covered, Entry, Parts, Scope, names, offsets, postings};

use crate::active::{Posted, Sorted};
use crate::container::assemble;
use crate::sealed::Entries;
use crate::{Active, Covers, Identity, IndexError, Key, Part, Sealed};

/// Keys that one event can have, with room for kinds to come: its stream, category, type, id and 32 tags.
const KEYS_OF_EVENT_MAX: u64 = 64;

/// What earlier segments hold of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// Events with this key in earlier segments. For a stream's key the version of the first event here
    /// counts instead, where that is known and not 0.
    pub before: u64,
    /// The segment before this one that holds the key.
    pub prev: Option<SegmentId>,
    /// A segment further back that holds it: the skew-binary jump pointer.
    pub jump: Option<SegmentId>,
    /// Number of segments before this one that hold the key.
    pub depth: u32,
}

/// The bytes of a segment's index, from its parts in order: at most one in a file, then at most one in
/// memory. Of the part in memory only the ordinals below `covers.events` are written: it may grow
/// meanwhile.
///
/// `lineage` is asked once for each key that the file does not hold, in ascending order of keys; what
/// the file says of its own keys is kept, and local keys have none.
///
/// # Errors
/// What `lineage` answers with; [`IndexError`] where the file cannot be read or is damaged, or the parts
/// do not cover what `covers` says.
pub fn write_segment<E: From<IndexError>>(
    identity: &Identity,
    covers: &Covers,
    parts: &[Part],
    lineage: &mut dyn FnMut(Key) -> Result<Lineage, E>,
) -> Result<Vec<u8>, E> {
    let parts = InOrder::of(covers, parts)?;
    let mut sections = Sections { events: covers.events, ..Sections::default() };
    let mut entries = parts.file.map(Sealed::walk);
    let mut posted = parts.memory.map(|active| active.sorted(covers.events));
    while let Some(merged) = Merged::next(&mut entries, &mut posted, &mut sections.ordinals)? {
        let entry = merged.entry(lineage)?;
        sections.add(entry);
        sections.check()?;
    }
    parts.offsets(covers, &mut sections.offsets)?;
    names::encode(&parts.names()?, &mut sections.names);
    Ok(sections.file(identity, covers)?)
}

/// The parts of a segment, known to follow one another.
#[derive(Debug)]
struct InOrder<'a> {
    file: Option<&'a Sealed>,
    memory: Option<&'a Active>,
}

impl<'a> InOrder<'a> {
    fn of(covers: &Covers, parts: &'a [Part]) -> Result<InOrder<'a>, IndexError> {
        let (file, memory) = match parts {
            [] => (None, None),
            [Part::File(file)] => (Some(&**file), None),
            [Part::Memory(memory)] => (None, Some(&**memory)),
            [Part::File(file), Part::Memory(memory)] => (Some(&**file), Some(&**memory)),
            _ => return Err(IndexError::damaged(0, "parts in an unknown order")),
        };
        let in_file = file.map_or(0, |file| file.covers().events);
        let joined = memory.is_none_or(|memory| memory.first() == in_file);
        let end = memory.map_or(in_file, Active::end);
        let based = file.is_none_or(|file| file.covers().base == covers.base);
        if !joined || !based || !(in_file..=end).contains(&covers.events) {
            return Err(IndexError::damaged(0, "parts that do not make up the segment"));
        }
        Ok(InOrder { file, memory })
    }

    fn offsets(&self, covers: &Covers, out: &mut Vec<u8>) -> Result<(), IndexError> {
        let mut units = self.file.map_or(Ok(Vec::new()), Sealed::offsets)?;
        units.extend(self.memory.iter().flat_map(|active| active.offsets(covers.events)));
        offsets::encode(&units, out);
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, IndexError> {
        let mut names = self.file.map_or(Ok(Vec::new()), |file| file.names(""))?;
        names.extend(self.memory.iter().flat_map(|active| active.names("")));
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

/// A key of the segment, its ordinals apart.
#[derive(Debug)]
struct Merged {
    key: Key,
    /// What the file says of it.
    filed: Option<Entry>,
    /// What is known in memory: events before, and how far it is found.
    posted: Option<(u64, Scope)>,
}

impl Merged {
    /// The next key of either part; its ordinals in both replace what is in `ordinals`.
    fn next(
        entries: &mut Option<Entries<'_>>,
        sorted: &mut Option<Sorted<'_>>,
        ordinals: &mut Vec<u32>,
    ) -> Result<Option<Merged>, IndexError> {
        ordinals.clear();
        let filed = entries.as_mut().map_or(Ok(None), Entries::get)?;
        let posted = sorted.as_ref().and_then(Sorted::get);
        let keys = [filed.map(|entry| Key(entry.key)), posted.map(|posted| posted.key)];
        let Some(key) = keys.into_iter().flatten().min() else { return Ok(None) };
        let filed = filed.filter(|entry| entry.key == key.0);
        if let (Some(entry), Some(entries)) = (&filed, entries) {
            entries.ordinals(entry, ordinals)?;
            entries.advance();
        }
        let posted = posted.filter(|posted| posted.key == key).map(
            |Posted { before, scope, ordinals: more, .. }| {
                ordinals.extend_from_slice(more);
                (before, scope)
            },
        );
        if let (Some(_), Some(sorted)) = (&posted, sorted) {
            sorted.advance();
        }
        Ok(Some(Merged { key, filed, posted }))
    }

    /// Its entry, what follows from the ordinals left out.
    fn entry<E>(&self, lineage: &mut dyn FnMut(Key) -> Result<Lineage, E>) -> Result<Entry, E> {
        let mut entry = Entry {
            key: self.key.0,
            before: 0,
            count: 0,
            last: 0,
            postings: 0,
            prev: None,
            jump: None,
            depth: 0,
            scope: Scope::Local,
        };
        if let Some(filed) = self.filed.filter(|filed| filed.scope == Scope::Store) {
            return Ok(filed);
        }
        if let Some((before, Scope::Store)) = self.posted {
            let known = lineage(self.key)?;
            entry.before = if before > 0 { before } else { known.before };
            (entry.prev, entry.jump) = (known.prev, known.jump);
            entry.depth = known.depth.min(DEPTH_MAX);
            entry.scope = Scope::Store;
        }
        Ok(entry)
    }
}

/// The sections as they grow.
#[derive(Debug, Default)]
struct Sections {
    events: u32,
    postings_total: u64,
    /// Those of the key that is added next.
    ordinals: Vec<u32>,
    entries: Vec<u8>,
    postings: Vec<u8>,
    offsets: Vec<u8>,
    names: Vec<u8>,
}

impl Sections {
    fn add(&mut self, entry: Entry) {
        self.postings_total += self.ordinals.len() as u64;
        let postings = postings::encode(&self.ordinals, self.events, &mut self.postings);
        let count = self.ordinals.len() as u32;
        let last = self.ordinals.last().copied().unwrap_or(entry.last);
        Entry { count, last, postings, ..entry }.encode(&mut self.entries);
    }

    /// A file may claim that every key stands in every event: what is made of it must not grow beyond what
    /// events can have.
    fn check(&self) -> Result<(), IndexError> {
        let most = u64::from(self.events).saturating_mul(KEYS_OF_EVENT_MAX);
        if self.postings_total > most {
            return Err(IndexError::damaged(0, "more postings than events can have"));
        }
        Ok(())
    }

    fn file(&self, identity: &Identity, covers: &Covers) -> Result<Vec<u8>, IndexError> {
        let contents = Contents::Segment(Covered {
            segment: identity.segment,
            salt: identity.salt,
            base: covers.base,
            events: covers.events,
            ids: covers.ids,
            end: covers.end,
            last_time: covers.last_time,
        });
        let Sections { entries, postings, offsets, names, .. } = self;
        let parts = Parts { entries, postings, offsets, names, ..Parts::default() };
        assemble(identity.store, contents, parts)
    }
}
