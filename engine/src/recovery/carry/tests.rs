//! How large a segment is that takes what is carried on.

use super::*;
use crate::frames::tests::header;

/// What a recovery writes, and a mark and the seal frame behind it.
#[test]
fn what_is_carried_on_has_room_in_a_segment_of_the_bytes_it_needs_with_its_end() {
    for len in (0..8 << 10).step_by(16) {
        let commit = Commit {
            header: header(FrameKind::Events, 0, 1),
            bytes: vec![0; len],
            records: Vec::new(),
        };
        let carried = Carried {
            commits: vec![commit],
            predecessor: None,
            from: FIRST_FRAME,
            supersedes: None,
            base: Position(0),
            last_time: Timestamp(0),
            report: None,
        };
        let written = LINK_FRAME_BYTES + len + MARK_FRAME_BYTES;
        let end = MARK_FRAME_BYTES + SEAL_FRAME_BYTES;
        assert_eq!(bytes_needed(&carried), FIRST_FRAME.0 + (written + end) as u64);
    }
}
