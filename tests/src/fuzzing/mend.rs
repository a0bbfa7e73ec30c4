//! Checksums made to match, so that a fuzzer gets behind them.

use std::ops::Range;

use quipu_format::checksum::{self, Domain, HEAD_BYTES, Place};
use quipu_format::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use quipu_format::index::IndexHeader;
use quipu_format::index::checks::Tie;
use quipu_format::manifest::{EDIT_BYTES_MAX, EDIT_HEADER_BYTES};
use quipu_format::record::{self, Record};
use quipu_format::{ByteOffset, PAGE_BYTES, Salt, UNIT_BYTES, align_up};

const PAGE: usize = PAGE_BYTES as usize;
/// Where the header of an index file says what its checksums sum up to.
const CHECKS_CRC: Range<usize> = 224..228;

/// Sums a structure anew: its first 32 bytes, and the tail behind them.
pub(super) fn structure(bytes: &mut [u8], domain: Domain, place: Place) {
    if let Some((head, tail)) = bytes.split_first_chunk_mut::<HEAD_BYTES>() {
        let tail = if tail.is_empty() { 0 } else { checksum::plain(tail) };
        let crc = checksum::seal(domain, tail, head, place);
        head[..4].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Sums a header page anew.
pub(super) fn page(bytes: &mut [u8]) {
    if let Some((page, _)) = bytes.split_first_chunk_mut::<PAGE>() {
        let crc = checksum::plain(&page[..PAGE - 4]);
        page[PAGE - 4..].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Sums everything anew in a segment that looks like a frame, from `first` on.
pub(super) fn frames(file: &mut [u8], salt: Salt, first: ByteOffset) {
    let capacity = ByteOffset(file.len() as u64);
    let mut at = first.0 as usize;
    while let Some(bytes) = file.get_mut(at..) {
        let place = Place::new(salt, ByteOffset(at as u64));
        at += match frame(bytes, place, capacity) {
            Some(len) => len,
            None if bytes.len() < FRAME_HEADER_BYTES => return,
            None => UNIT_BYTES as usize,
        };
    }
}

/// Sums the frame that begins these bytes anew, if there seems to be one. Gives its length.
pub(super) fn frame(bytes: &mut [u8], place: Place, capacity: ByteOffset) -> Option<usize> {
    if !FrameHeader::is_plausible(bytes, place, capacity) {
        return None;
    }
    let (header, rest) = bytes.split_first_chunk_mut::<FRAME_HEADER_BYTES>()?;
    structure(header, Domain::Frame, place);
    let decoded = FrameHeader::decode(header, place).ok()?;
    let body = rest.get_mut(..decoded.len as usize - FRAME_HEADER_BYTES)?;
    let place = place.plus(FRAME_HEADER_BYTES as u64);
    match decoded.kind {
        FrameKind::Link | FrameKind::Seal => structure(body, Domain::Body, place),
        FrameKind::Events => records(body, place),
        _ => {}
    }
    Some(decoded.len as usize)
}

/// Sums the records anew that stand one behind the other.
fn records(mut body: &mut [u8], mut place: Place) {
    while let Ok(extent) = Record::extent(body) {
        let Some((found, rest)) = body.split_at_mut_checked(extent.len as usize) else { return };
        record::resettle(found, place);
        (body, place) = (rest, place.plus(extent.len));
    }
}

/// Sums the edits of a manifest anew.
pub(super) fn edits(file: &mut [u8], salt: Salt, first: ByteOffset) {
    let mut at = first.0 as usize;
    while let Some(bytes) = file.get_mut(at..) {
        match edit(bytes, Place::new(salt, ByteOffset(at as u64))) {
            Some(len) => at += len,
            None => return,
        }
    }
}

/// Sums the edit that begins these bytes anew, if it has a length that edits have. Gives that length with its padding.
pub(super) fn edit(bytes: &mut [u8], place: Place) -> Option<usize> {
    let len = u32::from_le_bytes(*bytes.get(4..8)?.first_chunk()?) as usize;
    if !(EDIT_HEADER_BYTES..=EDIT_BYTES_MAX).contains(&len) {
        return None;
    }
    let padded = align_up(len as u64, UNIT_BYTES) as usize;
    structure(bytes.get_mut(..padded)?, Domain::Edit, place);
    Some(padded)
}

/// Sums an index file anew: its header, and where that can be read, every page and the checksums themselves.
pub(super) fn index(file: &mut [u8]) {
    page(file);
    let len = file.len() as u64;
    let Ok(header) = IndexHeader::decode(file, len) else { return };
    let (Ok(tie), checks) = (Tie::of(file), header.sections.checks.start as usize) else { return };
    let (pages, checks) = file.split_at_mut(checks);
    for (number, bytes) in (1..).zip(pages[PAGE..].chunks_exact(PAGE)) {
        let at: Range<usize> = (number as usize - 1) * 4..number as usize * 4;
        if let (Ok(sum), Some(stored)) = (tie.sum(number, bytes), checks.get_mut(at)) {
            stored.copy_from_slice(&sum.to_le_bytes());
        }
    }
    let crc = checksum::plain(checks);
    file[CHECKS_CRC].copy_from_slice(&crc.to_le_bytes());
    page(file);
}
