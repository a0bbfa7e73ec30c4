//! One file of the simulated disk: what is seen of it, and what the medium holds.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::plan::PowerCut;
use super::random::Random;
use crate::memory::Content;

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
    /// What a power cut cannot take away. Shared with the disk after a cut until either writes, since
    /// most files of a simulation are idle.
    durable: Arc<Vec<u8>>,
    /// What was written since the last sync, in order.
    unsynced: Vec<Write>,
    /// Writes ever made; the number of the next one. The first of `unsynced` has the number
    /// `written - unsynced.len()`.
    written: u64,
}

#[derive(Clone)]
struct Write {
    offset: usize,
    bytes: Vec<u8>,
}

/// A moment in the life of a file: all that had been written by then.
#[derive(Clone, Copy)]
pub(super) struct Mark(u64);

impl Inode {
    /// An empty file.
    pub(super) fn new(id: u64) -> Inode {
        let medium = Medium { durable: Arc::default(), unsynced: Vec::new(), written: 0 };
        Inode { id, content: Content::new(), medium: Mutex::new(medium) }
    }

    /// A file that is wholly durable.
    pub(super) fn durable(id: u64, image: Arc<Vec<u8>>) -> io::Result<Inode> {
        let inode = Inode::new(id);
        inode.content.write_at(&image, 0)?;
        inode.medium.lock().durable = image;
        Ok(inode)
    }

    /// The same file at another address, with the same bytes at risk.
    pub(super) fn copy(&self) -> io::Result<Inode> {
        let copy = Inode::new(self.id);
        copy.content.write_at(&self.content.copy(), 0)?;
        self.content.pass_page_to(&copy.content, |word| word);
        {
            let (from, mut to) = (self.medium.lock(), copy.medium.lock());
            to.durable = Arc::clone(&from.durable);
            to.unsynced.clone_from(&from.unsynced);
            to.written = from.written;
        }
        Ok(copy)
    }

    /// Writes bytes that are seen at once and not durable yet.
    pub(super) fn write(&self, bytes: &[u8], offset: usize) -> io::Result<()> {
        self.content.write_at(bytes, offset)?;
        if !bytes.is_empty() {
            let mut medium = self.medium.lock();
            medium.unsynced.push(Write { offset, bytes: bytes.to_vec() });
            medium.written += 1;
        }
        Ok(())
    }

    /// This moment.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.medium.lock().written)
    }

    /// Makes durable what had been written at `mark` and was not forgotten since.
    pub(super) fn settle(&self, mark: Mark) {
        let mut medium = self.medium.lock();
        let Medium { durable, unsynced, written } = &mut *medium;
        let first = *written - unsynced.len() as u64;
        let count = usize::try_from(mark.0.saturating_sub(first)).unwrap_or(usize::MAX);
        for write in unsynced.drain(..count.min(unsynced.len())) {
            write.apply(Arc::make_mut(durable));
        }
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
        let mut seen = vec![0; range.len()];
        self.content.read_at(&mut seen, range.start);
        harm(&mut seen);
        self.content.write_at(&seen, range.start)?;
        let mut medium = self.medium.lock();
        let durable: &mut Vec<u8> = Arc::make_mut(&mut medium.durable);
        harm(common(durable, 0, &range));
        for write in &mut medium.unsynced {
            harm(common(&mut write.bytes, write.offset, &range));
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
    pub(super) fn survivor(&self, how: PowerCut, random: &mut Random) -> Arc<Vec<u8>> {
        let medium = self.medium.lock();
        let mut image = Arc::clone(&medium.durable);
        match how {
            PowerCut::LoseAll => {}
            PowerCut::KeepAll => {
                for write in &medium.unsynced {
                    write.apply(Arc::make_mut(&mut image));
                }
            }
            PowerCut::Random => medium.survive(&mut image, self.content.size(), random),
        }
        image
    }
}

impl Medium {
    /// Adds to an image any of the unsynced writes, in any order, torn or whole, and any part of the
    /// size that was seen.
    fn survive(&self, image: &mut Arc<Vec<u8>>, seen: usize, random: &mut Random) {
        // A fate for the file as a whole, so that all and nothing come up often as well.
        let kept = random.between(0, 4);
        let mut writes: Vec<&Write> =
            self.unsynced.iter().filter(|_| random.quarters(kept)).collect();
        random.shuffle(&mut writes);
        for write in writes {
            if random.coin() {
                write.apply(Arc::make_mut(image));
            } else {
                write.apply_torn(Arc::make_mut(image), random);
            }
        }
        if image.len() < seen && random.coin() {
            let size = random.between(image.len(), seen);
            Arc::make_mut(image).resize(size, 0);
        }
    }
}

impl Write {
    fn apply(&self, image: &mut Vec<u8>) {
        overwrite(image, self.offset, &self.bytes);
    }

    /// Applies any of the sectors, and of some only a prefix.
    fn apply_torn(&self, image: &mut Vec<u8>, random: &mut Random) {
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
            overwrite(image, start, &sector[..kept]);
        }
    }
}

/// Puts bytes into an image, which grows as needed, with zeros in the gap.
fn overwrite(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if image.len() < offset {
        image.resize(offset, 0);
    }
    let inside = bytes.len().min(image.len() - offset);
    image[offset..offset + inside].copy_from_slice(&bytes[..inside]);
    image.extend_from_slice(&bytes[inside..]);
}

/// The part of `bytes`, which begin at `offset` of a file, that lies in `range` of that file.
fn common<'a>(bytes: &'a mut [u8], offset: usize, range: &Range<usize>) -> &'a mut [u8] {
    let start = range.start.saturating_sub(offset).min(bytes.len());
    let end = range.end.saturating_sub(offset).min(bytes.len());
    &mut bytes[start..end]
}
