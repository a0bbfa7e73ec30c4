//! The raw disk: one file, complete and filled with zeros before anything is timed, written over and over in order.

use std::fs::{File, OpenOptions};
use std::io::{IoSlice, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Advice, OFlags, fadvise};
use rustix::io::{ReadWriteFlags, pwritev2};

use super::{Control, commit_bytes};
use crate::arm::{Outcome, Spec};
use crate::failure::{Failure, Result};
use crate::latency::Latencies;
use crate::payload::Payloads;
use crate::usage::Meter;
use crate::works::{Better, Unit};

/// What durable writes are made of.
const PAGE: usize = 4_096;

/// Writes in one thread: each write holds so many events.
pub(crate) fn run(
    control: Control,
    events_a_write: usize,
    unit: Unit,
    spec: &Spec,
) -> Result<Outcome> {
    let bytes = match control {
        // Part of a page would have to be read before it is written, and takes as long.
        Control::Buffered => commit_bytes(events_a_write),
        _ => commit_bytes(events_a_write).next_multiple_of(PAGE),
    };
    let path = spec.folder.join("control");
    let file_bytes = spec.scale.control_bytes.max(2 * bytes as u64);
    fill(control, &path, file_bytes)?;
    let aligned = Aligned::new(bytes, spec.scale.seed);
    let writer = DiskWriter { file: open(control, &path)?, control, bytes: aligned, file_bytes };
    let length = Duration::from_secs_f64(spec.scale.seconds);
    let mut latencies = Latencies::new()?;
    let meter = Meter::start()?;
    let began = Instant::now();
    let (mut last, mut writes, mut offset) = (began, 0_u64, 0);
    while last - began < length {
        offset = writer.write(offset)?;
        writes += 1;
        let now = Instant::now();
        latencies.record(now - last);
        last = now;
    }
    let (usage, latency) = (meter.stop(), latencies.summary());
    let seconds = (last - began).as_secs_f64();
    let rate = Outcome::rate(writes * events_a_write as u64, seconds);
    let p99 = latency.as_ref().map_or(0.0, |latency| latency.p99);
    let value = if unit.better() == Better::Less { p99 } else { rate.value };
    let writes_a_second = writes as f64 / seconds;
    let events = if events_a_write == 1 { "event" } else { "events" };
    let notes = vec![format!(
        "{writes_a_second:.0} writes/s of {bytes} bytes, {events_a_write} {events} each"
    )];
    Ok(Outcome { value, latency, usage, stored: rate.count, notes, ..rate })
}

/// Makes the file. What is durable is written past what the page cache has of it: that holds the zeros in large pieces, and
/// a write into one would count as all of it.
fn fill(control: Control, path: &Path, bytes: u64) -> Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut file = File::create(path)?;
    let mut left = bytes;
    while left > 0 {
        let part = left.min(zeros.len() as u64);
        file.write_all(&zeros[..part as usize])?;
        left -= part;
    }
    file.sync_all()?;
    if control != Control::Buffered {
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

fn open(control: Control, path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    if control == Control::Direct {
        options.custom_flags((OFlags::DIRECT | OFlags::DSYNC).bits().cast_signed());
    }
    options.open(path).map_err(|error| Failure::from(error).during("opening the control's file"))
}

/// Bytes of an order's payload, at an address that direct writes ask for.
struct Aligned {
    room: Vec<u8>,
    start: usize,
    length: usize,
}

impl Aligned {
    fn new(length: usize, seed: u64) -> Aligned {
        let payload = Payloads::new(seed).payload(0, 0);
        let room: Vec<u8> = payload.iter().copied().cycle().take(length + PAGE).collect();
        let start = room.as_ptr().align_offset(PAGE).min(PAGE);
        Aligned { room, start, length }
    }

    fn bytes(&self) -> &[u8] {
        &self.room[self.start..self.start + self.length]
    }
}

struct DiskWriter {
    file: File,
    control: Control,
    bytes: Aligned,
    file_bytes: u64,
}

impl DiskWriter {
    /// Writes once and tells where the next write goes.
    fn write(&self, offset: u64) -> Result<u64> {
        let bytes = self.bytes.bytes();
        match self.control {
            Control::Dsync => {
                let slices = [IoSlice::new(bytes)];
                let written = pwritev2(&self.file, &slices, offset, ReadWriteFlags::DSYNC)?;
                if written != bytes.len() {
                    return Err(Failure::new("a write of the control arm was cut short"));
                }
            }
            Control::Fdatasync => {
                self.file.write_all_at(bytes, offset)?;
                self.file.sync_data()?;
            }
            _ => self.file.write_all_at(bytes, offset)?,
        }
        let next = offset + bytes.len() as u64;
        Ok(if next + bytes.len() as u64 > self.file_bytes { 0 } else { next })
    }
}
