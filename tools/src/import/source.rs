//! Where the input comes from: a file or a pipe, compressed or not.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// First bytes of a zstd frame.
const FRAME: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// First bytes of a skippable zstd frame, but for the lowest four bits.
const SKIPPABLE: [u8; 4] = 0x184d_2a50_u32.to_le_bytes();
/// What is read from the operating system at a time.
const READ_BYTES: usize = 256 << 10;

/// Bytes of some kind, read by a thread of its own.
pub(super) type Source = Box<dyn Read + Send>;

/// How many bytes have been read, before they were decompressed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Metered {
    source: Source,
    meter: Meter,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.meter.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The bytes of `source`, decompressed if they are compressed, and how many have been read.
pub(super) fn decompressed(mut source: Source) -> io::Result<(Source, Meter)> {
    let mut head = Vec::with_capacity(FRAME.len());
    source.by_ref().take(FRAME.len() as u64).read_to_end(&mut head)?;
    let compressed = is_zstd(&head);
    let meter = Meter::default();
    let whole = Box::new(Cursor::new(head).chain(source));
    let metered = Metered { source: whole, meter: meter.clone() };
    if !compressed {
        return Ok((Box::new(metered), meter));
    }
    let buffered = BufReader::with_capacity(READ_BYTES, metered);
    Ok((Box::new(zstd::stream::read::Decoder::with_buffer(buffered)?), meter))
}

fn is_zstd(head: &[u8]) -> bool {
    match *head {
        [a, b, c, d] => [a, b, c, d] == FRAME || [a & 0xf0, b, c, d] == SKIPPABLE,
        _ => false,
    }
}

/// All bytes of a file, decompressed.
pub(super) fn read_all(path: &Path) -> io::Result<Vec<u8>> {
    let (mut source, _) = decompressed(Box::new(File::open(path)?))?;
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    Ok(bytes)
}
