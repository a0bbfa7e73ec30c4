//! Where a segment or the buffers are full.

use super::*;

/// One that is left without a frame in the next could not be told from one that has lost its end.
#[test]
fn a_segment_is_left_once_it_is_full_and_there_is_a_buffer_for_the_next() {
    let mut pipeline = with_room_for_two();
    for _ in 0..2 {
        drop(append(&mut pipeline, "a", Durability::Os));
        pipeline.close_group();
        assert_eq!(pipeline.end().0.segment(), SegmentId(1), "it has room for two");
    }
    assert_eq!(pipeline.take_prepare().map(|prepare| prepare.segment), Some(SegmentId(2)));
    pipeline.prepared(Ok(prepared(2)), Vec::new());
    assert!(pipeline.open_group(16));
    pipeline.close_group();
    let end = pipeline.end();
    let mut append = || {
        let appended = try_append(&mut pipeline, "a", Durability::Os, &mut Patience::None);
        (appended.is_ok(), pipeline.end())
    };
    assert_eq!(append(), (false, end), "all buffers are in use");
    assert!(!settle(&mut pipeline).is_empty());
    drop(self::append(&mut pipeline, "a", Durability::Os));
    assert_eq!(pipeline.end().0.segment(), SegmentId(2));
    assert_eq!(pipeline.end().1, Position(3));
}

/// How an append is met.
fn ask(pipeline: &mut Pipeline, patience: &mut Patience) -> &'static str {
    match try_append(pipeline, "a", Durability::Os, patience) {
        Ok(_) => "room",
        Err(Refusal::Full(_)) => "full",
        Err(_) => "wait",
    }
}

/// What failed before somebody began to wait says nothing of the room there is now.
#[test]
fn who_waits_for_room_waits_through_one_attempt() {
    let mut pipeline = with_room_for_two();
    for _ in 0..2 {
        drop(append(&mut pipeline, "a", Durability::Os));
    }
    let (mut first, mut second) = (Patience::Fresh, Patience::Fresh);
    assert_eq!(ask(&mut pipeline, &mut first), "wait");
    assert_eq!(ask(&mut pipeline, &mut Patience::None), "wait", "nothing has failed yet");
    assert!(pipeline.take_prepare().is_some());
    pipeline.prepared(Err(Error::new(ErrorKind::Full, "no room")), Vec::new());
    assert_eq!(ask(&mut pipeline, &mut second), "wait");
    assert_eq!(ask(&mut pipeline, &mut second), "wait", "that was before it came");
    assert_eq!(ask(&mut pipeline, &mut first), "full");
    assert_eq!(ask(&mut pipeline, &mut Patience::None), "full");
    assert!(pipeline.take_prepare().is_some(), "who needs it has it tried again");
    pipeline.prepared(Ok(prepared(3)), Vec::new());
    assert_eq!(ask(&mut pipeline, &mut first), "room");
}

/// What the disk said of something else is no answer to who waits for a buffer.
#[test]
fn who_needs_a_buffer_for_a_segment_that_is_ready_waits_for_it() {
    let mut pipeline = with_room_for_two();
    let capacity = pipeline.tail.segment.capacity;
    for _ in 0..2 {
        assert_eq!(ask(&mut pipeline, &mut Patience::None), "room");
        settle(&mut pipeline);
    }
    assert!(pipeline.take_prepare().is_some());
    pipeline.prepared(Ok(SegmentRef { capacity, ..prepared(2) }), Vec::new());
    assert_eq!(ask(&mut pipeline, &mut Patience::None), "room");
    settle(&mut pipeline);
    assert!(pipeline.take_prepare().is_some());
    pipeline.prepared(Ok(prepared(3)), Vec::new());
    assert!(pipeline.take_rolled().is_some());
    pipeline.sealed(Err(Error::new(ErrorKind::Full, "no room")));
    assert_eq!(ask(&mut pipeline, &mut Patience::None), "room");
    pipeline.close_group();
    while pipeline.open_group(16) {
        pipeline.close_group();
    }
    assert_eq!(ask(&mut pipeline, &mut Patience::None), "wait");
    settle(&mut pipeline);
    assert_eq!(ask(&mut pipeline, &mut Patience::None), "room");
}

/// So many segments are left unsealed and no more.
#[test]
fn who_waits_for_a_seal_waits_through_one_attempt() {
    let mut pipeline = with_room_for_two();
    let capacity = pipeline.tail.segment.capacity;
    for number in 2..5 {
        for _ in 0..2 {
            assert_eq!(ask(&mut pipeline, &mut Patience::None), "room");
            settle(&mut pipeline);
        }
        assert!(pipeline.take_prepare().is_some());
        pipeline.prepared(Ok(SegmentRef { capacity, ..prepared(number) }), Vec::new());
    }
    let mut patience = Patience::Fresh;
    assert_eq!(ask(&mut pipeline, &mut patience), "wait");
    assert!(pipeline.take_rolled().is_some());
    pipeline.sealed(Err(Error::new(ErrorKind::Full, "no room")));
    assert_eq!(ask(&mut pipeline, &mut patience), "full");
    assert_eq!(ask(&mut pipeline, &mut Patience::None), "full");
    assert!(pipeline.take_rolled().is_some(), "who needs it has it tried again");
    pipeline.sealed(Ok(()));
    assert_eq!(ask(&mut pipeline, &mut patience), "room");
}
