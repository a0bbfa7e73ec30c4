use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use proptest::prelude::*;
use quipu_format::index::Parts;
use quipu_format::{ByteOffset, Position, Salt, SegmentId, Timestamp, Version};

use super::*;
use crate::container::assemble;
use crate::{
    Active, Covers, Identity, Key, Lineage, Part, Post, Run, Sealed, Source, write_segment,
};

const STORE: StoreId = StoreId([9; 16]);

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl Source for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        let bytes = self.0.get(range.start as usize..range.end as usize);
        bytes.map(Cow::Borrowed).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

fn identity(segment: u32) -> Identity {
    Identity { store: STORE, segment: SegmentId(segment), salt: Salt(u64::from(segment)) }
}

/// The index of a segment with an event for each of these keys.
fn layer(segment: u32, numbers: &[u32]) -> Layer {
    let active = Active::new(0);
    let keys = numbers.iter().map(|number| {
        Key(u128::from(*number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    });
    for key in keys {
        let (offset, version, keys, local) =
            (ByteOffset(4192), Version(0), &[key][..], &[Key(7)][..]);
        active.post(std::iter::once(Post { offset, version, keys, local }));
    }
    let covers = Covers {
        base: Position(u64::from(segment) << 32),
        events: numbers.len() as u32,
        ids: 0,
        end: ByteOffset(1 << 30),
        last_time: Timestamp(0),
    };
    let parts = [Part::Memory(Arc::new(active))];
    let mut alone = |_| Ok::<_, IndexError>(Lineage::default());
    let bytes = write_segment(&identity(segment), &covers, &parts, &mut alone).unwrap();
    let sealed = Sealed::open(Box::new(Bytes(bytes)), &identity(segment)).unwrap();
    Layer::Index(Arc::new(sealed))
}

/// These layers, newest first, by the numbers of their keys.
fn layers(numbers: &[Vec<u32>]) -> Vec<Layer> {
    let oldest_first = (1..).zip(numbers).map(|(segment, numbers)| layer(segment, numbers));
    let mut layers: Vec<Layer> = oldest_first.collect();
    layers.reverse();
    layers
}

/// The run as one that holds all entries before it writes them makes it.
fn assembled(layers: &[Layer]) -> Vec<u8> {
    let (mut heads, mut entries) = (Merge::of(layers), Vec::new());
    while let Some(head) = heads.next().unwrap() {
        head.encode(&mut entries);
    }
    let parts = Parts { entries: &entries, ..Parts::default() };
    assemble(STORE, span(layers).unwrap(), parts).unwrap()
}

fn written(layers: &[Layer]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_run(STORE, layers, &mut bytes).unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_run_that_is_written_piece_by_piece_is_the_one_that_is_put_together(
        numbers in proptest::collection::vec(proptest::collection::vec(0..500u32, 0..300), 1..6),
        keep in 0..6usize,
    ) {
        let layers = layers(&numbers);
        prop_assert_eq!(written(&layers), assembled(&layers));
        // And from a run as from the layers that it sums up.
        let (newer, older) = layers.split_at(keep.min(layers.len() - 1));
        let last = identity(older[0].segments().end().0);
        let run = Run::open(Box::new(Bytes(written(older))), SegmentId(1), &last).unwrap();
        let both = [newer, &[Layer::Run(Arc::new(run))]].concat();
        prop_assert_eq!(written(&both), assembled(&layers));
    }
}

#[test]
fn a_run_of_many_pages_is_the_one_that_is_put_together() {
    for count in [1_500, 1_600, 40_000] {
        let layers = layers(&[(0..count).collect(), (count / 2..count * 2).collect()]);
        let bytes = written(&layers);
        assert!(bytes == assembled(&layers), "of {count} keys and more");
        Run::open(Box::new(Bytes(bytes)), SegmentId(1), &identity(2)).unwrap().verify().unwrap();
    }
}

/// A file that takes so many writes.
struct Full(u32);

impl Sink for Full {
    fn write_at(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
        Ok(())
    }
}

#[test]
fn what_the_file_refuses_is_told_as_it_was() {
    let layers = layers(&[(0..5_000).collect()]);
    let writes =
        (0..).find(|writes| write_run(STORE, &layers, &mut Full(*writes)).is_ok()).unwrap();
    assert!(writes > 4, "of 200 KB, its sums and its header");
    for writes in 0..writes {
        let refused = write_run(STORE, &layers, &mut Full(writes)).unwrap_err();
        let IndexError::Io(error) = refused else { panic!("{refused}") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
