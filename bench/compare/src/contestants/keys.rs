//! Keys and records for stores that keep bytes under bytes: RocksDB, LMDB, redb, fjall.
//!
//! Each keeps three tables: the events by position, and by name and version of their stream, and by tag and position,
//! these positions. Numbers in keys are big-endian, so that they sort; a zero ends a name, which holds none.

use crate::failure::{Failure, Result};
use crate::store::{Append, Entry, Found};

/// `stream`, a zero, the version.
pub(crate) fn stream_key(stream: &str, version: u64) -> Vec<u8> {
    key(stream, version)
}

/// `tag`, a zero, the position.
pub(crate) fn tag_key(tag: &str, position: u64) -> Vec<u8> {
    key(tag, position)
}

fn key(name: &str, number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 9);
    key.extend_from_slice(name.as_bytes());
    key.push(0);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The number that a key ends with, or that a value is.
pub(crate) fn number(bytes: &[u8]) -> Result<u64> {
    let tail = bytes.last_chunk::<8>().ok_or_else(|| Failure::new("a number is too short"))?;
    Ok(u64::from_be_bytes(*tail))
}

/// Version, lengths of the names, the names, the payload.
pub(crate) fn record(stream: &str, version: u64, entry: &Entry<'_>) -> Vec<u8> {
    let tag = entry.tag.unwrap_or_default();
    let names = stream.len() + entry.kind.len() + tag.len();
    let mut record = Vec::with_capacity(14 + names + entry.payload.len());
    record.extend_from_slice(&version.to_be_bytes());
    for name in [stream, entry.kind, tag] {
        // Names are short: the plan makes them.
        record.extend_from_slice(&(name.len() as u16).to_be_bytes());
    }
    for part in [stream.as_bytes(), entry.kind.as_bytes(), tag.as_bytes(), entry.payload] {
        record.extend_from_slice(part);
    }
    record
}

/// Reads a record back.
pub(crate) fn found(position: u64, record: &[u8]) -> Result<Found<'_>> {
    parse(position, record).ok_or_else(|| Failure::new(format!("no record at {position}")))
}

/// Stream, version and tag of a record; the tag is empty where there is none.
#[cfg(feature = "rocksdb")]
pub(crate) fn names(record: &[u8]) -> Result<(&str, u64, &str)> {
    let name = |start: usize, length: usize| {
        let bytes = record.get(start..start + length)?;
        std::str::from_utf8(bytes).ok()
    };
    let length = |at: usize| {
        let bytes = record.get(at..at + 2)?.first_chunk::<2>()?;
        Some(usize::from(u16::from_be_bytes(*bytes)))
    };
    let parsed = || {
        let (stream, kind, tag) = (length(8)?, length(10)?, length(12)?);
        let version = u64::from_be_bytes(*record.first_chunk::<8>()?);
        Some((name(14, stream)?, version, name(14 + stream + kind, tag)?))
    };
    parsed().ok_or_else(|| Failure::new("no record"))
}

fn parse(position: u64, record: &[u8]) -> Option<Found<'_>> {
    let (version, rest) = record.split_first_chunk::<8>()?;
    let (stream_len, rest) = rest.split_first_chunk::<2>()?;
    let (kind_len, rest) = rest.split_first_chunk::<2>()?;
    let (tag_len, rest) = rest.split_first_chunk::<2>()?;
    let length = |bytes: &[u8; 2]| usize::from(u16::from_be_bytes(*bytes));
    let (stream, rest) = rest.split_at_checked(length(stream_len))?;
    let (_, payload) = rest.split_at_checked(length(kind_len) + length(tag_len))?;
    Some(Found {
        position,
        version: Some(u64::from_be_bytes(*version)),
        stream: std::str::from_utf8(stream).ok()?,
        payload,
    })
}

/// Whether a stream is as it was seen: it has that version and not the next one. Two lookups of a key each, which
/// cost a store with filters next to nothing where there is none, and no table of heads has to be written.
pub(crate) fn is_as_seen(
    append: &Append<'_>,
    mut has: impl FnMut(&[u8]) -> Result<bool>,
) -> Result<bool> {
    if let Some(seen) = append.seen
        && !has(&stream_key(append.stream, seen.version))?
    {
        return Ok(false);
    }
    Ok(!has(&stream_key(append.stream, append.first_version()))?)
}

/// The keys from which on, and up to which, events with a tag after a position are found.
pub(crate) fn tag_range(tag: &str, after: Option<u64>) -> (Vec<u8>, Vec<u8>) {
    (tag_key(tag, after.map_or(0, |after| after + 1)), tag_key(tag, u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers_do_and_names_stay_apart() {
        assert!(stream_key("order-1", 255) < stream_key("order-1", 256));
        assert!(stream_key("order-1", u64::MAX) < stream_key("order-10", 0));
        let (first, last) = tag_range("a:1", Some(7));
        assert!(
            tag_key("a:1", 7) < first && first <= tag_key("a:1", 8) && tag_key("a:1", 9) < last
        );
        assert_eq!(number(&stream_key("order-1", 77)), Ok(77));
        assert!(number(b"short").is_err());
    }

    #[test]
    fn a_record_comes_back_and_one_that_is_cut_does_not() {
        let entry = Entry { kind: "Placed", payload: b"payload", tag: Some("a:1") };
        let record = record("order-1", 3, &entry);
        let found = found(9, &record).unwrap();
        assert_eq!((found.position, found.version), (9, Some(3)));
        assert_eq!((found.stream, found.payload), ("order-1", b"payload".as_slice()));
        for end in 0..record.len() - entry.payload.len() {
            assert!(super::found(9, &record[..end]).is_err(), "{end}");
        }
    }
}
