//! Links that lead nowhere, and logs that end in more than one way.

use quipu_format::{Salt, SegmentId};

use super::*;
use crate::recovery::forged::{EPOCH, Written, closed, note_damage, survey};

/// What `strict` says is damaged, and from where on; nothing where it finds its way.
fn refused(candidates: &[Candidate]) -> Option<(String, u64)> {
    let error = strict(&survey(&[]), candidates).unwrap().err()?;
    let damage = error.damage().unwrap();
    Some((damage.what.clone(), damage.offset.0))
}

#[test]
fn a_segment_is_whole_up_to_the_end_that_the_next_one_names() {
    let first = Written::begun(1, 0, None).commit(0).commit(0);
    let link_end = Written::begun(1, 0, None).end();
    let after = |end| Written::begun(2, 4, end).candidate();
    assert_eq!(refused(&[first.candidate(), after(first.named())]), None);
    // The end that is named is that of a frame, and all before it can be read; or not.
    let one = Written::begun(1, 0, None).commit(0);
    assert_eq!(refused(&[first.candidate(), after(one.named())]), None);
    let what = "the segment is not valid up to the end that the next one names".to_owned();
    let within = Some((1, one.end() - 16));
    assert_eq!(refused(&[first.candidate(), after(within)]), Some((what.clone(), link_end)));
    let damaged = Written::begun(1, 0, None).commit(0).damaged().commit(0);
    let told = refused(&[damaged.candidate(), after(damaged.named())]);
    assert_eq!(told, Some((what.clone(), link_end)));
    let beyond = Some((1, first.end() + 16));
    assert_eq!(refused(&[first.candidate(), after(beyond)]), Some((what.clone(), first.end())));
    // A file of the same number that another store has written; and one of which nothing was ever written.
    let mut other = first.candidate();
    other.unsealed.file.salt = Salt(77);
    assert_eq!(refused(&[other, after(first.named())]), Some((what.clone(), FIRST_FRAME.0)));
    let nothing = Written::nothing(1).candidate();
    let told = refused(&[nothing, after(Some((1, FIRST_FRAME.0)))]);
    assert_eq!(told, Some((what, FIRST_FRAME.0)));
}

/// Behind it a recovery has found frames that were not known to be durable, and copied them into the next one.
#[test]
fn the_events_of_a_segment_end_where_the_next_one_says_that_it_ends() {
    let one = Written::begun(1, 0, None).commit(0);
    let first = one.clone().commit(0).commit(0);
    let second = Written::begun(2, 2, one.named()).commit(0).commit(0);
    let mut survey = survey(&[]);
    connect(&mut survey, &[first.candidate(), second.candidate()]).unwrap();
    assert!(survey.damage.is_empty(), "{:?}", survey.damage);
    let parts = survey.parts.iter().map(|part| (part.end.0, part.base.0, part.next.0));
    assert_eq!(parts.collect::<Vec<_>>(), [(one.end(), 0, 2), (second.end(), 2, 6)]);
    assert_eq!(survey.next_position.0, 6);
}

/// Its writer was at work: it had not begun a segment when that was looked at, and the next one by the time that that was.
#[test]
fn a_segment_that_was_begun_since_it_was_looked_at_is_a_part_of_the_log() {
    let first = Written::begun(1, 0, None).commit(0);
    let second = Written::begun(2, 2, first.named()).commit(0);
    let third = Written::begun(3, 4, second.named()).commit(0);
    let early = Candidate { scan: Scan::default(), ..second.candidate() };
    let mut survey = survey(&[]);
    connect(&mut survey, &[first.candidate(), early, third.candidate()]).unwrap();
    assert!(survey.damage.is_empty(), "{:?}", survey.damage);
    let parts = survey.parts.iter().map(|part| (part.segment.id.0, part.base.0, part.next.0));
    assert_eq!(parts.collect::<Vec<_>>(), [(1, 0, 2), (2, 2, 4), (3, 4, 6)]);
}

#[test]
fn what_is_left_of_a_log_goes_on_behind_what_is_damaged() {
    let first = Written::begun(1, 0, None).commit(0).commit(0).damaged().commit(0);
    let second = Written::begun(2, 6, first.named()).commit(0);
    let mut survey = survey(&[]);
    lenient(&mut survey, &[first.candidate(), second.candidate()]).unwrap();
    let parts = survey.parts.iter().map(|part| (part.segment.id.0, part.base.0, part.next.0));
    assert_eq!(parts.collect::<Vec<_>>(), [(1, 0, 6), (2, 6, 8)]);
    assert_eq!((survey.parts[0].end.0, survey.next_position.0), (first.end(), 8));
}

/// No frame of it calls anything durable: it was written at once, and then the next one was entered.
#[test]
fn what_is_left_of_a_log_holds_each_segment_that_a_link_names() {
    let first = Written::begun(1, 0, None).commit(FIRST_FRAME.0);
    let second = Written::begun(2, 2, first.named()).commit(0);
    let mut survey = survey(&[]);
    lenient(&mut survey, &[first.candidate(), second.candidate()]).unwrap();
    let parts: Vec<u32> = survey.parts.iter().map(|part| part.segment.id.0).collect();
    assert_eq!(parts, [1, 2]);
    // One that a recovery has gone round is none of them.
    let third = Written::begun(3, 2, first.named()).commit(0);
    let given_up = Written::begun(2, 2, first.named()).commit(FIRST_FRAME.0);
    let all = [first.candidate(), given_up.candidate(), third.candidate()];
    lenient(&mut survey, &all).unwrap();
    let parts: Vec<u32> = survey.parts.iter().map(|part| part.segment.id.0).collect();
    assert_eq!(parts, [1, 3]);
}

#[test]
fn a_segment_that_no_link_names_ends_where_the_log_was_closed_or_written_on() {
    let one = Written::begun(1, 0, None).commit(0);
    let two = one.clone().commit(0);
    let end = |written: &Written, edits: &[quipu_format::manifest::Edit]| {
        let candidate = written.candidate();
        let beyond = candidate.search_on().unwrap();
        unnamed_end(&survey(edits), &candidate, &beyond).unwrap().0
    };
    assert_eq!(end(&two, &[]), two.end());
    assert_eq!(end(&two, &[closed(two.named(), 4)]), two.end());
    assert_eq!(end(&two, &[closed(one.named(), 2)]), two.end(), "the manifest is older");
    let damaged = Written::begun(1, 0, None).commit(0).damaged();
    assert_eq!(end(&damaged, &[closed(damaged.named(), 2)]), damaged.end(), "it is known");
    assert_eq!(end(&damaged, &[]), Written::begun(1, 0, None).end(), "nothing calls it durable");
    let elsewhere = closed(Some((2, damaged.end())), 2);
    assert_eq!(end(&damaged, &[elsewhere]), Written::begun(1, 0, None).end());
}

#[test]
fn a_segment_without_a_frame_may_have_held_some_if_it_is_damaged_and_was_written() {
    let empty = Written::nothing(1).candidate();
    let written = Written::begun(1, 0, None).damaged().candidate();
    let told = |candidate: &Candidate, damaged: Option<u32>| {
        let mut survey = survey(&[]);
        if let Some(id) = damaged {
            note_damage(&mut survey, id, 0..0);
        }
        // The kit's files stand in the same directory as the survey's.
        assert_eq!(candidate.file().path, survey.directory.segment(SegmentId(1)));
        is_destroyed(&survey, candidate).unwrap()
    };
    assert!(told(&written, Some(1)));
    assert!(!told(&written, None), "a write that was never finished");
    assert!(!told(&written, Some(2)), "another one is damaged");
    assert!(!told(&empty, Some(1)), "it was never written");
    let blanked = Written::nothing(1).candidate_behind(0);
    assert!(told(&blanked, Some(1)), "not even its header is left");
    assert!(!told(&blanked, None));
    let mut cut = Written::nothing(1).candidate();
    cut.unsealed.file.capacity.0 += 4096;
    assert!(told(&cut, Some(1)), "it is shorter than it was made");
    assert!(!told(&cut, None));
}

/// All of a segment was durable before anything was written to the next one, whose link is damaged too.
#[test]
fn what_stands_behind_a_lost_link_shows_that_the_segment_before_has_lost_events() {
    let sound = Written::begun(1, 0, None).commit(0).commit(0);
    let torn = Written::begun(1, 0, None).commit(0).commit(0).damaged();
    let next = Written::begun(2, 4, sound.named()).damaged().commit(0);
    for (first, is_damaged) in [(sound, false), (torn, true)] {
        let mut survey = survey(&[]);
        connect(&mut survey, &[first.candidate(), next.candidate()]).unwrap();
        assert_eq!(!survey.damage.is_empty(), is_damaged, "{:?}", survey.damage);
        let damage = survey.damage.last().and_then(Error::damage);
        let lost = damage.map(|damage| (damage.file.clone(), damage.positions.clone()));
        let of_the_first = survey.directory.segment(SegmentId(1));
        assert_eq!(lost, is_damaged.then_some((of_the_first, Position(2)..Position(4))));
    }
    // What stands behind the damage of the first is left, and not named.
    let one = Written::begun(1, 0, None).commit(0);
    let whole = one.clone().commit(0).damaged().commit(one.end() + 160);
    let late = Written::begun(2, 8, whole.named()).damaged().commit(0);
    let mut survey = survey(&[]);
    connect(&mut survey, &[whole.candidate(), late.candidate()]).unwrap();
    let lost = survey.damage.last().and_then(Error::damage).map(|damage| damage.positions.clone());
    assert_eq!(lost, Some(survey.parts[0].next..Position(8)), "{:?}", survey.damage);
}

/// Frames that are not durable themselves say how far it goes. Nobody is moved on by them.
#[test]
fn of_damage_at_the_end_of_what_is_durable_the_opening_tells() {
    let one = Written::begun(1, 0, None).commit(0);
    let bytes = one.end() - Written::begun(1, 0, None).end();
    let lost = one.clone().nothing_of(bytes, 2);
    let group = lost.end();
    let last = lost.nothing_of(bytes, 2).commit(group);
    let mut survey = survey(&[]);
    connect(&mut survey, &[last.candidate()]).unwrap();
    assert_eq!((survey.parts[0].end.0, survey.next_position.0), (group, 2));
    let damage = survey.damage[0].damage().unwrap();
    assert_eq!(damage.positions.start.0..damage.positions.end.0, 2..6);
    assert_eq!(survey.lost(&survey.holes()).len(), 1, "nobody who reads comes by it");
}

/// With the index that a close writes nothing is scanned that says so.
#[test]
fn what_is_left_of_a_closed_log_was_durable() {
    let one = Written::begun(1, 0, None).commit(FIRST_FRAME.0);
    let two = one.clone().commit(FIRST_FRAME.0);
    for (left, closed_at, next) in [(&one, &one, 2), (&one, &two, 4)] {
        let mut survey = survey(&[closed(closed_at.named(), next)]);
        lenient(&mut survey, &[left.candidate()]).unwrap();
        let Tip::Unclean { durable, .. } = survey.tip else { panic!("{:?}", survey.tip) };
        assert_eq!(durable.0, one.end());
    }
}

/// The last close says that all before it was durable; what stands behind the damage says where that ends.
#[test]
fn damage_before_the_last_close_is_told_up_to_what_is_sound_behind_it() {
    let one = Written::begun(1, 0, None).commit(0);
    let all = one.clone().commit(0).damaged().commit(0).mark(true);
    let reopened = [closed(all.named(), 6), quipu_format::manifest::Edit::Opened { epoch: EPOCH }];
    let told = |written: &Written| {
        let mut survey = survey(&reopened);
        let mut candidate = written.candidate();
        candidate.scan.durable = ByteOffset(all.end());
        connect(&mut survey, &[candidate]).unwrap();
        let damage = survey.damage[0].damage().unwrap();
        (damage.positions.start.0..damage.positions.end.0, damage.what.clone())
    };
    let what = "acknowledged events are damaged: a later frame calls these bytes durable";
    assert_eq!(told(&all), (2..4, what.to_owned()));
    assert_eq!(told(&all.clone().commit(0)), (2..4, what.to_owned()));
    let what = "the log ends before the place where it was closed";
    assert_eq!(told(&one), (2..6, what.to_owned()), "nothing stands behind it");
}

/// Nothing says that what stands behind a lost link was durable, and who reads does not come so far.
#[test]
fn of_what_is_lost_before_a_segment_that_is_not_shown_the_opening_tells() {
    let sound = Written::begun(1, 0, None).commit(0).commit(0);
    let cut = Written::begun(1, 0, None).commit(0);
    let headless = Written::begun(2, 4, sound.named()).damaged();
    let further = Written::begun(3, 6, sound.named()).damaged().commit(0);
    let directory = survey(&[]).directory;
    for (next, further) in [
        (headless.clone().commit(0).commit(0), None),
        (headless.clone().commit(0).damaged().commit(0), None),
        (headless.commit(0), Some(further)),
    ] {
        let mut survey = survey(&[]);
        note_damage(&mut survey, 1, 0..0);
        let written = [Some(cut.clone()), Some(next), further];
        let candidates: Vec<Candidate> =
            written.into_iter().flatten().map(|written| written.candidate()).collect();
        connect(&mut survey, &candidates).unwrap();
        assert!(survey.parts.iter().all(|part| part.next.0 == 2), "{:?}", survey.parts);
        assert_eq!((survey.next_position.0, survey.next_left().0), (2, 2));
        let told = survey.lost(&survey.holes());
        let of_the_first = directory.segment(SegmentId(1));
        assert!(told.iter().any(|damage| damage.file == of_the_first), "{told:?}");
    }
}

/// What a recovery has carried on stands in the segment before, too, and no event is missing.
#[test]
fn a_segment_of_which_nothing_is_left_is_named_though_the_log_is_damaged_elsewhere() {
    let first = Written::begun(1, 0, None).commit(0);
    let lost = Written::nothing(2);
    let mut survey = survey(&[closed(Some((2, FIRST_FRAME.0 + 500)), 2)]);
    note_damage(&mut survey, 9, 0..0);
    connect(&mut survey, &[first.candidate(), lost.candidate()]).unwrap();
    let files = survey.damage.iter().filter_map(Error::damage).map(|damage| damage.file.clone());
    let named = [9, 2].map(|id| survey.directory.segment(SegmentId(id)));
    assert_eq!(files.collect::<Vec<_>>(), named);
}
