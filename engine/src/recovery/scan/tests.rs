//! Frames that sum up and do not follow what is before them.

use quipu_format::checksum::Place;
use quipu_format::frame::{FrameHeader, FrameKind};
use quipu_format::{Epoch, UNIT_BYTES};

use super::*;
use crate::frames::tests::{SALT, commit, frame, header, segment};
use crate::recovery::Unsealed;
use crate::recovery::candidate::Candidate;

const SEGMENT: SegmentId = SegmentId(2);
const AT: u64 = FIRST_FRAME.0;
const LINK_BYTES: u64 = 96;

/// A link at this place that names that one as the end of the log before it.
fn link(at: u64, position: u64, predecessor: Option<(SegmentId, u64)>) -> Vec<u8> {
    let end = predecessor.map(|(segment, end)| Lsn::new(segment, ByteOffset(end)));
    let link = Link {
        predecessor: end.map(|end| (end, SALT)),
        last_time: Timestamp(1),
        epoch: Epoch([7; 16]),
        writer: 0,
    };
    let body = link.encode(Place::new(SALT, ByteOffset(at)));
    frame(at, header(FrameKind::Link, position, 0), &body)
}

fn scan(frames: &[Vec<u8>]) -> Result<Scan> {
    let file = segment(SEGMENT, frames);
    file.scan(file.capacity, &mut |_, _| Ok(()))
}

/// Where a scan stops and for which rule; that it has taken all before.
fn stops(frames: &[Vec<u8>]) -> Option<(u64, &'static str)> {
    let scan = scan(frames).unwrap();
    let stop = scan.stop?;
    assert_eq!(stop.at, scan.end, "all before was taken");
    match stop.error {
        FormatError::Invalid(rule) => Some((stop.at.0, rule)),
        other => panic!("{other}"),
    }
}

fn events(at: u64, position: u64, time: i64) -> Vec<u8> {
    let header = FrameHeader { time: Timestamp(time), ..header(FrameKind::Events, position, 2) };
    commit(at, header, &[0, 1])
}

#[test]
fn a_segment_begins_with_a_link() {
    let first = events(AT, 0, 1);
    let expected = Some((AT, "a segment that does not begin with a link"));
    assert_eq!(stops(&[first]), expected);
    assert_eq!(stops(&[link(AT, 3, None)]), None);
}

#[test]
fn positions_and_times_follow_one_another() {
    let first = AT + LINK_BYTES;
    let second = first + events(first, 0, 1).len() as u64;
    let of = |position, time| {
        stops(&[link(AT, 5, None), events(first, 5, 8), events(second, position, time)])
    };
    assert_eq!(of(7, 8), None);
    assert_eq!(of(7, 9), None);
    let gap = Some((second, "a frame whose position does not follow"));
    assert_eq!((of(6, 8), of(8, 8)), (gap, gap));
    assert_eq!(of(7, 7), Some((second, "a frame whose time goes backwards")));
    let before_link = stops(&[link(AT, 5, None), events(first, 5, 0)]);
    assert_eq!(before_link, Some((first, "a frame whose time goes backwards")));
}

#[test]
fn a_link_within_a_segment_names_its_own_place() {
    let second = AT + LINK_BYTES;
    let of = |predecessor| stops(&[link(AT, 0, None), link(second, 0, predecessor)]);
    assert_eq!(of(Some((SEGMENT, second))), None);
    let refused = Some((second, "a link within a segment that names another place"));
    assert_eq!(of(Some((SEGMENT, second - UNIT_BYTES))), refused);
    assert_eq!(of(Some((SegmentId(1), second))), refused);
    assert_eq!(of(None), refused);
}

#[test]
fn what_a_newer_version_wrote_is_never_taken_for_the_end() {
    let control = frame(AT + LINK_BYTES, header(FrameKind::Control, 0, 0), &[0; 16]);
    let error = scan(&[link(AT, 0, None), control]).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
}

#[test]
fn of_a_link_that_is_refused_nothing_is_kept() {
    let mut early = link(AT, 5, None);
    let before = FrameHeader {
        len: early.len() as u32,
        time: Timestamp(0),
        ..header(FrameKind::Link, 5, 0)
    };
    early[..32].copy_from_slice(&before.encode(Place::new(SALT, FIRST_FRAME)));
    let scan = scan(&[early]).unwrap();
    assert_eq!((scan.link, scan.base, scan.next_position), (None, Position(0), Position(0)));
    assert_eq!((scan.end, scan.last_time), (FIRST_FRAME, Timestamp(0)));
    assert_eq!(scan.stop.unwrap().at, FIRST_FRAME);
}

#[test]
fn a_scan_tells_what_it_has_found() {
    let first = AT + LINK_BYTES;
    let mark_at = first + events(first, 5, 8).len() as u64;
    let durable_to = ByteOffset(mark_at);
    let mark = FrameHeader { durable_to, time: Timestamp(9), ..header(FrameKind::Mark, 7, 0) };
    let scan = scan(&[link(AT, 5, None), events(first, 5, 8), frame(mark_at, mark, &[])]).unwrap();
    assert_eq!((scan.base, scan.next_position), (Position(5), Position(7)));
    assert_eq!((scan.end, scan.durable), (ByteOffset(mark_at + 32), durable_to));
    assert_eq!((scan.last_time, scan.link.unwrap().epoch), (Timestamp(9), Epoch([7; 16])));
    assert!(scan.stop.is_none());
}

/// Whether a segment of these frames may be put aside, if no link leads to it.
fn holds_more(frames: &[Vec<u8>]) -> bool {
    let (unsealed, scan) = Unsealed::scan(segment(SEGMENT, frames), None, None, None).unwrap();
    Candidate { unsealed, scan }.holds_more().unwrap()
}

#[test]
fn a_segment_holds_more_if_events_were_durable_or_something_that_cannot_be_read() {
    let first = AT + LINK_BYTES;
    let second = first + events(first, 5, 8).len() as u64;
    let mark = |at: u64, position, durable_to| {
        let durable_to = ByteOffset(durable_to);
        let header =
            FrameHeader { durable_to, time: Timestamp(9), ..header(FrameKind::Mark, position, 0) };
        frame(at, header, &[])
    };
    let of = |rest: &[Vec<u8>]| holds_more(&[&[link(AT, 5, None)], rest].concat());
    assert!(!of(&[]), "nothing was written");
    assert!(!of(&[events(first, 5, 8)]), "nothing says that the events were durable");
    assert!(!of(&[mark(first, 5, first)]), "no event was durable");
    assert!(!of(&[events(first, 5, 8), mark(second, 7, AT)]));
    assert!(of(&[events(first, 5, 8), mark(second, 7, second)]), "the events were durable");
    let bad = vec![7; (second - first) as usize];
    assert!(of(&[bad.clone(), mark(second, 5, second)]), "what cannot be read was durable");
    assert!(!of(&[bad, mark(second, 5, first)]), "what cannot be read was not");
}
