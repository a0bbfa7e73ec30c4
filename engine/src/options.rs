//! How a store behaves: plain data, with defaults that are safe.

use std::time::Duration;

use quipu_format::PAGE_BYTES;
use quipu_format::limits::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

use crate::{Error, Result};

/// When an append is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// After the disk has it: survives a power cut.
    #[default]
    Sync,
    /// After the operating system has it: survives a killed process, not a power cut.
    Os,
}

/// What opening does with a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Opens for writing; creates the store where there is none.
    #[default]
    Create,
    /// Opens an existing store for writing.
    Existing,
    /// Opens an existing store for reading; needs no lock and changes nothing on disk.
    ///
    /// A writer in another process is followed: what was acknowledged there is seen by whatever is asked here from
    /// then on, and subscriptions go on with it, also across its closings and crashes. What is not durable at the
    /// writer's level is not seen. A store that nobody writes is seen as recovery would find it; what its last
    /// writer did not sync is synced first. If events that were seen here are lost before they were synced, which
    /// can happen with [`Durability::Os`] only, all reading fails with
    /// [`ErrorKind::Poisoned`](crate::ErrorKind::Poisoned) until the store is opened anew.
    ReadOnly,
}

/// How events are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadMode {
    /// From a map of the file, in place and without a copy. A device that fails under the map ends the
    /// process with SIGBUS.
    #[default]
    Map,
    /// With read calls, into memory of the cursor's own: slower, and a failing device is an error.
    Pread,
}

/// How a store behaves. Every field has a default; [`Options::validate`] is called by opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What opening does.
    pub mode: Mode,
    /// When an append is acknowledged, unless the append itself says otherwise.
    pub durability: Durability,
    /// Bytes of one staging buffer: the most that one write takes. 64 KiB to 64 MiB, or as little as
    /// 4 KiB in tests; a multiple of 4,096. Default 1 MiB.
    pub buffer_bytes: usize,
    /// Number of staging buffers, 2 to 16. Default 4.
    pub buffers: usize,
    /// Smallest capacity of a new segment, in bytes; a multiple of 4,096. Default 1 MiB.
    pub segment_bytes_min: u64,
    /// Largest capacity of a new segment, in bytes, unless a single commit needs more; a multiple of
    /// 4,096. Default 256 MiB.
    pub segment_bytes_max: u64,
    /// Keys (streams, categories, types, tags, ids) after which a segment is full, so that its index stays
    /// small: 1,024 to 16 million. Default 1 million.
    pub segment_keys_max: u32,
    /// How many of the last segments know their events by id, so that a retried append with
    /// [`ExpectedVersion::Any`](crate::ExpectedVersion::Any) is recognised there; counted from when this is
    /// set. Default 0: none.
    pub id_segments: u32,
    /// How events are read.
    pub read_mode: ReadMode,
    /// Bytes that are set aside in a file, to be given up when the manifest or an index finds the disk full:
    /// 0, for none, to 1 GiB. Default 4 MiB.
    pub ballast_bytes: u64,
    /// With [`Durability::Os`], how long written bytes may stay unsynced. Default 100 ms.
    pub sync_interval: Duration,
    /// How long the store is idle before it marks on disk that everything is durable. Default 1 s.
    pub mark_after: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            mode: Mode::Create,
            durability: Durability::Sync,
            buffer_bytes: 1 << 20,
            buffers: 4,
            segment_bytes_min: 1 << 20,
            segment_bytes_max: SEGMENT_BYTES_MAX,
            segment_keys_max: 1 << 20,
            id_segments: 0,
            read_mode: ReadMode::Map,
            ballast_bytes: 4 << 20,
            sync_interval: Duration::from_millis(100),
            mark_after: Duration::from_secs(1),
        }
    }
}

/// How large segments are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentSizes {
    least: u64,
    most: u64,
}

impl SegmentSizes {
    /// Capacity of the next segment of a store of so many bytes: an eighth of it, within the bounds.
    pub(crate) fn next(self, store_bytes: u64) -> u64 {
        (store_bytes / 8).clamp(self.least, self.most)
    }
}

impl Options {
    pub(crate) fn segment_sizes(&self) -> SegmentSizes {
        SegmentSizes { least: self.segment_bytes_min, most: self.segment_bytes_max }
    }

    /// Says what is wrong with the options, if anything.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) names the option and its bounds.
    pub fn validate(&self) -> Result<()> {
        let page = PAGE_BYTES as usize;
        if !(page..=64 << 20).contains(&self.buffer_bytes)
            || !self.buffer_bytes.is_multiple_of(page)
        {
            return Err(Error::invalid("buffer_bytes must be a multiple of 4,096 up to 64 MiB"));
        }
        if !(2..=16).contains(&self.buffers) {
            return Err(Error::invalid("buffers must be 2 to 16"));
        }
        if !(1 << 10..=1 << 24).contains(&self.segment_keys_max) {
            return Err(Error::invalid("segment_keys_max must be 1,024 to 16,777,216"));
        }
        if self.ballast_bytes > 1 << 30 {
            return Err(Error::invalid("ballast_bytes must be at most 1 GiB"));
        }
        let times = [self.sync_interval, self.mark_after];
        if times.iter().any(|time| *time < Duration::from_millis(1)) {
            return Err(Error::invalid("sync_interval and mark_after must be 1 ms or more"));
        }
        let sizes = [self.segment_bytes_min, self.segment_bytes_max];
        if sizes.iter().any(|bytes| !bytes.is_multiple_of(PAGE_BYTES))
            || self.segment_bytes_min < SEGMENT_BYTES_MIN
            || self.segment_bytes_max < self.segment_bytes_min
            || self.segment_bytes_max > SEGMENT_BYTES_MAX
        {
            return Err(Error::invalid(
                "segment sizes must be multiples of 4,096 from 8 KiB to 256 MiB, the least first",
            ));
        }
        Ok(())
    }
}
