//! Runs of very many keys.

use std::io;
use std::sync::Arc;

use quipu_format::{ByteOffset, Position, Timestamp, Version};
use quipu_index::{
    Active, Covers, IndexError, Key, Layer, Lineage, Part, Post, Sealed, Sink, write_run,
    write_segment,
};
use quipu_tests::fuzzing::Bytes;

use super::{alone, identity, measured};

/// The index of a segment that has an event for each of these streams.
fn layer(segment: u32, streams: std::ops::Range<u32>) -> Layer {
    let active = Active::new(0);
    for stream in streams {
        let key =
            Key(u128::from(stream).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) ^ 1);
        let (offset, version) = (ByteOffset(4192), Version(0));
        active.post(std::iter::once(Post { offset, version, keys: &[key], local: &[] }));
    }
    let covers = Covers {
        base: Position(u64::from(segment) << 32),
        events: active.end(),
        ids: 0,
        end: ByteOffset(1 << 28),
        last_time: Timestamp(0),
    };
    let mut alone = |_| Ok::<_, IndexError>(Lineage::default());
    let parts = [Part::Memory(Arc::new(active))];
    let bytes = write_segment(&identity(segment), &covers, &parts, &mut alone).unwrap();
    let sealed = Sealed::open(Box::new(Bytes(bytes.into())), &identity(segment)).unwrap();
    Layer::Index(Arc::new(sealed))
}

/// A file of which only the size is kept.
#[derive(Default)]
struct Size(u64);

impl Sink for Size {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0 = self.0.max(at + bytes.len() as u64);
        Ok(())
    }
}

/// Bytes a key that a run may cost while it is written: what the filter is built of, and the directory.
const BYTES_A_KEY: usize = 28;

#[test]
fn a_run_costs_what_its_filter_does_and_not_what_its_file_is() {
    let _alone = alone();
    let mut size = Size::default();
    let layers = [layer(2, 150_000..400_000), layer(1, 0..250_000)];
    let keys = 400_000;
    let (written, peak) = measured(|| write_run(identity(1).store, &layers, &mut size));
    written.unwrap();
    assert!(size.0 as usize > keys * 40, "a file of {} bytes", size.0);
    assert!(peak < keys * BYTES_A_KEY + (1 << 20), "{} bytes a key", peak as f64 / keys as f64);
    println!("{} bytes a key", peak as f64 / keys as f64);
}
