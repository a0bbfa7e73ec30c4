//! What went wrong once, each as a small script.

use std::collections::BTreeSet;
use std::path::Path;

use quipu::{Durability, ExpectedVersion, Options};
use quipu_disk::{Errno, FaultDisk, PowerCut};
use quipu_format::frame::{FLAG_CLOSED, FrameKind};
use quipu_tests::checker::Checked;
use quipu_tests::segments::{frames, segments};
use quipu_tests::subject::{Attempt, Done, End, Failure, Opened, PATH, Sticky, Subject, Wish};

fn store(buffers: usize) -> Subject {
    let options = Options {
        buffer_bytes: 4096,
        buffers,
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        ballast_bytes: 0,
        ..Options::default()
    };
    Subject::new(FaultDisk::new(3), options)
}

fn wish(bytes: usize) -> [Wish; 1] {
    [Wish { stream: 0, expected: ExpectedVersion::Any, payloads: vec![bytes] }]
}

fn append(subject: &mut Subject, bytes: usize) -> Checked {
    if subject.is_open() && !subject.is_off() {
        subject.press(&wish(bytes), Durability::Sync)?;
    }
    Ok(())
}

/// Appends enough for some rolls, and has all of it written.
fn rolls(subject: &mut Subject, commits: usize) -> Checked {
    for _ in 0..commits {
        append(subject, 900)?;
    }
    if subject.is_open() && !subject.is_off() { subject.drain() } else { Ok(()) }
}

#[test]
fn a_cursor_from_beyond_the_watermark_never_gets_anything() -> Checked {
    let mut subject = store(4);
    subject.open()?;
    let mut cursors = Vec::new();
    for _ in 0..60 {
        if let Attempt::Busy(_) = {
            let submission = subject.compose(&wish(900), None, Durability::Sync);
            subject.place(submission)?
        } {
            subject.chore()?;
        }
        subject.copy_all();
        subject.take_job()?;
        subject.finish_job()?;
        cursors.extend(subject.cursor(subject.checker().next_position().saturating_sub(1))?);
    }
    subject.drain()?;
    assert!(subject.counts.rolls > 3, "{:?}", subject.counts);
    cursors.into_iter().try_for_each(|cursor| subject.read(cursor, usize::MAX).map(drop))
}

#[test]
fn a_first_commit_that_is_larger_than_the_first_segment_is_found_again() -> Checked {
    for end in [None, Some(End::Kill), Some(End::Cut(PowerCut::LoseAll))] {
        let mut subject = store(3);
        subject.open()?;
        append(&mut subject, 30_000)?;
        append(&mut subject, 10)?;
        subject.copy_all();
        while subject.take_job()? {
            subject.finish_job()?;
        }
        match end {
            None => drop(subject.close()?),
            Some(end) => subject.crash(end)?,
        }
        assert_eq!(subject.open()?, Opened::Yes);
        assert_eq!(subject.checker().next_position(), 2);
    }
    Ok(())
}

#[test]
fn a_segment_is_not_left_before_it_has_a_frame() -> Checked {
    for commits in 1..20 {
        let mut subject = store(2);
        subject.open()?;
        // As many as there are buffers for, and then some that find none.
        for bytes in (0..commits).map(|_| 1300).chain([30_000, 1300]) {
            let submission = subject.compose(&wish(bytes), None, Durability::Sync);
            subject.place(submission)?;
            subject.copy_all();
            subject.chore()?;
        }
        append(&mut subject, 30_000)?;
        subject.drain()?;
        subject.close()?;
        assert_eq!(subject.open()?, Opened::Yes);
    }
    Ok(())
}

/// A store with some rolls, of which one operation fails, then left in this way.
fn after_a_failure(at: u64, errno: Errno, left: impl FnOnce(&mut Subject) -> Checked) -> Checked {
    let mut subject = store(3);
    subject.open()?;
    let disk = subject.disk().clone();
    subject.faults.plan_error(&disk, Failure::clean(errno), at, Sticky::No);
    rolls(&mut subject, 12)?;
    left(&mut subject)
}

#[test]
fn edits_of_the_manifest_whose_sync_failed_are_no_hole_in_it_later() -> Checked {
    for at in 0..80 {
        after_a_failure(at, Errno::Io, |subject| {
            subject.abandon()?;
            // The failure may come only now.
            while subject.open()? != Opened::Yes {}
            append(subject, 10)?;
            subject.drain()?;
            subject.crash(End::Cut(PowerCut::LoseAll))?;
            subject.open().map(drop)
        })?;
    }
    Ok(())
}

#[test]
fn a_segment_that_may_be_listed_keeps_its_file() -> Checked {
    for at in 0..80 {
        for errno in [Errno::Io, Errno::TimedOut, Errno::Full] {
            after_a_failure(at, errno, |subject| {
                subject.crash(End::Kill)?;
                subject.open().map(drop)
            })?;
        }
    }
    Ok(())
}

#[test]
fn edits_of_the_manifest_that_tear_are_no_damage() -> Checked {
    let mut subject = store(3);
    subject.open()?;
    for _ in 0..12 {
        rolls(&mut subject, 2)?;
        subject.crash(End::Kill)?;
        for at in 0..60 {
            let mut opening = subject.fork(End::Kill)?;
            let disk = opening.disk().clone();
            opening.faults.plan_power_off(&disk, at);
            opening.open()?;
            for _ in 0..8 {
                opening.fork(End::Cut(PowerCut::Random))?.open()?;
            }
        }
        // Of a disk that was forked another copy goes on.
        subject = subject.fork(End::Kill)?;
        subject.open()?;
    }
    Ok(())
}

#[test]
fn a_segment_that_a_recovery_goes_round_is_no_sign_of_lost_edits() -> Checked {
    for jobs in 0..40 {
        let mut subject = store(2);
        subject.open()?;
        let mut done = 0;
        while done < jobs {
            let submission = subject.compose(&wish(1300), None, Durability::Sync);
            subject.place(submission)?;
            subject.copy_all();
            subject.chore()?;
            if subject.take_job()? {
                subject.finish_job()?;
            }
            done += 1;
        }
        subject.crash(End::Kill)?;
        for at in 0..80 {
            let mut opening = subject.fork(End::Kill)?;
            let disk = opening.disk().clone();
            opening.faults.plan_power_off(&disk, at);
            opening.open()?;
            opening.fork(End::Kill)?.open()?;
            opening.fork(End::Cut(PowerCut::KeepAll))?.open()?;
        }
    }
    Ok(())
}

/// Whether the manifest ends with something that is no edit.
fn is_manifest_torn(disk: &FaultDisk) -> bool {
    let is_manifest = |finding: &quipu::Finding| finding.file.ends_with("manifest");
    let report = quipu::verify_on(disk, Path::new(PATH), &mut |_| {});
    report.is_ok_and(|report| report.findings.iter().any(is_manifest))
}

/// A manifest that is written anew forgets which segments are retired; their files may still be there.
#[test]
fn a_retired_segment_of_a_forgetful_manifest_is_no_sign_of_lost_edits() -> Checked {
    let mut subject = store(2);
    subject.open()?;
    append(&mut subject, 500)?;
    subject.drain()?;
    let mut torn = 0;
    for at in 0..60 {
        let mut first = subject.fork(End::Kill)?;
        let disk = first.disk().clone();
        first.faults.plan_power_off(&disk, at);
        first.open()?;
        for _ in 0..24 {
            let cut = first.fork(End::Cut(PowerCut::Random))?;
            if !is_manifest_torn(cut.disk()) {
                continue;
            }
            torn += 1;
            for at in 0..60 {
                let mut second = cut.fork(End::Kill)?;
                let disk = second.disk().clone();
                second.faults.plan_power_off(&disk, at);
                second.open()?;
                for end in [End::Cut(PowerCut::KeepAll), End::Cut(PowerCut::Random)] {
                    second.fork(end)?.open()?;
                }
            }
        }
    }
    assert!(torn > 3, "{torn}");
    Ok(())
}

/// A call may write a part of an edit, and the power go off after the next has written the rest: what is left of the
/// edit was torn, and no bit of it was changed.
#[test]
fn an_edit_that_was_written_in_parts_is_not_taken_for_damage() -> Checked {
    for seed in 0..100 {
        for within in 0..30 {
            let mut subject = Subject::new(FaultDisk::new(seed), store(3).options().clone());
            subject.open()?;
            append(&mut subject, 10)?;
            subject.drain()?;
            let disk = subject.disk().clone();
            subject.faults.plan_short(&disk, within, Sticky::No);
            subject.faults.plan_power_off(&disk, within + 2);
            subject.close()?;
            subject.crash(End::Cut(PowerCut::Random))?;
            assert_eq!(subject.open()?, Opened::Yes, "seed {seed} at {within}");
        }
    }
    Ok(())
}

/// A disk may take edits in parts however often they are written as a whole. Of what has not been synced it may keep the
/// end without the beginning, and an edit that sums up behind one that does not is what damage looks like.
#[test]
fn of_edits_that_are_only_ever_written_in_parts_none_is_found_without_those_before_it() -> Checked {
    let mut torn = 0;
    for at in 0.. {
        let mut subject = store(3);
        subject.open()?;
        rolls(&mut subject, 2)?;
        let disk = subject.disk().clone();
        subject.faults.plan_short(&disk, 0, Sticky::Yes);
        subject.faults.plan_power_off(&disk, at);
        // The segment that is ready is too small: by two edits at once it is retired, and another takes its place.
        append(&mut subject, 30_000)?;
        rolls(&mut subject, 2)?;
        if !subject.is_off() {
            break;
        }
        for _ in 0..8 {
            let mut cut = subject.fork(End::Cut(PowerCut::Random))?;
            torn += u32::from(is_manifest_torn(cut.disk()));
            assert_eq!(cut.open()?, Opened::Yes, "at {at}");
        }
    }
    assert!(torn > 20, "{torn}");
    Ok(())
}

/// A disk may say that it is full and have taken some of what it was to write, or all of it: nothing may be built on
/// its being gone.
#[test]
fn what_a_full_disk_has_written_of_the_manifest_is_no_damage() -> Checked {
    let full = Failure { errno: Errno::Full, done: Done::Wholly };
    for seed in 0..12 {
        let options = store(3).options().clone();
        let mut subject = Subject::new(FaultDisk::new(seed), options);
        subject.open()?;
        rolls(&mut subject, 8)?;
        for at in 0..60 {
            let mut opening = subject.fork(End::Kill)?;
            let disk = opening.disk().clone();
            opening.faults.plan_error(&disk, full, at, Sticky::No);
            opening.open()?;
            for end in [End::Kill, End::Cut(PowerCut::Random)] {
                assert_eq!(
                    opening.fork(end)?.open()?,
                    Opened::Yes,
                    "seed {seed}, opening, at {at}"
                );
            }
        }
    }
    Ok(())
}

/// The same while the store is open and goes on once there is room.
#[test]
fn a_store_that_goes_on_after_a_full_disk_opens_after_a_crash() -> Checked {
    let full = Failure { errno: Errno::Full, done: Done::Wholly };
    for at in 0..40 {
        for power in 0..40 {
            let mut subject = store(3);
            subject.open()?;
            rolls(&mut subject, 2)?;
            let disk = subject.disk().clone();
            subject.faults.plan_error(&disk, full, at, Sticky::No);
            subject.faults.plan_power_off(&disk, at + 1 + power);
            append(&mut subject, 30_000)?;
            append(&mut subject, 30_000)?;
            rolls(&mut subject, 2)?;
            for _ in 0..4 {
                let opened = subject.fork(End::Cut(PowerCut::Random))?.open()?;
                assert_eq!(opened, Opened::Yes, "{power} after {at}");
            }
        }
    }
    Ok(())
}

/// Damage to a group that nothing calls durable looks like a torn tail: of the last group of an idle store something
/// says it, however little room its segment has left.
#[test]
fn the_last_group_of_an_idle_store_is_marked_in_a_full_segment_too() -> Checked {
    let mut last_segments = BTreeSet::new();
    for bytes in (0..600).step_by(8) {
        let mut subject = store(3);
        subject.open()?;
        append(&mut subject, 3200)?;
        append(&mut subject, bytes)?;
        subject.drain()?;
        subject.idle()?;
        subject.drain()?;
        last_segments.insert(subject.counts.rolls);
        subject.crash(End::Kill)?;
        let kinds = last_frames(subject.disk());
        assert_eq!(kinds.last(), Some(&FrameKind::Mark), "{bytes} bytes: {kinds:?}");
    }
    // Both sides of the last size that fits have been tried.
    assert_eq!(last_segments.len(), 2);
    Ok(())
}

/// The kinds of the frames in the last segment that has any.
fn last_frames(disk: &FaultDisk) -> Vec<FrameKind> {
    let contents = segments(disk).into_iter().rev().map(|path| disk.contents(&path).unwrap());
    let all = contents.filter_map(|bytes| frames(&bytes));
    let last = all.into_iter().find(|frames| !frames.is_empty()).unwrap_or_default();
    last.iter().map(|(_, header)| header.kind).collect()
}

/// What a close had still to write was called durable by nothing in the log. Once the store had been opened again and
/// killed, a flipped bit in it passed for a write that was never finished.
#[test]
fn a_close_says_of_all_before_it_that_it_is_durable() -> Checked {
    for durability in [Durability::Sync, Durability::Os] {
        let options = Options { durability, ..store(4).options().clone() };
        let mut subject = Subject::new(FaultDisk::new(3), options);
        subject.open()?;
        // It has its place, and is not written yet.
        subject.press(&wish(10), durability)?;
        assert!(subject.close()?);
        let file = segments(subject.disk()).remove(0);
        let frames = frames(&subject.disk().contents(&file).unwrap()).unwrap();
        let (place, mark) = frames.last().unwrap();
        assert_eq!((mark.kind, mark.flags), (FrameKind::Mark, FLAG_CLOSED), "{durability:?}");
        assert_eq!(mark.durable_to, place.offset, "{durability:?}");
    }
    Ok(())
}
