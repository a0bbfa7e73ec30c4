//! Sealing: a full segment is read once more, summed up, and never changes again.

use quipu_disk::{Access, Disk, File, write_all_at};
use quipu_format::checksum::Place;
use quipu_format::frame::{
    FRAME_HEADER_BYTES, FrameHeader, FrameKind, SEAL_FRAME_BYTES, encode_seal,
};
use quipu_format::{ByteOffset, Hash, Seal, Timestamp};

use crate::directory::Directory;
use crate::frames::Body;
use crate::pipeline::Rolled;
use crate::recovery::SegmentFile;
use crate::{Damage, Error, Result};

/// Bytes hashed at once.
const STEP_BYTES: u64 = 1 << 20;

/// Reads a segment up to `end` and sums it up. `chain` is that of the segment before, or zeros.
///
/// # Errors
/// Damage where not every frame up to `end` is valid.
pub(crate) fn sum_up(file: &SegmentFile, end: ByteOffset, chain: Hash) -> Result<Seal> {
    let mut events = 0;
    let mut first_time = None;
    let mut occurred: Option<(Timestamp, Timestamp)> = None;
    let scan = file.scan(end, &mut |frame, body| {
        first_time.get_or_insert(frame.header.time);
        let Body::Events(records) = body else { return Ok(()) };
        events += records.len() as u64;
        for at in records.iter().filter_map(quipu_format::record::Record::occurred) {
            let (min, max) = occurred.unwrap_or((at, at));
            occurred = Some((min.min(at), max.max(at)));
        }
        Ok(())
    })?;
    if scan.end != end {
        let damage = Damage {
            file: file.path.clone(),
            offset: scan.end,
            bytes: end.0.saturating_sub(scan.end.0),
            positions: scan.next_position..scan.next_position,
            what: "a segment to be sealed is not valid to its end".into(),
        };
        return Err(Error::damaged(damage));
    }
    let content_hash = hash(file, end)?;
    Ok(Seal {
        events,
        dropped: 0,
        first_position: scan.base,
        next_position: scan.next_position,
        first_time: first_time.unwrap_or(scan.last_time),
        last_time: scan.last_time,
        occurred,
        content_hash,
        origin_hash: content_hash,
        chain: link(chain, content_hash),
    })
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

/// Writes the seal frame behind a rolled segment's frames and syncs it.
pub(crate) fn write_frame(file: &dyn File, rolled: &Rolled, seal: &Seal) -> std::io::Result<()> {
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
    file.sync_data()
}

/// A rolled segment's file, open for reading.
pub(crate) fn open(disk: &dyn Disk, directory: &Directory, rolled: &Rolled) -> Result<SegmentFile> {
    let path = directory.segment(rolled.segment.id);
    let file =
        disk.open(&path, Access::Read).map_err(|error| Error::io("opening", &path, error))?;
    let size = file.size().map_err(|error| Error::io("reading", &path, error))?;
    Ok(SegmentFile {
        id: rolled.segment.id,
        salt: rolled.segment.salt,
        capacity: rolled.segment.capacity,
        path,
        file,
        size: ByteOffset(size),
    })
}
