//! Index files: of a segment, and runs of heads.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use quipu_format::index::{Contents, Covered, Entry, HeadEntry, IndexHeader, Span};
use quipu_format::{PAGE_BYTES, StoreId};
use quipu_index::{
    Held, Identity, IndexError, Key, Layer, Lineage, Part, Run, Sealed, Source, Way, write_run,
    write_segment,
};

use super::input::Input;
use super::{Judged, decode::MENDED, ensure, mend};

/// Of the first byte: the input is a header's beginning and the rest of the file, and the zeros between are left out.
const SHORT: u8 = 2;
/// What is given of a header page then.
const HEADER_BYTES: usize = 240;
/// Keys that are asked for.
const KEYS_MAX: usize = 64;
/// Batches of one key that are asked for.
const BATCHES_MAX: usize = 64;
/// An index of more events is not written again: a few bytes may stand for many of them.
const WRITTEN_EVENTS_MAX: u32 = 1 << 14;

/// An index file in memory.
#[derive(Clone, Debug)]
pub struct Bytes(pub Arc<[u8]>);

impl Source for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        let bytes = self.0.get(range.start as usize..range.end as usize);
        bytes.map(Cow::Borrowed).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// The file that an input stands for.
fn file(input: &[u8]) -> Vec<u8> {
    let mut input = Input::new(input);
    let manner = input.byte();
    let mut file = if manner & SHORT == 0 { Vec::new() } else { input.take(HEADER_BYTES).to_vec() };
    if manner & SHORT != 0 {
        file.resize(PAGE_BYTES as usize, 0);
    }
    file.extend_from_slice(input.rest());
    if manner & MENDED != 0 {
        if manner & SHORT != 0 {
            stretch(&mut file);
        }
        mend::index(&mut file);
    }
    file
}

/// Makes a file as long as its header says, if that is not much.
fn stretch(file: &mut Vec<u8>) {
    let word = |at: usize| file.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word));
    // The last section, the checksums: where it begins and how long it is.
    let end = word(208).zip(word(216)).and_then(|(start, bytes)| start.checked_add(bytes));
    if let Some(end) = end.and_then(|end| usize::try_from(end).ok())
        && end <= file.len() + FILE_BYTES_MORE
    {
        file.resize(end.max(PAGE_BYTES as usize), 0);
    }
}

/// The input that stands for this file, without its zeros.
pub(super) fn short(file: &[u8]) -> Vec<u8> {
    let (header, rest) = file.split_at(PAGE_BYTES as usize);
    let checks = IndexHeader::decode(file, file.len() as u64).map(|header| header.sections.checks);
    let until = checks.map_or(rest.len(), |checks| (checks.start - PAGE_BYTES) as usize);
    let len = rest[..until].iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    [&[MENDED | SHORT], &header[..HEADER_BYTES], &rest[..len]].concat()
}

/// Whose index this file is, and the file to be opened. None for a run.
pub(super) fn opened(header: &IndexHeader, file: Vec<u8>) -> Option<(Identity, Box<dyn Source>)> {
    let Contents::Segment(Covered { segment, salt, .. }) = header.contents else { return None };
    Some((Identity { store: header.store, segment, salt }, Box::new(Bytes(file.into()))))
}

/// Zeros that a short input stands for at most.
const FILE_BYTES_MORE: usize = 16 << 10;

/// The file of a segment's index.
pub(super) fn segment(input: &[u8]) -> Judged {
    let file: Arc<[u8]> = file(input).into();
    let Ok(header) = IndexHeader::decode(&file, file.len() as u64) else { return Ok(()) };
    let Contents::Segment(covered) = header.contents else { return Ok(()) };
    let Covered { segment, salt, .. } = covered;
    let identity = Identity { store: header.store, segment, salt };
    let Ok(sealed) = Sealed::open(Box::new(Bytes(file.clone())), &identity) else { return Ok(()) };
    let is_sound = sealed.verify().is_ok();
    let part = Part::File(Arc::new(sealed));
    for key in keys(&file, header.sections.entries, Entry::BYTES) {
        let asked = ask(&part, key, covered.events)?;
        ensure(asked.is_ok() || !is_sound, || {
            format!("verified, and then {key:?} is answered by {asked:?}")
        })?;
    }
    for ordinal in (0..covered.events).step_by(7).take(KEYS_MAX) {
        let offset = part.offset(ordinal);
        ensure(matches!(offset, Ok(Some(_))) || !is_sound, || format!("{ordinal}: {offset:?}"))?;
    }
    let names = part.names("");
    ensure(names.is_ok() || !is_sound, || format!("{names:?}"))?;
    if covered.events > WRITTEN_EVENTS_MAX {
        return Ok(());
    }
    copied(&identity, part, is_sound)
}

/// The keys of the entries, as far as that many are looked at.
fn keys(file: &[u8], section: Span, size: u64) -> Vec<Key> {
    let bytes = file.get(section.start as usize..section.end() as usize).unwrap_or_default();
    let entries = bytes.chunks_exact(size as usize).take(KEYS_MAX);
    entries.filter_map(quipu_format::index::entry::key).map(Key).collect()
}

/// Asks all there is to ask of a key. An answer is an error, or agrees with the other answers.
fn ask(part: &Part, key: Key, events: u32) -> Result<Result<(), IndexError>, String> {
    let held = match part.find(key) {
        Ok(Some(held)) => held,
        Ok(None) => return Ok(Err(IndexError::Damaged { at: 0, what: "an entry is not found" })),
        Err(error) => return Ok(Err(error)),
    };
    let walks = [Way::Forward, Way::Backward].map(|way| walk(part, &held, way, events));
    let [forward, backward] = walks;
    let (forward, backward) = match (forward?, backward?) {
        (Ok(forward), Ok(backward)) => (forward, backward),
        (Err(error), _) | (_, Err(error)) => return Ok(Err(error)),
    };
    let (Some(forward), Some(backward)) = (forward, backward) else { return Ok(Ok(())) };
    let is_numbered = forward.count == 0
        || part.nth(&held, 0).ok() == forward.first
            && part.nth(&held, forward.count - 1).ok() == forward.last;
    let agree = (forward.first, forward.last, forward.count, forward.sum)
        == (backward.last, backward.first, backward.count, backward.sum);
    let is_held = forward.count == held.count && forward.last.is_none_or(|last| last == held.last);
    if agree && is_numbered && is_held {
        return Ok(Ok(()));
    }
    // Nobody has to notice this before it verifies the file.
    Ok(Err(IndexError::Damaged { at: 0, what: "answers that do not agree" }))
}

/// The ordinals of a key, summed up.
#[derive(Default)]
struct Walked {
    first: Option<u32>,
    last: Option<u32>,
    count: u32,
    sum: u64,
}

/// All ordinals of a key, batch for batch, each within bounds and in order. Nothing where there are too many of them.
fn walk(
    part: &Part,
    held: &Held,
    way: Way,
    events: u32,
) -> Result<Result<Option<Walked>, IndexError>, String> {
    let (mut walked, mut batch) = (Walked::default(), Vec::new());
    let mut from = if way == Way::Forward { 0 } else { u32::MAX };
    for _ in 0..BATCHES_MAX {
        if let Err(error) = part.batch(held, from, way, &mut batch) {
            return Ok(Err(error));
        }
        ensure(batch.len() <= 128, || format!("{} ordinals at once", batch.len()))?;
        for &ordinal in &batch {
            let is_next = walked.last.is_none_or(|last| match way {
                Way::Forward => ordinal > last,
                Way::Backward => ordinal < last,
            });
            ensure(is_next && ordinal < events, || format!("{ordinal} of {events}, {way:?}"))?;
            walked.first.get_or_insert(ordinal);
            walked.last = Some(ordinal);
            walked.count += 1;
            walked.sum += u64::from(ordinal);
        }
        let next = batch.last().and_then(|&last| match way {
            Way::Forward => last.checked_add(1),
            Way::Backward => last.checked_sub(1),
        });
        match next {
            Some(next) => from = next,
            None => return Ok(Ok(Some(walked))),
        }
    }
    Ok(Ok(None))
}

/// Writes the index again from the file, and a run from it. Of a sound file both are sound.
fn copied(identity: &Identity, part: Part, is_sound: bool) -> Judged {
    let Part::File(sealed) = &part else { return Ok(()) };
    let (sealed, covers) = (Arc::clone(sealed), *sealed.covers());
    let mut alone = |_| Ok::<_, IndexError>(Lineage::default());
    let again = write_segment(identity, &covers, &[part], &mut alone)
        .and_then(|bytes| Sealed::open(Box::new(Bytes(bytes.into())), identity)?.verify());
    ensure(again.is_ok() || !is_sound, || format!("written again: {again:?}"))?;
    let run = run_of(identity.store, &[Layer::Index(sealed)]).and_then(|bytes| {
        Run::open(Box::new(Bytes(bytes.into())), identity.segment, identity)?.verify()
    });
    ensure(run.is_ok() || !is_sound, || format!("a run of it: {run:?}"))
}

/// The bytes of a run of these layers.
pub(super) fn run_of(store: StoreId, layers: &[Layer]) -> Result<Vec<u8>, IndexError> {
    let mut bytes = Vec::new();
    write_run(store, layers, &mut bytes)?;
    Ok(bytes)
}

/// The file of a run.
pub(super) fn run(input: &[u8]) -> Judged {
    let file: Arc<[u8]> = file(input).into();
    let Ok(header) = IndexHeader::decode(&file, file.len() as u64) else { return Ok(()) };
    let Contents::Run { first, last, salt } = header.contents else { return Ok(()) };
    let identity = Identity { store: header.store, segment: last, salt };
    let source = Box::new(Bytes(file.clone()));
    let Ok(run) = Run::open(source, first, &identity) else { return Ok(()) };
    let is_sound = run.verify().is_ok();
    for key in keys(&file, header.sections.entries, HeadEntry::BYTES) {
        let found = run.find(key);
        ensure(matches!(found, Ok(Some(_))) || !is_sound, || format!("{key:?}: {found:?}"))?;
    }
    let again = run_of(identity.store, &[Layer::Run(Arc::new(run))])
        .and_then(|bytes| Run::open(Box::new(Bytes(bytes.into())), first, &identity)?.verify());
    ensure(again.is_ok() || !is_sound, || format!("written again: {again:?}"))
}
