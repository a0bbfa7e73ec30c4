//! The input as lines that are looked at and then taken.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use super::lines::{Block, Broken, Cutter, LINE_BYTES_MAX, Line, Why};
use super::source::{Meter, Source, decompressed};
use crate::failure::Failure;

/// Blocks read ahead.
const BLOCKS: usize = 4;

/// Lines of a block where an input is only looked at.
const LINES_AGAIN: u32 = 1_000;

/// The lines of an input, which a thread of its own reads.
#[derive(Debug)]
pub(crate) struct Input {
    full: Receiver<Result<Block, Broken>>,
    empty: Sender<Block>,
    meter: Meter,
    /// The file that it is read from, if it can be read again, and its bytes.
    file: Option<(PathBuf, u64)>,
    block: Block,
    /// Index in the block of the line that comes next.
    at: usize,
    /// Lines taken.
    taken: u64,
    ended: bool,
}

impl Input {
    /// The lines of a file, in blocks of at most this many.
    pub(crate) fn open(path: &Path, lines_max: u32) -> Result<Input, Failure> {
        let refused = |error: io::Error| Failure::file("open", path, &error);
        let file = File::open(path).map_err(refused)?;
        let metadata = file.metadata().map_err(refused)?;
        if metadata.is_dir() {
            return Err(refused(io::ErrorKind::IsADirectory.into()));
        }
        let mut input = Input::of(Box::new(file), lines_max).map_err(refused)?;
        input.file = metadata.is_file().then(|| (path.to_owned(), metadata.len()));
        Ok(input)
    }

    /// The lines of any source, compressed or not.
    pub(crate) fn of(source: Source, lines_max: u32) -> io::Result<Input> {
        let (source, meter) = decompressed(source)?;
        let (full_in, full) = sync_channel(BLOCKS);
        let (empty, empty_out) = channel();
        let cutter = Cutter::new(source, lines_max as usize);
        thread::Builder::new()
            .name("quipu-read".to_owned())
            .spawn(move || read(cutter, &full_in, &empty_out))?;
        let block = Block::default();
        Ok(Input { full, empty, meter, file: None, block, at: 0, taken: 0, ended: false })
    }

    /// Bytes of the input as it is on disk, if that is known.
    pub(crate) fn total_bytes(&self) -> Option<u64> {
        self.file.as_ref().map(|(_, bytes)| *bytes)
    }

    /// The same input from its first line on, if it can be read a second time.
    pub(super) fn again(&self) -> Result<Option<Input>, Failure> {
        self.file.as_ref().map(|(path, _)| Input::open(path, LINES_AGAIN)).transpose()
    }

    /// Tells, also from elsewhere, how many of those have been read.
    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// Number of lines taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// The next line, which stays the next one until it is taken.
    pub(super) fn peek(&mut self) -> Result<Option<Line<'_>>, Failure> {
        self.fill()?;
        Ok(self.block.line(self.at))
    }

    /// Takes the line that was looked at.
    pub(super) fn advance(&mut self) {
        if self.at < self.block.len() {
            self.at += 1;
            self.taken += 1;
        }
    }

    /// The lines that are left of a block, and their bytes; no line at the end of the input. They are
    /// taken by [`Input::take_batch`].
    pub(super) fn batch(&mut self) -> Result<(impl Iterator<Item = Line<'_>>, u64), Failure> {
        self.fill()?;
        let lines = (self.at..self.block.len()).filter_map(|index| self.block.line(index));
        Ok((lines, self.block.bytes_from(self.at)))
    }

    /// Takes the lines that are left of the block.
    pub(super) fn take_batch(&mut self) {
        self.taken += (self.block.len() - self.at) as u64;
        self.at = self.block.len();
    }

    /// Sees to it that there is a next line, if there is any.
    fn fill(&mut self) -> Result<(), Failure> {
        if self.at < self.block.len() || self.ended {
            return Ok(());
        }
        self.ended = true;
        let block = match self.full.recv() {
            Ok(block) => block.map_err(|broken| refused(&broken))?,
            Err(_) => {
                return Err(Failure::new(
                    "internal",
                    "the thread that reads the input is gone",
                    "import again with --resume",
                ));
            }
        };
        self.ended = block.len() == 0;
        self.at = 0;
        // A reader that has come to the end wants no more buffers.
        let _ended = self.empty.send(std::mem::replace(&mut self.block, block));
        Ok(())
    }
}

/// The reading thread: cuts blocks until the input ends or nobody wants them any more.
fn read(mut cutter: Cutter, full: &SyncSender<Result<Block, Broken>>, empty: &Receiver<Block>) {
    loop {
        let block = cutter.cut(empty.try_recv().unwrap_or_default());
        let last = block.as_ref().map_or(true, |block| block.len() == 0);
        if full.send(block).is_err() || last {
            return;
        }
    }
}

fn refused(broken: &Broken) -> Failure {
    let (code, why) = match &broken.why {
        Why::Io(error) => ("file", format!("the input cannot be read: {error}")),
        Why::TooLong => ("bad-line", format!("longer than {} MiB", LINE_BYTES_MAX >> 20)),
        Why::TooMany => ("bad-line", "more lines than an import can number".to_owned()),
    };
    let number = broken.line + 1;
    Failure::new(code, format!("line {number}: {why}"), "check the input").detail("line", number)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn lines_are_looked_at_taken_and_batched() {
        let text = b"a\nb\nc\nd\n".to_vec();
        let mut input = Input::of(Box::new(Cursor::new(text)), 3).unwrap();
        let first = input.peek().unwrap().map(|line| line.id);
        assert_eq!(input.peek().unwrap().map(|line| line.id), first);
        assert_eq!(input.taken(), 0);
        input.advance();
        let (lines, bytes) = input.batch().unwrap();
        assert_eq!(lines.map(|line| line.bytes.to_vec()).collect::<Vec<_>>(), [b"b", b"c"]);
        assert_eq!(bytes, 4);
        input.take_batch();
        assert_eq!(input.taken(), 3);
        assert_eq!(input.peek().unwrap().map(|line| line.number), Some(3));
        input.advance();
        for _ in 0..2 {
            assert!(input.peek().unwrap().is_none());
            assert_eq!(input.batch().unwrap().0.count(), 0);
        }
        assert_eq!(input.taken(), 4);
    }

    #[test]
    fn compressed_input_is_recognised_by_its_content() {
        let text = b"a\nb\n".repeat(1_000);
        let whole = zstd::encode_all(&text[..], 1).unwrap();
        let twice = [zstd::encode_all(&text[..2], 1).unwrap(), whole.clone()].concat();
        for (bytes, lines) in [(text, 2_000), (whole, 2_000), (twice, 2_001)] {
            let mut input = Input::of(Box::new(Cursor::new(bytes)), 7).unwrap();
            while input.peek().unwrap().is_some() {
                input.advance();
            }
            assert_eq!(input.taken(), lines);
        }
    }

    #[test]
    fn compressed_input_that_was_cut_off_is_an_error() {
        let mut bytes = zstd::encode_all(&b"a line\n".repeat(100_000)[..], 1).unwrap();
        bytes.truncate(bytes.len() - 3);
        let mut input = Input::of(Box::new(Cursor::new(bytes)), 7).unwrap();
        let failure = loop {
            match input.peek() {
                Ok(Some(_)) => input.advance(),
                Ok(None) => panic!("taken as whole"),
                Err(failure) => break failure,
            }
        };
        assert_eq!(failure.code, "file");
    }
}
