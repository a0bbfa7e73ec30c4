//! Postings of every layout against plain vectors.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quipu_format::index::Span;
use quipu_format::index::postings::{self, Layout, Slot};

/// Events and ascending ordinals below them: none to all, in thin and in dense stretches.
fn ordinals() -> impl Strategy<Value = (u32, Vec<u32>)> {
    let steps = prop_oneof![Just(1u32), 1u32..3, 1u32..40, 1u32..2000];
    let steps = steps.prop_flat_map(|most| proptest::collection::vec(1..=most, 0..700));
    (steps, 0u32..3000, any::<u32>()).prop_map(|(steps, behind, shift)| {
        let mut next = 0u32;
        let mut all: Vec<u32> = steps
            .into_iter()
            .map(|step| {
                next += step;
                next - 1
            })
            .collect();
        let events = next + behind;
        // Some stand at the far end of all numbers; only where that leaves them thin.
        if shift % 4 == 0 && all.len() > 1 {
            let up = u32::MAX - events;
            all.iter_mut().for_each(|ordinal| *ordinal += up);
            return (u32::MAX, all);
        }
        (events, all)
    })
}

/// Reads postings that begin `section` by each of the ways there are.
struct Postings<'a> {
    layout: Layout,
    section: &'a [u8],
    last: u32,
}

impl Postings<'_> {
    fn bytes(&self, range: std::ops::Range<u64>) -> &[u8] {
        let span = Span { start: 0, bytes: self.section.len() as u64 };
        let range = span.clip(range).expect("within the section");
        &self.section[range.start as usize..range.end as usize]
    }

    fn all(&self, events: u32) -> Vec<u32> {
        let mut all = Vec::new();
        match self.layout {
            Layout::Nothing => {}
            Layout::Last => all.push(self.last),
            Layout::Every => all.extend(0..events),
            Layout::Bitmap(bitmap) => {
                for chunk in 0..bitmap.chunks() {
                    let read = bitmap.chunk(chunk, self.bytes(bitmap.chunk_range(chunk)));
                    let read = read.expect("a valid chunk");
                    let before = all.len();
                    all.extend(read.ascending());
                    let back: Vec<u32> = read.descending().collect();
                    assert!(back.iter().rev().eq(&all[before..]));
                    assert_eq!(read.count() as usize, back.len());
                }
            }
            Layout::Deltas(deltas) => {
                let table = self.bytes(deltas.table_range());
                for block in 0..deltas.blocks() {
                    let slot = deltas.slot_in(table, block).expect("a slot");
                    let bytes = self.bytes(deltas.block_range(slot));
                    deltas.decode(block, slot, bytes, &mut all).expect("a valid block");
                }
            }
        }
        all
    }

    fn nth(&self, n: u32) -> Option<u32> {
        match self.layout {
            Layout::Nothing => None,
            Layout::Last => (n == 0).then_some(self.last),
            Layout::Every => Some(n),
            Layout::Bitmap(bitmap) => {
                let (chunk, rest) = bitmap.find_nth(self.bytes(bitmap.ranks_range()), n);
                let bytes = self.bytes(bitmap.chunk_range(chunk));
                bitmap.chunk(chunk, bytes).expect("a valid chunk").nth(rest)
            }
            Layout::Deltas(deltas) => {
                let (block, index) = deltas.block_of(n);
                let slot = deltas.slot_range(block).map(|range| deltas.slot(self.bytes(range)));
                let slot = slot.unwrap_or(Ok(Slot::ONLY)).expect("a slot");
                deltas.nth(block, slot, self.bytes(deltas.block_range(slot)), index).ok()
            }
        }
    }

    /// The first ordinal that is not less.
    fn at_or_after(&self, ordinal: u32) -> Option<u32> {
        match self.layout {
            Layout::Nothing => None,
            Layout::Last => Some(self.last).filter(|last| *last >= ordinal),
            Layout::Every => Some(ordinal),
            Layout::Bitmap(bitmap) => {
                (bitmap.chunk_of(ordinal)..bitmap.chunks()).find_map(|chunk| {
                    let bytes = self.bytes(bitmap.chunk_range(chunk));
                    let chunk = bitmap.chunk(chunk, bytes).expect("a valid chunk");
                    chunk.from(ordinal).ascending().next()
                })
            }
            Layout::Deltas(deltas) => {
                let table = self.bytes(deltas.table_range());
                (deltas.find(table, ordinal)..deltas.blocks()).find_map(|block| {
                    let slot = deltas.slot_in(table, block).expect("a slot");
                    let (mut all, bytes) = (Vec::new(), self.bytes(deltas.block_range(slot)));
                    deltas.decode(block, slot, bytes, &mut all).expect("a valid block");
                    all.into_iter().find(|found| *found >= ordinal)
                })
            }
        }
    }
}

proptest! {
    #[test]
    fn postings_are_read_as_written_by_every_way(
        (events, ordinals) in ordinals(),
        before in 0usize..9,
        behind in proptest::collection::vec(any::<u8>(), 0..600),
        wanted in any::<prop::sample::Index>(),
    ) {
        let mut section = vec![7; before];
        let at = postings::encode(&ordinals, events, &mut section);
        let layout = Layout::of(ordinals.len() as u32, events).expect("as many as there may be");
        let stored = matches!(layout, Layout::Bitmap(_) | Layout::Deltas(_));
        prop_assert_eq!(stored, section.len() > before);
        prop_assert!(!stored || at as usize * 4 == before.next_multiple_of(4));
        let exact = section.len() as u64 - if stored { u64::from(at) * 4 } else { before as u64 };
        prop_assert_eq!(postings::encoded_bytes(&ordinals, events), exact);
        section.extend(behind);

        let section = &section[at as usize * 4..];
        let last = ordinals.last().copied().unwrap_or(0);
        let read = Postings { layout, section, last };
        if !(layout == Layout::Every && events > 1 << 20) {
            prop_assert_eq!(&read.all(events), &ordinals);
        }
        for (n, ordinal) in (0..).zip(&ordinals) {
            prop_assert_eq!(read.nth(n), Some(*ordinal));
        }
        let ordinal = wanted.index(events.max(1) as usize) as u32;
        let near = wanted.index(ordinals.len().max(1));
        for ordinal in [ordinal, ordinals.get(near).copied().unwrap_or(0)] {
            let expected = ordinals.iter().find(|found| **found >= ordinal).copied();
            prop_assert_eq!(read.at_or_after(ordinal), expected);
        }
    }

    #[test]
    fn a_chunk_keeps_what_lies_on_the_side_that_is_asked_for(
        bits in proptest::collection::btree_set(0u32..1000, 0..1000),
        ordinal in 0u32..1100,
    ) {
        let ordinals: Vec<u32> = bits.into_iter().collect();
        let mut section = Vec::new();
        postings::encode(&ordinals, 1000, &mut section);
        let Ok(Layout::Bitmap(bitmap)) = Layout::of(ordinals.len() as u32, 1000) else { return Ok(()) };
        for chunk in 0..2 {
            let range = bitmap.chunk_range(chunk);
            let bytes = &section[range.start as usize..range.end as usize];
            let read = bitmap.chunk(chunk, bytes).expect("a valid chunk");
            let within = |at: &u32| at / 512 == chunk;
            let from = ordinals.iter().copied().filter(within).filter(|at| *at >= ordinal);
            prop_assert!(read.from(ordinal).ascending().eq(from));
            let until = ordinals.iter().copied().filter(within).filter(|at| *at <= ordinal);
            prop_assert!(read.until(ordinal).ascending().eq(until));
        }
    }
}

/// Every layout comes up, and at the bound between two of them.
#[test]
fn the_layout_of_postings_follows_from_their_number() {
    let layout = |count, events| match Layout::of(count, events).expect("not too many") {
        Layout::Nothing => "nothing",
        Layout::Last => "last",
        Layout::Every => "every",
        Layout::Bitmap(_) => "bitmap",
        Layout::Deltas(deltas) if deltas.blocks() == 1 => "block",
        Layout::Deltas(_) => "blocks",
    };
    let cases = [
        (0, 0, "nothing"),
        (0, 9, "nothing"),
        (1, 1, "last"),
        (1, 1000, "last"),
        (2, 2, "every"),
        (2, 31, "bitmap"),
        (2, 32, "block"),
        (128, 2047, "bitmap"),
        (128, 2048, "block"),
        (129, 2064, "blocks"),
        (u32::MAX, u32::MAX, "every"),
        (u32::MAX - 1, u32::MAX, "bitmap"),
        (1 << 28, u32::MAX, "bitmap"),
        ((1 << 28) - 1, u32::MAX, "blocks"),
    ];
    for (count, events, expected) in cases {
        assert_eq!(layout(count, events), expected, "{count} of {events}");
    }
    let all: BTreeSet<_> = cases.iter().map(|case| case.2).collect();
    assert_eq!(all.len(), 6);
    assert!(Layout::of(10, 9).is_err());
}
