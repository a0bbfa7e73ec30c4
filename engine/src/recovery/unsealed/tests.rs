//! Indexes that the log bears out, or does not.

use quipu_format::{StoreId, Timestamp};
use quipu_index::{Covers, Identity, IndexError, Lineage, write_segment};

use super::*;
use crate::index_files::held_index;
use crate::recovery::forged::Written;

/// An index that says that it covers the segment up to here, and no event.
fn index(base: u64, end: u64) -> Arc<Sealed> {
    let store = StoreId([1; 16]);
    let identity =
        Identity { store, segment: quipu_format::SegmentId(1), salt: quipu_format::Salt(1) };
    let covers = Covers {
        base: Position(base),
        events: 0,
        ids: 0,
        end: ByteOffset(end),
        last_time: Timestamp(0),
    };
    let mut none = |_| Ok::<_, IndexError>(Lineage::default());
    let bytes = write_segment(&identity, &covers, &[], &mut none).unwrap();
    Arc::new(held_index(Arc::from(bytes), &identity).unwrap())
}

#[test]
fn a_scan_goes_on_behind_an_index_of_the_same_segment_and_no_other() {
    let begun = Written::begun(1, 5, None);
    let first = begun.end();
    let file = begun.clone().commit(0).candidate().unsealed.file;
    let starts = |base, end, limit| {
        let scan = start(&file, &index(base, end), ByteOffset(limit)).unwrap()?;
        Some((scan.end.0, scan.next_position.0))
    };
    let limit = file.capacity.0;
    assert_eq!(starts(5, first, limit), Some((first, 5)));
    assert_eq!(starts(5, limit, limit), Some((limit, 5)), "it may cover all");
    assert_eq!(starts(5, first - 16, limit), None, "not even the link");
    assert_eq!(starts(5, limit, limit - 16), None, "more than there is");
    assert_eq!(starts(4, first, limit), None, "of other events");
    let file = Written::nothing(1).candidate().unsealed.file;
    assert!(start(&file, &index(0, first), ByteOffset(1 << 20)).unwrap().is_none(), "no link");
}

#[test]
fn what_an_index_covers_is_not_shown_again() {
    let one = Written::begun(1, 0, None).commit(0);
    let two = one.clone().commit(0);
    let file = two.candidate().unsealed.file;
    let covered = file.scan(ByteOffset(one.end()), &mut |_, _| Ok(())).unwrap();
    let unsealed = Unsealed { file, index: None, has_link: true, start: covered };
    let shown = |limit: u64| {
        let mut shown = Vec::new();
        let scan = unsealed.scan_to(ByteOffset(limit), &mut |frame, _| {
            shown.push(frame.place.offset.0);
            Ok(())
        });
        assert_eq!(scan.unwrap().end.0, limit);
        shown
    };
    assert_eq!(shown(two.end()), [one.end()]);
    assert_eq!(shown(one.end()), [0; 0]);
    let link_end = Written::begun(1, 0, None).end();
    assert_eq!(shown(link_end), [FIRST_FRAME.0], "it covers too much");
}

#[test]
fn a_log_is_written_on_where_a_frame_begins() {
    let one = Written::begun(1, 0, None).commit(0);
    let file = one.clone().commit(0).candidate().unsealed.file;
    let on = |at: u64| written_on(&file, ByteOffset(at)).unwrap();
    assert!(on(one.end()));
    assert!(!on(one.end() + 16) && !on(file.capacity.0));
}

/// The body of what is damaged here is, and not its header.
#[test]
fn the_position_at_a_place_is_that_of_what_stands_before_it() {
    let one = Written::begun(1, 0, None).commit(0);
    let two = one.clone().commit(0).damaged();
    let three = two.clone().commit(0);
    let candidate = three.clone().commit(0).candidate();
    let places = [one.end(), two.end(), three.end()].map(ByteOffset);
    let at = places.map(|end| candidate.unsealed.position_at(&candidate.scan, end).unwrap().0);
    assert_eq!(at, [2, 4, 6], "headers lead there");
    // Nothing is left of the second but its bytes.
    let candidate = one.clone().nothing_of(two.end() - one.end(), 2).commit(0).candidate();
    let places = [one.end() + 16, two.end()].map(ByteOffset);
    let at = places.map(|end| candidate.unsealed.position_at(&candidate.scan, end).unwrap().0);
    assert_eq!(at, [2, 4], "a frame stands there");
}

#[test]
fn what_is_durable_of_a_segment_settles_where_it_begins() {
    let begun = Written::begun(1, 4, None);
    let begins = |written: &Written, durable: u64| {
        written.candidate().unsealed.begins_by(ByteOffset(durable)).unwrap()
    };
    assert!(begins(&begun, FIRST_FRAME.0), "its link says so");
    let headless = begun.clone().damaged();
    assert!(!begins(&headless, begun.end()), "what is left of a link says nothing");
    let followed = headless.clone().commit(0);
    assert!(!begins(&followed, FIRST_FRAME.0), "nothing is durable");
    assert!(begins(&followed, begun.end()), "all before that frame is");
    let behind = headless.nothing_of(160, 2).commit(0);
    assert!(!begins(&behind, begun.end()), "it stands behind what is durable");
}
