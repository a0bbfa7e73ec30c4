//! Which positions went with which segment, and who is told of it when.

use super::*;
use crate::recovery::forged::{Written, closed, note_damage, survey};

fn name(damage: &Damage) -> u32 {
    damage.file.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

fn positions(damage: &Damage) -> Range<u64> {
    damage.positions.start.0..damage.positions.end.0
}

fn told(damage: &[Damage]) -> Vec<(u32, Range<u64>)> {
    damage.iter().map(|damage| (name(damage), positions(damage))).collect()
}

/// A survey of segments with these numbers and positions, of a log that ends with this one.
fn of(parts: &[(u32, Range<u64>)], next: u64) -> Survey {
    let mut survey = survey(&[]);
    survey.parts = parts
        .iter()
        .map(|(id, positions)| {
            let part = Written::begun(*id, positions.start, None).part();
            Part { next: Position(positions.end), ..part }
        })
        .collect();
    survey.next_position = Position(next);
    survey
}

/// The positions that go with each of the segments 1 to 3, which are gone, if those in `known` are told of some of
/// them and the log has 30 positions.
fn shared(known: &[(u32, Range<u64>)]) -> Vec<(u32, Range<u64>)> {
    let mut survey = of(&[], 30);
    survey.gone = (1..=3).map(SegmentId).collect();
    for (id, positions) in known {
        note_damage(&mut survey, *id, positions.clone());
    }
    told(&survey.holes())
}

#[test]
fn positions_go_to_the_segments_that_are_known_to_have_had_them_and_the_rest_to_their_neighbours() {
    assert_eq!(shared(&[]), [(3, 0..30)], "nobody knows anything");
    assert_eq!(shared(&[(1, 0..10)]), [(1, 0..10), (3, 10..30)]);
    assert_eq!(shared(&[(2, 10..20)]), [(1, 0..10), (2, 10..20), (3, 20..30)]);
    assert_eq!(shared(&[(3, 10..30)]), [(2, 0..10), (3, 10..30)]);
    assert_eq!(shared(&[(1, 0..40)]), [(1, 0..30)], "more than there is");
    assert_eq!(
        shared(&[(2, 10..10)]),
        [(3, 0..30)],
        "it is known where it stood, and not what it held"
    );
}

#[test]
fn a_gap_is_shared_among_the_segments_that_are_gone_in_it() {
    let mut survey = of(&[(1, 0..4), (3, 8..12)], 16);
    survey.gone = [2, 5].map(SegmentId).into();
    assert_eq!(told(&survey.holes()), [(2, 4..8), (5, 12..16)]);
    survey.gone = [2, 3, 5].map(SegmentId).into();
    assert_eq!(told(&survey.holes()), [(2, 4..8), (5, 12..16)], "the one behind the gap is there");
}

/// Whoever reads comes by it where positions are lost at its place. Else the opening tells.
#[test]
fn the_opening_tells_of_damage_that_no_reader_comes_by() {
    let lost = |parts: &[(u32, Range<u64>)], holes: &[Damage]| {
        let mut survey = of(parts, 8);
        note_damage(&mut survey, 1, 0..0);
        told(&survey.lost(holes))
    };
    assert_eq!(lost(&[(1, 0..4), (2, 4..8)], &[]), [(1, 0..0)], "nothing is missing");
    assert_eq!(lost(&[(1, 0..2), (2, 4..8)], &[]), [], "it ends before the next one begins");
    assert_eq!(lost(&[(1, 1..4), (2, 4..8)], &[]), [], "it begins with a position that is not 0");
    assert_eq!(lost(&[(1, 0..4)], &[]), [], "the log goes on");
    assert_eq!(lost(&[(2, 0..8)], &[]), [(1, 0..0)], "it is no part of the log");
    let whole = [(1, 0..4), (2, 4..8)];
    let hole =
        |id| Damage { positions: Position(9)..Position(10), ..survey(&[]).gone(SegmentId(id)) };
    assert_eq!(lost(&whole, &[hole(7)]), [(1, 0..0), (7, 9..10)]);
    assert_eq!(lost(&whole, &[hole(1)]), [(1, 9..10)], "the hole tells of it");
}

#[test]
fn of_what_is_gone_at_the_end_of_a_log_that_was_not_closed_nobody_knows_how_much_it_was() {
    let what = |gone: u32, edits: &[quipu_format::manifest::Edit]| {
        let mut survey = survey(edits);
        survey.parts = vec![Written::begun(2, 0, None).part()];
        survey.gone = [SegmentId(gone)].into();
        note_damage(&mut survey, gone, 0..0);
        survey.place_missing();
        survey.damage[0].damage().unwrap().what.clone()
    };
    assert_eq!(what(3, &[]), "segment 3 is damaged; how many events it held is not known");
    assert_eq!(what(1, &[]), "segment 1 is damaged", "the log goes on behind it");
    assert_eq!(what(3, &[closed(Some((2, 4192)), 0)]), "segment 3 is damaged", "it held none");
}

/// Numbers are left out: a segment that was prepared and never used had one.
#[test]
fn what_a_segment_has_lost_at_its_beginning_is_its_own() {
    let headless = |id| {
        let part = Written::nothing(id).part();
        Part { base: Position(5), next: Position(8), ..part }
    };
    let mut survey = of(&[], 8);
    survey.parts = vec![headless(3)];
    note_damage(&mut survey, 3, 0..0);
    assert_eq!(told(&survey.holes()), [(3, 0..5)]);
    assert_eq!(told(&survey.lost(&survey.holes())), [(3, 0..5)], "and it is named once");
    assert_eq!(told(&of(&[(3, 5..8)], 8).holes()), [(1, 0..5)], "it has its link");
}
