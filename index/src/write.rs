//! Writing the index of a segment.

use quipu_format::SegmentId;
use quipu_format::index::entry::DEPTH_MAX;
use quipu_format::index::{Contents, Covered, Entry, Parts, Scope, names, offsets, postings};

use crate::active::{Posted, Sorted};
use crate::container::assemble;
use crate::row::Row;
use crate::sealed::{Entries, Places};
use crate::{Active, Covers, Identity, IndexError, Key, Part, Sealed};

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
/// What the file holds is copied piece by piece, and each of its bytes once, whatever it says: beside the bytes that
/// are given this takes little memory.
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
    let mut sections = Sections::of(covers);
    let mut entries = parts.file.map(Filed::of);
    let mut posted = parts.memory.map(|active| active.sorted(covers.events));
    let mut last = None;
    while let Some(merged) = Merged::next(&mut entries, posted.as_ref())? {
        // A file whose keys do not ascend would hide some of them.
        if last.is_some_and(|last| merged.key.0 <= last) {
            return Err(IndexError::damaged(0, "keys that do not ascend").into());
        }
        last = Some(merged.key.0);
        let entry = merged.entry(lineage)?;
        sections.add(entry, &merged, &mut entries)?;
        let (of_file, of_memory) = (merged.filed.is_some(), merged.posted.is_some());
        if let Some(filed) = entries.as_mut().filter(|_| of_file) {
            filed.entries.advance();
        }
        if let Some(sorted) = posted.as_mut().filter(|_| of_memory) {
            sorted.advance();
        }
    }
    parts.offsets(covers, &mut sections.offsets)?;
    parts.names(&mut sections.names)?;
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
        let mut encoder = offsets::Encoder::new(covers.events, out);
        if let Some(file) = self.file {
            file.each_offset(|units| encoder.push(units))?;
        }
        let more = self.memory.iter().flat_map(|active| active.offsets(covers.events));
        more.for_each(|units| encoder.push(units));
        encoder.finish();
        Ok(())
    }

    fn names(&self, out: &mut Vec<u8>) -> Result<(), IndexError> {
        let posted = self.memory.map(|active| active.names("")).unwrap_or_default();
        let mut count = 0;
        self.each_name(&posted, |_| count += 1)?;
        let mut encoder = names::Encoder::new(count, out);
        self.each_name(&posted, |name| encoder.push(name))
    }

    /// Goes through the names of the file and these, both sorted, each once.
    fn each_name(&self, posted: &[String], mut each: impl FnMut(&str)) -> Result<(), IndexError> {
        let mut posted = posted.iter().peekable();
        if let Some(file) = self.file {
            file.each_name(|name| {
                while let Some(before) = posted.next_if(|posted| ***posted < *name) {
                    each(before);
                }
                posted.next_if(|posted| **posted == name);
                each(name);
            })?;
        }
        posted.for_each(|name| each(name));
        Ok(())
    }
}

/// The entries of the file, and where their postings stand.
#[derive(Debug)]
struct Filed<'a> {
    entries: Entries<'a>,
    places: Places<'a>,
}

impl<'a> Filed<'a> {
    fn of(file: &'a Sealed) -> Filed<'a> {
        Filed { entries: file.walk(), places: file.places() }
    }
}

/// A key of the segment.
#[derive(Debug)]
struct Merged<'a> {
    key: Key,
    /// What the file says of it.
    filed: Option<Entry>,
    /// What is known in memory.
    posted: Option<Posted<'a>>,
}

impl<'a> Merged<'a> {
    /// The least key that is left in either part.
    fn next(
        filed: &mut Option<Filed<'_>>,
        sorted: Option<&'a Sorted<'_>>,
    ) -> Result<Option<Merged<'a>>, IndexError> {
        let filed = filed.as_mut().map_or(Ok(None), |filed| filed.entries.get())?;
        let posted = sorted.and_then(Sorted::get);
        let keys = [filed.map(|entry| Key(entry.key)), posted.map(|posted| posted.key)];
        let Some(key) = keys.into_iter().flatten().min() else { return Ok(None) };
        let filed = filed.filter(|entry| entry.key == key.0);
        let posted = posted.filter(|posted| posted.key == key);
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
        if let Some(Posted { before, scope: Scope::Store, .. }) = self.posted {
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
    /// So many postings more there may be.
    postings_left: u64,
    entries: Vec<u8>,
    postings: Vec<u8>,
    offsets: Vec<u8>,
    names: Vec<u8>,
}

impl Sections {
    fn of(covers: &Covers) -> Sections {
        let (events, postings_left) = (covers.events, covers.postings_max());
        Sections { events, postings_left, ..Sections::default() }
    }

    /// Adds the entry of a key, and its ordinals: those in the file, then those in memory.
    fn add(
        &mut self,
        entry: Entry,
        merged: &Merged<'_>,
        file: &mut Option<Filed<'_>>,
    ) -> Result<(), IndexError> {
        let posted = merged.posted.map_or(&[][..], |posted| posted.ordinals);
        let filed = merged.filed.map_or(0, |filed| filed.count);
        let count = self.count(u64::from(filed) + posted.len() as u64)?;
        let mut encoder = postings::Encoder::new(count, self.events, &mut self.postings);
        let mut row = Row::default();
        let mut add = |ordinals: &[u32]| {
            row.add(ordinals);
            ordinals.iter().for_each(|&ordinal| encoder.push(ordinal));
        };
        if let (Some(filed), Some(file)) = (&merged.filed, file) {
            file.places.each(filed, &mut add)?;
        }
        add(posted);
        let postings = encoder.finish();
        if !row.ascends() || row.count() != u64::from(count) {
            return Err(IndexError::damaged(0, "postings that their entry denies"));
        }
        let last = row.last().unwrap_or(entry.last);
        Entry { count, last, postings, ..entry }.encode(&mut self.entries);
        Ok(())
    }

    /// The number of a key's ordinals, if there can be so many. A file may claim that every key stands in every
    /// event: what is made of it must not grow beyond what events can have.
    fn count(&mut self, count: u64) -> Result<u32, IndexError> {
        let Some(left) = self.postings_left.checked_sub(count) else {
            return Err(IndexError::damaged(0, "more postings than events can have"));
        };
        self.postings_left = left;
        let count = u32::try_from(count).ok().filter(|count| *count <= self.events);
        count.ok_or(IndexError::damaged(0, "more ordinals of a key than events"))
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
