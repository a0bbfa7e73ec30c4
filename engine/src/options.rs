//! How a store behaves: plain data, with defaults that are safe.

use std::ops::RangeInclusive;
use std::time::Duration;

use quipu_format::PAGE_BYTES;
use quipu_format::limits::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

use crate::{Error, Result};

/// When an append is acknowledged.
///
/// The store has a default ([`Options::durability`]); [`Commit::durability`](crate::Commit::durability) says
/// otherwise for one commit. A commit that is acknowledged as `Sync` never stands on one that is not synced.
///
/// ```
/// use quipu::{Durability, ExpectedVersion, NewEvent, Store};
///
/// let store = Store::builder("clicks.quipu").in_memory().durability(Durability::Os).open()?;
/// let any = ExpectedVersion::Any;
/// // Survives the process; synced in the background.
/// store.append("session-1", any, [NewEvent::new("Clicked", b"".as_slice())])?;
/// // Survives a power cut, and so does all before it.
/// let paid = store.commit().append("order-1", any, [NewEvent::new("Paid", b"".as_slice())]);
/// paid.durability(Durability::Sync).submit()?.wait()?;
/// # Ok::<(), quipu::Error>(())
/// ```
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
    /// then on, and subscriptions go on with it, also across its closings and crashes, where what the next
    /// writer acknowledges may come a tenth of a second late. What is not durable at the writer's level is not seen. A store that nobody writes is seen as recovery would find it; what its last
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
    /// With read calls, into memory of the cursor's own: slower, and a failing device is an error. So is a store read
    /// that is opened to be read while a page at the end of its log cannot be.
    Pread,
}

/// How a store behaves: plain data, each with its default and its bounds. Opening refuses what is out of bounds
/// ([`Options::validate`]). None of it is kept on disk: each opening may have other options.
///
/// ```
/// use quipu::{Durability, Options, Store};
/// use std::time::Duration;
///
/// let options = Options {
///     durability: Durability::Os,
///     sync_interval: Duration::from_millis(20),
///     ..Options::in_memory()
/// };
/// options.validate()?;
/// let store = Store::builder("metrics.quipu").in_memory().options(options).open()?;
/// # store.close()?;
/// # Ok::<(), quipu::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What opening does. Default [`Mode::Create`].
    pub mode: Mode,
    /// When an append is acknowledged, unless the append itself says otherwise. Default [`Durability::Sync`].
    pub durability: Durability,
    /// Bytes of one staging buffer, the most that one write takes; a commit that is larger gets a buffer of its own.
    /// 4 KiB to 64 MiB, a multiple of 4,096. Default 1 MiB.
    pub buffer_bytes: usize,
    /// Number of staging buffers, each allocated as it is first needed: 2 to 16. Default 4.
    pub buffers: usize,
    /// Smallest capacity of a new segment, in bytes: 8 KiB to 256 MiB, a multiple of 4,096. Default 1 MiB. In between
    /// a segment gets an eighth of what the store holds.
    pub segment_bytes_min: u64,
    /// Largest capacity of a new segment, in bytes, unless a single commit needs more: from
    /// [`segment_bytes_min`](Options::segment_bytes_min) to 256 MiB, a multiple of 4,096. Default 256 MiB.
    pub segment_bytes_max: u64,
    /// Keys (streams, categories, types, tags, ids) after which a segment is full, so that its index stays
    /// small: 1,024 to 16,777,216. Default 1,048,576.
    pub segment_keys_max: u32,
    /// How many of the last segments know their events by id, the one being written included, so that a retried
    /// append with [`ExpectedVersion::Any`](crate::ExpectedVersion::Any) is recognised there, whenever the first
    /// attempt was made. Opening a store for writing reads those of them whose index does not hold ids: they were
    /// written without this, or their index was lost. Where events in them are lost and no index holds their ids,
    /// appends with ids are refused as [`Damaged`](crate::ErrorKind::Damaged): any of those may be the same event.
    /// 0, for none, to 65,536; each append with ids of its own looks into all of them. Default 0.
    pub id_segments: u32,
    /// How events are read. Default [`ReadMode::Map`].
    pub read_mode: ReadMode,
    /// Bytes that are set aside in a file, to be given up when the manifest or an index finds the disk full:
    /// 0, for none, to 1 GiB. Default 4 MiB.
    pub ballast_bytes: u64,
    /// With [`Durability::Os`], how long written bytes may stay unsynced: 1 ms to 24 hours. Default 100 ms.
    pub sync_interval: Duration,
    /// A sync that takes so long or longer is warned of in the program's log, and counted in
    /// [`Stats::slow_syncs`](crate::Stats::slow_syncs): 1 ms to 24 hours. Default 500 ms, which a healthy disk does
    /// not take.
    pub slow_sync: Duration,
    /// How long the store is idle before it marks on disk that everything is durable: 1 ms to 24 hours. Default
    /// 1 s.
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
            slow_sync: Duration::from_millis(500),
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

    /// Options for a store that is kept in memory: small segments and buffers, since both are memory there, and no
    /// ballast. [`Builder::in_memory`](crate::Builder::in_memory) uses them.
    ///
    /// ```
    /// use quipu::{ExpectedVersion, NewEvent, Options, Store};
    ///
    /// let options = Options { id_segments: 8, ..Options::in_memory() };
    /// let store = Store::builder("test.quipu").in_memory().options(options).open()?;
    /// let event = NewEvent::new("Placed", b"".as_slice());
    /// store.append("order-1", ExpectedVersion::NoStream, [event])?;
    /// # Ok::<(), quipu::Error>(())
    /// ```
    #[must_use]
    pub fn in_memory() -> Options {
        Options {
            buffer_bytes: 64 << 10,
            segment_bytes_min: 64 << 10,
            segment_bytes_max: 16 << 20,
            ballast_bytes: 0,
            ..Options::default()
        }
    }

    /// Says what is wrong with the options, if anything.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) names the option and its bounds.
    pub fn validate(&self) -> Result<()> {
        let buffer_bytes = self.buffer_bytes as u64;
        pages("buffer_bytes", buffer_bytes, PAGE_BYTES..=64 << 20, "4 KiB to 64 MiB")?;
        let least = self.segment_bytes_min;
        let whole = SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX;
        pages("segment_bytes_min", least, whole, "8 KiB to 256 MiB")?;
        let whole = least..=SEGMENT_BYTES_MAX;
        pages("segment_bytes_max", self.segment_bytes_max, whole, "segment_bytes_min to 256 MiB")?;
        within("buffers", self.buffers, 2..=16, "2 to 16")?;
        let keys = 1 << 10..=1 << 24;
        within("segment_keys_max", self.segment_keys_max, keys, "1,024 to 16,777,216")?;
        within("id_segments", self.id_segments, 0..=1 << 16, "0 to 65,536")?;
        within("ballast_bytes", self.ballast_bytes, 0..=1 << 30, "0 to 1 GiB")?;
        for (option, time) in [
            ("sync_interval", self.sync_interval),
            ("slow_sync", self.slow_sync),
            ("mark_after", self.mark_after),
        ] {
            within(option, time, TIME_MIN..=TIME_MAX, "1 ms to 24 hours")?;
        }
        Ok(())
    }
}

const TIME_MIN: Duration = Duration::from_millis(1);
const TIME_MAX: Duration = Duration::from_hours(24);

fn within<T: Copy + PartialOrd>(
    option: &str,
    value: T,
    range: RangeInclusive<T>,
    bounds: &str,
) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(format!("{option} must be {bounds}")))
}

fn pages(option: &str, bytes: u64, range: RangeInclusive<u64>, bounds: &str) -> Result<()> {
    if bytes.is_multiple_of(PAGE_BYTES) {
        return within(option, bytes, range, bounds);
    }
    Err(Error::invalid(format!("{option} must be a multiple of 4,096, {bounds}")))
}

#[cfg(test)]
pub(crate) mod tests;
