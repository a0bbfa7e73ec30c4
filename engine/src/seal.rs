//! Sealing: a full segment is read once more, summed up, and never changes again.

#[cfg(test)]
mod tests;

use std::ops::Range;

use quipu_disk::{File, write_all_at};
use quipu_format::checksum::Place;
use quipu_format::frame::{
    FRAME_HEADER_BYTES, FrameHeader, FrameKind, SEAL_FRAME_BYTES, encode_seal,
};
use quipu_format::record::Record;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{ByteOffset, FormatError, Hash, Position, Seal, Timestamp, UNIT_BYTES};

use crate::frames::{Bad, Body, Frame};
use crate::pipeline::Rolled;
use crate::recovery::SegmentFile;
use crate::{Damage, Error, Result};

/// Bytes hashed at once.
const STEP_BYTES: u64 = 1 << 20;
/// How often the first page is read again.
const READS: usize = 4;

/// What is known of a segment before it is read once more.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    /// Where its frames end.
    pub(crate) end: ByteOffset,
    /// Positions of its events.
    pub(crate) positions: Range<Position>,
}

/// What reading the frames adds up to.
#[derive(Default)]
struct Sums {
    events: u64,
    times: Option<(Timestamp, Timestamp)>,
    occurred: Option<(Timestamp, Timestamp)>,
}

/// Reads a segment and sums it up. `chain` is that of the segment before, or zeros.
///
/// Frames that are damaged by now are left out of the times and counted by their positions; the hash is of the
/// bytes as they are, and says nothing for them: whoever reads those events learns of the damage.
///
/// # Errors
/// Damage where all frames are valid and are not those that were written.
pub(crate) fn sum_up(file: &SegmentFile, extent: &Extent, chain: Hash) -> Result<Seal> {
    let Extent { end, positions } = extent.clone();
    let mut added_up = add_up(file, end)?;
    if added_up.1.is_some() {
        // It may have been read wrongly, and what is sealed now is held against the bytes for ever.
        added_up = add_up(file, end)?;
    }
    let (sums, damaged, content_hash) = added_up;
    let events = positions.end.0.saturating_sub(positions.start.0);
    if let Some(offset) = damaged {
        tracing::error!(segment = %file.id, %offset, "sealing a segment that has been damaged");
    } else if sums.events != events {
        let what = "a segment to be sealed holds other events than were written".into();
        let (file, offset) = (file.path.clone(), FIRST_FRAME);
        return Err(Error::damaged(Damage { file, offset, bytes: end.0, positions, what }));
    }
    let (first_time, last_time) = sums.times.unwrap_or_default();
    Ok(Seal {
        events,
        dropped: 0,
        first_position: positions.start,
        next_position: positions.end,
        first_time,
        last_time,
        occurred: sums.occurred,
        content_hash,
        origin_hash: content_hash,
        chain: link(chain, content_hash),
    })
}

/// Reads the frames up to `end`: what they add up to, where the first of them is damaged, if any, and the hash of
/// all bytes before `end`.
fn add_up(file: &SegmentFile, end: ByteOffset) -> Result<(Sums, Option<ByteOffset>, Hash)> {
    let mut frames = file.frames(end);
    let (mut sums, mut damaged, mut at) = (Sums::default(), None, FIRST_FRAME);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&first_page(file, end)?);
    while at < end {
        let frame = frames.frame_at(at).map_err(|error| file.io(error))?;
        let bad = match frame.and_then(|frame| sums.add(&frame).map(|()| frame)) {
            Ok(frame) => {
                hasher.update(frame.bytes);
                at = frame.end();
                continue;
            }
            Err(bad) => bad,
        };
        if let FormatError::Unsupported { .. } = bad.error {
            return Err(Error::format(&file.path, bad.at, &bad.error));
        }
        damaged.get_or_insert(bad.at);
        let behind = ByteOffset(at.0 + UNIT_BYTES);
        let next =
            frames.find(behind, Position(0), Timestamp(0)).map_err(|error| file.io(error))?;
        at = next.map_or(end, |(offset, _)| offset);
    }
    let hash = match damaged {
        None => Hash(*hasher.finalize().as_bytes()),
        // Not all bytes went by.
        Some(_) => hash(file, end)?,
    };
    Ok((sums, damaged, hash))
}

/// What stands before the first frame. No frame sums it up, so it is read until twice the same was read, or often.
fn first_page(file: &SegmentFile, end: ByteOffset) -> Result<Vec<u8>> {
    let read = || -> Result<Vec<u8>> {
        let mut bytes = vec![0; FIRST_FRAME.min(end).0 as usize];
        quipu_disk::read_exact_at(&*file.file, &mut bytes, 0).map_err(|error| file.io(error))?;
        Ok(bytes)
    };
    let mut page = read()?;
    for _ in 0..READS {
        let again = read()?;
        if again == page {
            break;
        }
        page = again;
    }
    Ok(page)
}

impl Sums {
    fn add(&mut self, frame: &Frame<'_>) -> std::result::Result<(), Bad> {
        let body = frame.body()?;
        let time = frame.header.time;
        self.times = Some((self.times.map_or(time, |(first, _)| first), time));
        let Body::Events(records) = body else { return Ok(()) };
        self.events += records.len() as u64;
        for at in records.iter().filter_map(Record::occurred) {
            let (min, max) = self.occurred.unwrap_or((at, at));
            self.occurred = Some((min.min(at), max.max(at)));
        }
        Ok(())
    }
}

/// BLAKE3 of the file's bytes before `end`.
pub(crate) fn hash(file: &SegmentFile, end: ByteOffset) -> Result<Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = vec![0; STEP_BYTES.min(end.0) as usize];
    let mut at = 0;
    while at < end.0 {
        let step = (end.0 - at).min(bytes.len() as u64) as usize;
        quipu_disk::read_exact_at(&*file.file, &mut bytes[..step], at)
            .map_err(|error| file.io(error))?;
        hasher.update(&bytes[..step]);
        at += step as u64;
    }
    Ok(Hash(*hasher.finalize().as_bytes()))
}

/// The chain of a segment, from that of the one before and its own hash as first sealed.
pub(crate) fn link(chain: Hash, origin_hash: Hash) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&chain.0);
    hasher.update(&origin_hash.0);
    Hash(*hasher.finalize().as_bytes())
}

/// Writes the seal frame behind a rolled segment's frames: so many bytes, which are still to be synced.
pub(crate) fn write_frame(file: &dyn File, rolled: &Rolled, seal: &Seal) -> std::io::Result<u64> {
    let place = Place::new(rolled.segment.salt, rolled.end);
    let header = FrameHeader {
        kind: FrameKind::Seal,
        flags: 0,
        len: SEAL_FRAME_BYTES as u32,
        events: 0,
        first_position: seal.next_position,
        time: seal.last_time,
        durable_to: rolled.end,
    };
    let mut frame = [0; SEAL_FRAME_BYTES];
    frame[..FRAME_HEADER_BYTES].copy_from_slice(&header.encode(place));
    frame[FRAME_HEADER_BYTES..].copy_from_slice(&encode_seal(seal, place));
    write_all_at(file, &frame, rolled.end.0)?;
    Ok(SEAL_FRAME_BYTES as u64)
}
