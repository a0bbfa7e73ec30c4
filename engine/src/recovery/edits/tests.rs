//! Segments that no manifest lists: rightly, or because edits are lost.

use quipu_format::manifest::Edit;

use super::*;
use crate::recovery::forged::{EPOCH, Written, survey};

/// Segment 1 was listed once, or there was none before.
fn known(highest: u32) -> Vec<Edit> {
    let retired = |number| Edit::Retired { segment: SegmentId(number) };
    (1..=highest).map(retired).collect()
}

/// Whether segment 2 may have been left unlisted by a manifest that says this, beside other segments.
fn is_right(edits: &[Edit], written: &Written, others: &[Written]) -> bool {
    let mut all: Vec<Candidate> = others.iter().map(Written::candidate).collect();
    all.push(written.candidate());
    survey(edits).is_unlisted_rightly(all.last().unwrap(), &all).unwrap()
}

fn begun() -> Written {
    Written::begun(2, 0, None)
}

#[test]
fn a_recovery_leaves_a_segment_that_ends_with_what_it_has_carried_over() {
    let right = |written: Written| is_right(&known(1), &written, &[]);
    assert!(right(Written::nothing(2)), "nothing was written");
    assert!(right(begun().mark(false)), "there was nothing to be carried over");
    assert!(right(begun().commit(0).mark(false)));
    assert!(right(begun().commit(0).commit(0).mark(false)));
    assert!(!right(begun()), "a recovery ends with a mark");
    assert!(!right(begun().commit(0)));
    assert!(!right(begun().commit(0).mark(true)), "it was closed, so it was listed");
    assert!(!right(begun().commit(0).mark(false).commit(0)), "it was written on");
    assert!(!right(begun().mark(false).mark(false)));
}

#[test]
fn a_recovery_writes_one_link_and_that_first() {
    let again = |written: Written| {
        let here = written.named();
        is_right(&known(1), &written.link(here, EPOCH).mark(false), &[])
    };
    assert!(!again(begun().commit(0)), "behind a commit");
    assert!(!again(begun().mark(false)), "behind a mark");
}

#[test]
fn the_first_segment_of_all_is_listed_before_it_holds_an_event() {
    let right = |written: Written| is_right(&[], &written, &[]);
    assert!(right(begun().mark(false)));
    assert!(!right(begun().commit(0).mark(false)));
    assert!(is_right(&known(2), &begun().commit(0), &[]), "it was listed, and given up");
}

#[test]
fn an_opening_that_was_noted_or_has_written_before_has_listed_its_segments() {
    let carried = begun().commit(0).mark(false);
    let opened = |epoch| [known(1), vec![Edit::Opened { epoch }]].concat();
    assert!(is_right(&opened(Epoch([8; 16])), &carried, &[]));
    assert!(!is_right(&opened(EPOCH), &carried, &[]), "the opening is noted");
    let by = |epoch| Written::nothing(1).link(None, epoch);
    assert!(is_right(&known(1), &carried, &[by(Epoch([8; 16]))]));
    assert!(!is_right(&known(1), &carried, &[by(EPOCH)]), "it has written another segment");
}
