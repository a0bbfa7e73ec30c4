//! Blocks of whole lines, cut by a thread of its own that reads ahead.
//!
//! A block is what one commit takes. Memory is bounded by a handful of blocks, whose buffers go around.

use std::io::{self, BufRead, BufReader, Read};

use quipu::Uuid;

use super::ids::Ids;
use super::source::Source;

/// Longest line, its end included.
pub(super) const LINE_BYTES_MAX: usize = 64 << 20;
/// A block takes no further line once it has this many bytes, so that it fits into a commit.
const BLOCK_BYTES: usize = 16 << 20;
/// What is asked of the source at a time.
const READ_BYTES: usize = 256 << 10;

/// Why no more lines come.
#[derive(Debug)]
pub(super) enum Why {
    /// The source failed.
    Io(io::Error),
    /// A line goes on past [`LINE_BYTES_MAX`].
    TooLong,
    /// There are more lines than an id can name.
    TooMany,
}

/// Why no more lines come, and at which line.
#[derive(Debug)]
pub(super) struct Broken {
    /// Number of the line that could not be read, from 0.
    pub(super) line: u64,
    pub(super) why: Why,
}

/// One line of the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Its number, from 0.
    pub(super) number: u64,
    /// The id of the event that it becomes.
    pub(super) id: Uuid,
    /// Its bytes, without the end.
    pub(super) bytes: &'a [u8],
}

/// Some whole lines.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Number of the first line.
    first: u64,
    bytes: Vec<u8>,
    lines: Vec<Cut>,
}

/// Where a line ends, its end included, and its id.
#[derive(Clone, Copy, Debug)]
struct Cut {
    end: usize,
    id: Uuid,
}

impl Block {
    /// Number of lines.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The line at this index; `None` behind the last.
    pub(super) fn line(&self, index: usize) -> Option<Line<'_>> {
        let cut = self.lines.get(index)?;
        let bytes = without_end(&self.bytes[self.start(index)..cut.end]);
        Some(Line { number: self.first + index as u64, id: cut.id, bytes })
    }

    /// Bytes of the lines from this index on, their ends included.
    pub(super) fn bytes_from(&self, index: usize) -> u64 {
        (self.bytes.len() - self.start(index)) as u64
    }

    fn start(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.lines[index - 1].end }
    }
}

/// Cuts an input into blocks.
pub(super) struct Cutter {
    source: BufReader<Source>,
    ids: Ids,
    /// Most lines of a block.
    lines_max: usize,
}

impl Cutter {
    pub(super) fn new(source: Source, lines_max: usize) -> Cutter {
        let source = BufReader::with_capacity(READ_BYTES, source);
        Cutter { source, ids: Ids::default(), lines_max }
    }

    /// The next block, in the buffers of a used one; a block without lines at the end of the input.
    pub(super) fn cut(&mut self, mut block: Block) -> Result<Block, Broken> {
        block.first = self.ids.next_line();
        block.bytes.clear();
        block.lines.clear();
        while block.lines.len() < self.lines_max && block.bytes.len() < BLOCK_BYTES {
            let added = self.add_line(&mut block);
            if !added.map_err(|why| Broken { line: self.ids.next_line(), why })? {
                break;
            }
        }
        Ok(block)
    }

    fn add_line(&mut self, block: &mut Block) -> Result<bool, Why> {
        let start = block.bytes.len();
        let mut source = (&mut self.source).take(LINE_BYTES_MAX as u64 + 1);
        let len = source.read_until(b'\n', &mut block.bytes).map_err(Why::Io)?;
        if len > LINE_BYTES_MAX {
            return Err(Why::TooLong);
        }
        if len == 0 {
            return Ok(false);
        }
        let id = self.ids.next(without_end(&block.bytes[start..])).ok_or(Why::TooMany)?;
        block.lines.push(Cut { end: block.bytes.len(), id });
        Ok(true)
    }
}

/// The lines of bytes in memory, without their ends.
pub(super) fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let mut behind = rest;
        // Reading from memory does not fail; this searches with the machine's widest instructions.
        let len = behind.skip_until(b'\n').unwrap_or(0);
        let line = &rest[..len];
        rest = behind;
        (len > 0).then(|| without_end(line))
    })
}

fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

#[cfg(test)]
mod tests;
