//! The state machine, step by step and without a log.

mod full;

use quipu_disk::MemoryDisk;
use quipu_format::frame::Link;
use quipu_format::segment::FIRST_FRAME;
use quipu_format::{Salt, SegmentId};
use quipu_index::Keys;

use super::*;
use crate::draft::Context;
use crate::ids::EventIds;
use crate::options::Options;
use crate::{ErrorKind, ExpectedVersion, NewEvent, writer};

const EPOCH: Epoch = Epoch([1; 16]);
const MARK: u64 = MARK_FRAME_BYTES as u64;
const LINK: u64 = LINK_FRAME_BYTES as u64;

/// A pipeline whose active segment has so many bytes; its first frame is still to come.
fn new(durability: Durability, capacity: u64) -> Pipeline {
    let link = writer::link(None, Timestamp(0), EPOCH);
    at(durability, capacity, FIRST_FRAME, Some(link))
}

fn at(durability: Durability, capacity: u64, end: ByteOffset, link: Option<Link>) -> Pipeline {
    let segment = SegmentRef { id: SegmentId(1), salt: Salt(9), capacity: ByteOffset(capacity) };
    let start = Start {
        tail: Tail { segment, end, link },
        epoch: EPOCH,
        next_position: Position(0),
        last_time: Timestamp(0),
        sealed_bytes: 0,
        highest: SegmentId(1),
        unsealed: Vec::new(),
    };
    let settings = Settings {
        durability,
        buffer_bytes: 4096,
        buffers: 3,
        segment_sizes: Options::in_memory().segment_sizes(),
        segment_keys_max: 1 << 20,
    };
    Pipeline::new(&start, settings)
}

/// Gives a commit of one event its place and fills it; says in which group.
fn append(pipeline: &mut Pipeline, stream: &str, durability: Durability) -> Arc<Group> {
    let Ok(group) = try_append(pipeline, stream, durability, &mut Patience::None) else {
        panic!("there is room")
    };
    group
}

fn try_append(
    pipeline: &mut Pipeline,
    stream: &str,
    durability: Durability,
    patience: &mut Patience,
) -> Result<Arc<Group>, Refusal> {
    let (keys, ids, disk) = (Keys::new([3; 16]), EventIds::new([5; 16]), MemoryDisk::new());
    let context = Context { keys: &keys, ids: &ids, disk: &disk, index_ids: false };
    let mut draft = Draft::new(durability);
    let event = NewEvent::new("T", vec![7; 1000]);
    draft.append(&context, stream, ExpectedVersion::Any, [event]).unwrap();
    let mut draft = draft.finish().unwrap();
    draft.resolved = Some(0);
    let Sequenced { slot, group, .. } = pipeline.sequence(&draft, None, Timestamp(1), patience)?;
    slot.fill(|_| {});
    Ok(group)
}

/// A pipeline whose active segment has exactly the room for two commits.
fn with_room_for_two() -> Pipeline {
    let mut any = new(Durability::Os, 64 << 10);
    drop(append(&mut any, "a", Durability::Os));
    let commit = any.end().0.offset().0 - FIRST_FRAME.0 - LINK;
    new(Durability::Os, FIRST_FRAME.0 + LINK + 2 * commit + RESERVE_BYTES)
}

fn prepared(number: u32) -> SegmentRef {
    SegmentRef { id: SegmentId(number), salt: Salt(8), capacity: ByteOffset(64 << 10) }
}

/// Does all there is to do; says how many bytes each write had, and 0 for a sync.
fn settle(pipeline: &mut Pipeline) -> Vec<u64> {
    let mut done = Vec::new();
    while let Some(job) = pipeline.take() {
        done.push(match &job {
            Job::Write(write) => write.len(),
            Job::Sync(_) => 0,
        });
        pipeline.finish(job, Ok(()));
    }
    done
}

#[test]
fn an_idle_moment_is_used_for_one_mark() {
    let mut pipeline = new(Durability::Sync, 64 << 10);
    assert!(!pipeline.wants_mark(), "nothing was sequenced");
    pipeline.mark(Mark::Idle);
    assert!(settle(&mut pipeline).is_empty());
    drop(append(&mut pipeline, "a", Durability::Sync));
    assert_eq!(settle(&mut pipeline).len(), 2);
    assert!(pipeline.wants_mark());
    pipeline.mark(Mark::Idle);
    assert_eq!(settle(&mut pipeline), [MARK, 0]);
    assert!(!pipeline.wants_mark());
    pipeline.mark(Mark::Closed);
    assert!(settle(&mut pipeline).is_empty(), "it is marked");
}

/// It would say of what is under way that it is durable.
#[test]
fn no_mark_joins_what_is_still_to_be_written() {
    let mut pipeline = new(Durability::Sync, 64 << 10);
    drop(append(&mut pipeline, "a", Durability::Sync));
    let end = pipeline.end();
    pipeline.mark(Mark::Idle);
    assert_eq!(pipeline.end(), end, "a group is open");
    pipeline.close_group();
    pipeline.mark(Mark::Idle);
    assert_eq!(pipeline.end(), end, "a group waits");
    let job = pipeline.take().unwrap();
    pipeline.mark(Mark::Idle);
    assert_eq!(pipeline.end(), end, "a group is written");
    drop(pipeline.finish(job, Ok(())));
    pipeline.mark(Mark::Idle);
    assert_eq!(pipeline.end(), end, "a group is not synced");
    settle(&mut pipeline);
    drop(pipeline.fail(Error::new(ErrorKind::Unknown, "a failure")));
    assert!(!pipeline.wants_mark(), "nothing is written after a failure");
    pipeline.mark(Mark::Closed);
    assert_eq!(pipeline.end(), end);
}

#[test]
fn a_mark_leaves_room_for_the_end_of_the_segment_unless_it_is_the_end() {
    let end = FIRST_FRAME.0 + 2000;
    let link = writer::link(None, Timestamp(0), EPOCH);
    for (link, bytes) in [(None, MARK), (Some(link), LINK + MARK)] {
        for (why, reserve) in [(Mark::Idle, END_BYTES), (Mark::Closed, 0)] {
            for (less, fits) in [(0, true), (1, false)] {
                let capacity = end + bytes + reserve - less;
                let mut pipeline = at(Durability::Sync, capacity, ByteOffset(end), link);
                pipeline.settling.unmarked = true;
                let is_idle = why == Mark::Idle;
                assert_eq!(pipeline.wants_mark() && is_idle, fits && is_idle, "{why:?}, {less}");
                pipeline.mark(why);
                let written = if fits { vec![bytes, 0] } else { vec![] };
                assert_eq!(settle(&mut pipeline), written, "{why:?}, {less}");
            }
        }
    }
}

#[test]
fn after_a_failure_the_first_one_is_told_and_nothing_is_taken() {
    let mut pipeline = new(Durability::Sync, 64 << 10);
    assert!(pipeline.poison().is_none() && pipeline.standstill().is_none());
    let group = append(&mut pipeline, "a", Durability::Sync);
    assert!(pipeline.has_work());
    let job = pipeline.take().unwrap();
    assert!(!pipeline.has_work() && pipeline.take().is_none(), "one job at a time");
    drop(pipeline.fail(Error::new(ErrorKind::Unknown, "the first")));
    drop(pipeline.fail(Error::new(ErrorKind::Unknown, "the second")));
    assert!(pipeline.poison().unwrap().to_string().contains("the first"));
    assert!(pipeline.standstill().is_none(), "a job is under way");
    let told = pipeline.finish(job, Ok(()));
    assert!(told.iter().any(|(told, progress)| {
        Arc::ptr_eq(told, &group) && matches!(progress, Progress::Failed(_))
    }));
    assert!(pipeline.standstill().is_some());
    assert!(!pipeline.has_work() && pipeline.take().is_none());
}

#[test]
fn there_is_work_while_something_is_to_be_written_or_a_sync_is_owed() {
    let mut pipeline = new(Durability::Os, 64 << 10);
    assert!(!pipeline.has_work());
    drop(append(&mut pipeline, "a", Durability::Os));
    assert!(pipeline.has_work(), "an open group");
    assert_eq!(settle(&mut pipeline).len(), 1, "nobody waits for a sync");
    assert!(pipeline.is_unsynced() && !pipeline.has_work());
    pipeline.owe_sync();
    assert!(pipeline.has_work(), "a sync is owed");
    assert_eq!(settle(&mut pipeline), [0]);
    assert!(!pipeline.is_unsynced() && !pipeline.has_work());
    pipeline.owe_sync();
    assert!(!pipeline.has_work() && pipeline.take().is_none(), "there is nothing to be synced");
    drop(append(&mut pipeline, "a", Durability::Os));
    pipeline.close_group();
    assert!(pipeline.has_work(), "a group waits");
}

/// Whoever is told of an event that is not durable yet waits for the group that holds it, and for a sync that nobody
/// else waits for.
#[test]
fn an_answer_waits_for_the_group_that_it_refers_to() {
    let of = |until: Until| until.map(|(group, _)| Arc::as_ptr(&group));
    let mut pipeline = new(Durability::Os, 64 << 10);
    let groups: Vec<_> = (0..3)
        .map(|_| {
            let group = append(&mut pipeline, "a", Durability::Os);
            pipeline.close_group();
            Arc::as_ptr(&group)
        })
        .collect();
    let (first, second) = (Position(0), Position(1));
    assert_eq!(of(pipeline.pending(first)), Some(groups[0]), "it waits to be written");
    assert_eq!(of(pipeline.pending(second)), Some(groups[1]));
    assert_eq!(of(pipeline.until(second, Durability::Os).unwrap()), Some(groups[1]));
    let job = pipeline.take().unwrap();
    assert_eq!(of(pipeline.pending(first)), Some(groups[0]), "it is being written");
    assert_eq!(of(pipeline.pending(second)), Some(groups[1]));
    drop(pipeline.finish(job, Ok(())));
    assert!(pipeline.until(first, Durability::Os).unwrap().is_none(), "it is visible");
    assert!(!pipeline.settling.sync_owed);
    assert_eq!(of(pipeline.until(second, Durability::Sync).unwrap()), Some(groups[1]));
    assert!(!pipeline.settling.sync_owed, "that is not written yet");
    assert_eq!(of(pipeline.until(first, Durability::Sync).unwrap()), Some(groups[0]));
    assert!(pipeline.settling.sync_owed, "it was not to be synced yet");
    // The sync, the second write and the sync after it, and the third write, which nobody has synced.
    let done = settle(&mut pipeline);
    let syncs: Vec<usize> = (0..done.len()).filter(|&nth| done[nth] == 0).collect();
    assert_eq!((syncs, done.len()), (vec![0, 2], 4));
    assert!(pipeline.until(second, Durability::Sync).unwrap().is_none(), "it is durable");
    assert_eq!(of(pipeline.until(Position(2), Durability::Sync).unwrap()), Some(groups[2]));
    drop(pipeline.fail(Error::new(ErrorKind::Unknown, "a failure")));
    assert!(pipeline.until(second, Durability::Sync).unwrap().is_none());
    assert!(pipeline.until(Position(2), Durability::Sync).is_err(), "nobody knows");
}

#[test]
fn streams_are_counted_as_they_come_into_being() {
    let mut pipeline = new(Durability::Sync, 64 << 10);
    for (stream, streams) in [("a", 1), ("b", 2), ("a", 2)] {
        drop(append(&mut pipeline, stream, Durability::Sync));
        settle(&mut pipeline);
        assert_eq!(pipeline.streams_created(), streams);
    }
}

#[test]
fn who_needs_an_event_durable_has_its_own_group_synced() {
    let mut pipeline = new(Durability::Os, 64 << 10);
    let mut append = || {
        let group = append(&mut pipeline, "a", Durability::Os);
        pipeline.close_group();
        Arc::as_ptr(&group)
    };
    let groups = [append(), append()];
    let until = pipeline.until(Position(1), Durability::Sync).unwrap();
    assert_eq!(until.map(|(group, _)| Arc::as_ptr(&group)), Some(groups[1]));
    assert_eq!(settle(&mut pipeline).iter().filter(|&&bytes| bytes == 0).count(), 1);
    assert!(!pipeline.is_unsynced());
}

#[test]
fn a_store_that_is_closing_takes_no_more_and_writes_what_it_has() {
    let mut pipeline = new(Durability::Sync, 64 << 10);
    drop(append(&mut pipeline, "a", Durability::Sync));
    pipeline.close();
    let refused = try_append(&mut pipeline, "a", Durability::Sync, &mut Patience::None);
    assert!(matches!(refused, Err(Refusal::Over(_))));
    assert_eq!(settle(&mut pipeline).len(), 2);
}

#[test]
fn commits_that_come_together_are_written_together_as_long_as_they_fit() {
    let mut pipeline = new(Durability::Os, 64 << 10);
    let groups: Vec<_> = (0..5).map(|_| append(&mut pipeline, "a", Durability::Os)).collect();
    let same = |one: usize, other: usize| Arc::ptr_eq(&groups[one], &groups[other]);
    assert!(same(0, 1) && same(1, 2), "three commits of a thousand bytes go into a buffer");
    assert!(!same(2, 3) && same(3, 4));
    assert_eq!(settle(&mut pipeline).len(), 2);
}

/// In good time: while the other half is written.
#[test]
fn the_next_segment_is_prepared_once_the_active_one_is_half_full() {
    let mut pipeline = new(Durability::Os, 64 << 10);
    let mut prepared_at = None;
    for _ in 0..40 {
        append(&mut pipeline, "a", Durability::Os);
        settle(&mut pipeline);
        if pipeline.take_prepare().is_some() {
            prepared_at = Some(pipeline.end().0.offset().0);
            break;
        }
    }
    let at = prepared_at.unwrap();
    assert!(at > 32 << 10 && at < (32 << 10) + 2048, "{at}");
}

/// Nobody could write to it any more.
#[test]
fn a_store_that_is_being_closed_prepares_no_segment() {
    let mut pipeline = new(Durability::Os, 64 << 10);
    while !pipeline.chore_ready() {
        append(&mut pipeline, "a", Durability::Os);
        settle(&mut pipeline);
    }
    pipeline.close();
    assert!(!pipeline.chore_ready() && pipeline.take_prepare().is_none());
}

#[test]
fn the_next_segment_is_prepared_once_the_index_of_the_active_one_is_half_full() {
    let mut pipeline = new(Durability::Os, 64 << 10);
    append(&mut pipeline, "a", Durability::Os);
    pipeline.note_keys(SegmentId(1), 1 << 10);
    append(&mut pipeline, "a", Durability::Os);
    assert!(pipeline.take_prepare().is_none());
    pipeline.note_keys(SegmentId(2), 1 << 20);
    append(&mut pipeline, "a", Durability::Os);
    assert!(pipeline.take_prepare().is_none(), "of another segment");
    settle(&mut pipeline);
    pipeline.note_keys(SegmentId(1), 3 << 18);
    append(&mut pipeline, "a", Durability::Os);
    assert!(pipeline.take_prepare().is_some());
}

#[test]
fn what_was_sequenced_is_known_before_it_is_written() {
    let mut pipeline = new(Durability::Os, 64 << 10);
    append(&mut pipeline, "a", Durability::Os);
    append(&mut pipeline, "b", Durability::Os);
    let seen = |from: u64, events: u64| {
        let seen = pipeline.sightings_at(Position(from), events)?;
        Some(seen.iter().map(|sighting| sighting.position.0).collect::<Vec<u64>>())
    };
    assert_eq!(
        (seen(0, 1), seen(0, 9), seen(1, 1)),
        (Some(vec![0]), Some(vec![0, 1]), Some(vec![1]))
    );
    assert_eq!(pipeline.last_time(), Timestamp(1));
}

#[test]
fn a_segment_for_a_frame_has_room_for_what_stands_before_and_behind_it() {
    assert_eq!(room::needed_for(1_000), FIRST_FRAME.0 + LINK + 1_000 + RESERVE_BYTES);
}
