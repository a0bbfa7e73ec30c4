//! What later frames call durable, beside a writer that does not tell how far it has come.

use quipu_format::frame::FrameHeader;
use quipu_format::{ByteOffset, Position};

use crate::Result;
use crate::recovery::SegmentFile;

/// Where a frame begins, and the position of the next event there.
type Stand = (ByteOffset, Position);

/// How far the frames behind a place call their segment durable, if that is farther. They are believed one after the
/// other, as far as their headers sum up: a damaged event is met when it is read.
pub(super) fn vouched_for(file: &SegmentFile, from: Stand) -> Result<Option<Stand>> {
    let mut durable = from.0;
    walk(file, from, file.capacity, &mut |header| durable = durable.max(header.durable_to))?;
    if durable <= from.0 {
        return Ok(None);
    }
    let reached = walk(file, from, durable, &mut |_| {})?;
    Ok(Some(reached).filter(|(end, _)| *end == durable))
}

/// Shows frames up to a limit, or to the first that does not follow the one before. Gives where they end.
fn walk(
    file: &SegmentFile,
    (mut at, mut next): Stand,
    limit: ByteOffset,
    visit: &mut dyn FnMut(&FrameHeader),
) -> Result<Stand> {
    let mut frames = file.frames(limit);
    while let Ok(frame) = frames.frame_at(at).map_err(|error| file.io(error))? {
        if frame.header.first_position != next {
            break;
        }
        visit(&frame.header);
        (at, next) = (frame.end(), frame.header.next_position());
    }
    Ok((at, next))
}
