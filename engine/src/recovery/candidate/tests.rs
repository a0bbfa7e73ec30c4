//! What stands behind the first bad frame.

use super::*;
use crate::recovery::forged::Written;

/// The header of a frame whose body is damaged is no later frame.
#[test]
fn what_is_found_behind_a_damaged_frame_begins_with_the_next_one() {
    let before = Written::begun(1, 0, None).commit(0);
    let damaged = before.clone().commit(0).damaged();
    let whole = damaged.clone().commit(damaged.end());
    let candidate = whole.candidate();
    assert_eq!((candidate.scan.end.0, candidate.scan.next_position.0), (before.end(), 2));
    let beyond = candidate.search_on().unwrap();
    assert_eq!(beyond.first, Some(Position(4)));
    assert_eq!(beyond.durable.0, damaged.end());
    let nothing = damaged.candidate().search_on().unwrap();
    assert_eq!((nothing.first, nothing.durable), (None, FIRST_FRAME));
}

#[test]
fn a_segment_goes_on_behind_what_is_durable_as_far_as_it_can_be_read() {
    let damaged = Written::begun(1, 0, None).commit(0).damaged();
    let durable = damaged.clone().commit(damaged.end());
    let torn = durable.clone().commit(0).damaged();
    for written in [&durable, &torn] {
        let candidate = written.candidate();
        let beyond = candidate.search_on().unwrap();
        assert_eq!(candidate.own_end(&beyond).unwrap().0, durable.end());
        assert!(candidate.holds(&beyond));
    }
    let torn = Written::begun(1, 0, None).commit(0).commit(0).damaged().candidate();
    assert_eq!(torn.own_end(&torn.search_on().unwrap()).unwrap(), torn.scan.end);
    assert!(!torn.holds_more().unwrap(), "nothing calls any of it durable");
}
