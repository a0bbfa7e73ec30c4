//! The first inputs of each corpus, made of real encodings: from them a fuzzer finds its way sooner.

use std::path::PathBuf;

use quipu_format::checksum::{Domain, Place};
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use quipu_format::index::IndexHeader;
use quipu_format::manifest::{Edit, FIRST_EDIT, ManifestHeader};
use quipu_format::record::{self, Record};
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{
    ByteOffset, Epoch, Live, Lsn, PAGE_BYTES, Position, SegmentId, Standing, UNIT_BYTES,
};
use quipu_index::{Identity, Layer, Sealed};

use super::{decode, index_file, mend, store};
use crate::random::Random;
use crate::segments::frames;

const PAGE: usize = PAGE_BYTES as usize;
/// A capacity that holds every place.
const ANY: ByteOffset = ByteOffset(u64::MAX);
/// Lives that are drawn for `operations`, and as many questions.
const DRAWN: u64 = 24;

/// The first inputs for the target of this name; none for one that has another source of them.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "frame" => both(structures().into_iter().map(|found| found.frame).collect()),
        "record" => both(structures().into_iter().flat_map(|found| found.records).collect()),
        "seal" => both(structures().into_iter().filter_map(|found| found.seal).collect()),
        "edit" => both(edits()),
        "header" => headers(),
        "live" => vec![[&[0], live().encode().as_slice()].concat()],
        "index" => indexes(),
        "run" => runs(),
        "segment" => segments(),
        "manifest" => manifests(),
        "query" => (0..DRAWN).map(|seed| drawn(seed, 64)).collect(),
        "operations" => (0..DRAWN).map(|seed| drawn(seed, 200)).collect(),
        _ => Vec::new(),
    }
}

/// Each input with its checksums as they are, and to be mended.
fn both(inputs: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mended = inputs.clone().into_iter().map(|mut input| {
        input[0] |= decode::MENDED;
        input
    });
    let mended: Vec<Vec<u8>> = mended.collect();
    [inputs, mended].concat()
}

/// A frame of a segment, and what is decoded of it apart.
struct Structures {
    frame: Vec<u8>,
    records: Vec<Vec<u8>>,
    seal: Option<Vec<u8>>,
}

/// An input of the targets of single structures: where it stands, summed for that place.
fn placed(bytes: &[u8], place: Place, sum: impl Fn(&mut [u8], Place)) -> Vec<u8> {
    let place = Place { salt: decode::SALT, ..place };
    let mut bytes = bytes.to_vec();
    sum(&mut bytes, place);
    let units = (place.offset.0 / UNIT_BYTES) as u16;
    [&[0], units.to_le_bytes().as_slice(), &bytes].concat()
}

fn files(kind: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let all = [0, store::CLOSED].into_iter().flat_map(store::files);
    all.filter(|(file, _)| file.extension().is_some_and(|extension| extension == kind)).collect()
}

/// One frame of each kind and length.
fn structures() -> Vec<Structures> {
    let mut found: Vec<Structures> = Vec::new();
    let mut seen = Vec::new();
    for (_, file) in files("seg") {
        for (place, header) in frames(&file).unwrap_or_default() {
            let (at, len) = (place.offset.0 as usize, header.len as usize);
            let Some(bytes) = file.get(at..at + len) else { continue };
            if !seen.contains(&(header.kind, len)) {
                seen.push((header.kind, len));
                found.push(structure(bytes, place, &header));
            }
        }
    }
    found
}

fn structure(bytes: &[u8], place: Place, header: &FrameHeader) -> Structures {
    let (_, body) = bytes.split_at(FRAME_HEADER_BYTES);
    let inner = place.plus(FRAME_HEADER_BYTES as u64);
    let (mut records, mut rest, mut at) = (Vec::new(), body, inner);
    while header.kind == FrameKind::Events
        && let Ok(extent) = Record::extent(rest)
        && let Some((bytes, behind)) = rest.split_at_checked(extent.len as usize)
    {
        records.push(placed(bytes, at, record::resettle));
        (rest, at) = (behind, at.plus(extent.len));
    }
    let sum_body = |bytes: &mut [u8], place| mend::structure(bytes, Domain::Body, place);
    let seal = (header.kind == FrameKind::Seal).then(|| {
        // The place of the frame: the body stands behind its header.
        let mut input = placed(body, inner, sum_body);
        let units = (place.offset.0 / UNIT_BYTES) as u16;
        input[1..3].copy_from_slice(&units.to_le_bytes());
        input
    });
    let frame = placed(bytes, place, |bytes, place| {
        mend::frame(bytes, place, ANY);
    });
    Structures { frame, records, seal }
}

fn edits() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for manner in [0, store::CLOSED] {
        let Some(bytes) = manifest(manner) else { continue };
        let Ok(header) = ManifestHeader::decode(&bytes) else { continue };
        let mut at = FIRST_EDIT.0;
        while let Ok((_, _, len)) =
            Edit::decode(&bytes[at as usize..], Place::new(header.salt, ByteOffset(at)))
        {
            let place = Place::new(header.salt, ByteOffset(at));
            let edit = &bytes[at as usize..(at + len) as usize];
            found.push(placed(edit, place, |bytes, place| {
                mend::edit(bytes, place);
            }));
            at += len;
        }
    }
    found
}

fn manifest(manner: u8) -> Option<Vec<u8>> {
    let mut files = store::files(manner).into_iter();
    files.find(|(file, _)| file.ends_with("manifest")).map(|(_, bytes)| bytes)
}

/// Bytes without the zeros at their end.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &bytes[..len]
}

fn headers() -> Vec<Vec<u8>> {
    let pages = files("seg").into_iter().map(|(_, bytes)| bytes).chain(manifest(0));
    let pages: Vec<Vec<u8>> =
        pages.filter_map(|bytes| bytes.get(..PAGE).map(<[u8]>::to_vec)).collect();
    let short = |page: &Vec<u8>| [&[decode::MENDED], trimmed(&page[..PAGE - 4])].concat();
    let whole = pages.iter().take(1).map(|page| [&[0], page.as_slice()].concat());
    pages.iter().map(short).chain(whole).collect()
}

fn live() -> Live {
    Live {
        epoch: Epoch([7; 16]),
        durable: Lsn::new(SegmentId(3), ByteOffset(8192)),
        visible: Lsn::new(SegmentId(3), ByteOffset(8448)),
        next_position: Position(1000),
        sealed: 2,
        standing: Standing::Well,
    }
}

fn indexes() -> Vec<Vec<u8>> {
    let found: Vec<Vec<u8>> = files("idx").into_iter().map(|(_, bytes)| bytes).collect();
    let whole = found.first().map(|bytes| [&[0], bytes.as_slice()].concat());
    found.iter().map(|bytes| index_file::short(bytes)).chain(whole).collect()
}

/// No store here is old enough for a run: they are made of the indexes.
fn runs() -> Vec<Vec<u8>> {
    let run = |(_, bytes): (PathBuf, Vec<u8>)| {
        let header = IndexHeader::decode(&bytes, bytes.len() as u64).ok()?;
        let (identity, source) = index_file::opened(&header, bytes)?;
        let sealed = Sealed::open(source, &identity).ok()?;
        let Identity { store, .. } = identity;
        index_file::run_of(store, &[Layer::Index(sealed.into())]).ok()
    };
    files("idx").into_iter().filter_map(run).map(|bytes| index_file::short(&bytes)).collect()
}

fn segments() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for manner in [0, store::CLOSED, store::NO_INDEX, store::CLOSED | store::NO_INDEX] {
        let all = store::files(manner).into_iter();
        let files = all.filter(|(file, _)| file.extension().is_some_and(|kind| kind == "seg"));
        for (number, (_, bytes)) in (0..).zip(files) {
            let body = trimmed(&bytes[FIRST_FRAME.0 as usize..]);
            found.push([&[manner, number], body].concat());
            found.push([&[manner | store::MENDED, number], body].concat());
        }
    }
    // One with its header page is enough to begin with.
    found.extend(
        files("seg")
            .first()
            .map(|(_, bytes)| [&[store::MENDED | store::WHOLE, 0], trimmed(bytes)].concat()),
    );
    found
}

fn manifests() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for manner in [0, store::CLOSED] {
        let Some(bytes) = manifest(manner) else { continue };
        let edits = trimmed(&bytes[FIRST_EDIT.0 as usize..]);
        found.push([&[manner], edits].concat());
        found.push([&[manner | store::MENDED | store::NO_INDEX], edits].concat());
        found.push([&[manner | store::MENDED | store::WHOLE], trimmed(&bytes)].concat());
    }
    found
}

/// Bytes that mean some life of a store, or some question.
pub(super) fn drawn(seed: u64, bytes_max: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..random.between(bytes_max / 4, bytes_max)).map(|_| random.number() as u8).collect()
}
