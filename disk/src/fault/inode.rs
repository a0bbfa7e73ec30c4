//! One file of the simulated disk: what is seen of it, and what the medium holds.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::plan::PowerCut;
use super::random::Random;
use crate::memory::Content;
use crate::threads::Mutex;

/// The unit in which a medium tears writes.
const SECTOR_BYTES: usize = 512;

/// A file without a name.
pub(super) struct Inode {
    /// Orders files by their creation, so that fates are dealt in the same order every time.
    pub(super) id: u64,
    /// What reads and maps show.
    pub(super) content: Content,
    medium: Mutex<Medium>,
}

/// What is on the medium, and what is on its way there.
struct Medium {
    /// What a power cut cannot take away. Shared with what is seen until either is written, since most files
    /// of a simulation are idle.
    durable: Content,
    /// What was written since the last sync, in order.
    unsynced: Vec<Write>,
    /// Writes ever made; the number of the next one. The first of `unsynced` has the number
    /// `written - unsynced.len()`.
    written: u64,
}

#[derive(Clone)]
struct Write {
    offset: usize,
    bytes: Arc<[u8]>,
}

/// A moment in the life of a file: all that had been written by then.
#[derive(Clone, Copy)]
pub(super) struct Mark(u64);

impl Inode {
    /// An empty file.
    pub(super) fn new(id: u64) -> Inode {
        Inode::durable(id, Content::new())
    }

    /// A file that is wholly durable.
    pub(super) fn durable(id: u64, content: Content) -> Inode {
        let durable = content.share();
        let medium = Medium { durable, unsynced: Vec::new(), written: 0 };
        Inode { id, content, medium: Mutex::new(medium) }
    }

    /// The same file at another address, with the same bytes at risk.
    pub(super) fn copy(&self) -> Inode {
        let content = self.content.share();
        self.content.pass_page_to(&content, |word| word);
        let medium = self.medium.lock();
        let copy = Medium {
            durable: medium.durable.share(),
            unsynced: medium.unsynced.clone(),
            written: medium.written,
        };
        Inode { id: self.id, content, medium: Mutex::new(copy) }
    }

    /// Writes bytes that are seen at once and not durable yet.
    pub(super) fn write(&self, bytes: &[u8], offset: usize) -> io::Result<()> {
        self.content.write_at(bytes, offset)?;
        if !bytes.is_empty() {
            let mut medium = self.medium.lock();
            medium.unsynced.push(Write { offset, bytes: Arc::from(bytes) });
            medium.written += 1;
        }
        Ok(())
    }

    /// This moment.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.medium.lock().written)
    }

    /// Makes durable what had been written at `mark` and was not forgotten since.
    pub(super) fn settle(&self, mark: Mark) -> io::Result<()> {
        let mut medium = self.medium.lock();
        let Medium { durable, unsynced, written } = &mut *medium;
        let is_new = durable.size() == 0;
        let first = *written - unsynced.len() as u64;
        let count = usize::try_from(mark.0.saturating_sub(first)).unwrap_or(usize::MAX);
        // All of a new file: most are complete then, and never written again.
        if is_new
            && first == 0
            && (1..=count).contains(&unsynced.len())
            && let Some(same) = self.content.share_unmapped()
        {
            *durable = same;
            unsynced.clear();
            return Ok(());
        }
        unsynced.drain(..count.min(unsynced.len())).try_for_each(|write| write.apply(durable))
    }

    /// Drops what is not durable, as Linux does after a failed sync: it is still seen, and lost.
    pub(super) fn forget(&self) {
        self.medium.lock().unsynced.clear();
    }

    /// Damages bytes wherever they are: seen, durable and on their way.
    pub(super) fn damage(&self, range: Range<usize>, harm: impl Fn(&mut [u8])) -> io::Result<()> {
        if range.start > range.end || range.end > self.content.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        change(&self.content, &range, &harm)?;
        let mut medium = self.medium.lock();
        change(&medium.durable, &range, &harm)?;
        for write in &mut medium.unsynced {
            let part = common(write.bytes.len(), write.offset, &range);
            harm(&mut Arc::make_mut(&mut write.bytes)[part]);
        }
        Ok(())
    }

    /// Gives the file that is found after a power cut what it carries as a page then: its words may be there,
    /// gone, or some of them gone.
    pub(super) fn pass_page_to(&self, survivor: &Inode, how: PowerCut, random: &mut Random) {
        let kept = match how {
            PowerCut::LoseAll => 0,
            PowerCut::KeepAll => 4,
            PowerCut::Random => random.between(0, 4),
        };
        let fate = |word| if random.quarters(kept) { word } else { 0 };
        self.content.pass_page_to(&survivor.content, fate);
    }

    /// The bytes found after a power cut.
    pub(super) fn survivor(&self, how: PowerCut, random: &mut Random) -> io::Result<Content> {
        let medium = self.medium.lock();
        let image = medium.durable.share();
        match how {
            PowerCut::LoseAll => {}
            PowerCut::KeepAll => {
                medium.unsynced.iter().try_for_each(|write| write.apply(&image))?;
            }
            PowerCut::Random => medium.survive(&image, self.content.size(), random)?,
        }
        Ok(image)
    }
}

impl Medium {
    /// Adds to an image any of the unsynced writes, in any order, torn or whole, and any part of the
    /// size that was seen.
    fn survive(&self, image: &Content, seen: usize, random: &mut Random) -> io::Result<()> {
        // A fate for the file as a whole, so that all and nothing come up often as well.
        let kept = random.between(0, 4);
        let mut writes: Vec<&Write> =
            self.unsynced.iter().filter(|_| random.quarters(kept)).collect();
        random.shuffle(&mut writes);
        for write in writes {
            if random.coin() { write.apply(image) } else { write.apply_torn(image, random) }?;
        }
        if image.size() < seen && random.coin() {
            image.extend(random.between(image.size(), seen))?;
        }
        Ok(())
    }
}

impl Write {
    fn apply(&self, image: &Content) -> io::Result<()> {
        image.write_at(&self.bytes, self.offset)
    }

    /// Applies any of the sectors, and of some only a prefix.
    fn apply_torn(&self, image: &Content, random: &mut Random) -> io::Result<()> {
        let mut done = 0;
        while done < self.bytes.len() {
            let start = self.offset + done;
            let in_sector = SECTOR_BYTES - start % SECTOR_BYTES;
            let sector = &self.bytes[done..self.bytes.len().min(done + in_sector)];
            done += sector.len();
            let kept = match random.below(8) {
                0..3 => 0,
                3 => random.below(sector.len()),
                _ => sector.len(),
            };
            image.write_at(&sector[..kept], start)?;
        }
        Ok(())
    }
}

/// Changes what there is of a range.
fn change(content: &Content, range: &Range<usize>, change: impl Fn(&mut [u8])) -> io::Result<()> {
    let range = common(content.size(), 0, range);
    let mut bytes = vec![0; range.len()];
    content.read_at(&mut bytes, range.start);
    change(&mut bytes);
    content.write_at(&bytes, range.start)
}

/// The part of `length` bytes, which begin at `offset` of a file, that lies in `range` of that file.
fn common(length: usize, offset: usize, range: &Range<usize>) -> Range<usize> {
    let start = range.start.saturating_sub(offset).min(length);
    let end = range.end.saturating_sub(offset).min(length);
    start..end
}
