//! One file of the simulated disk: what is seen of it, and what the medium holds.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::plan::PowerCut;
use super::random::Random;
use super::tearing::{PAGE_BYTES, torn, units};
use crate::memory::Content;
use crate::threads::Mutex;

/// A file without a name.
pub(super) struct Inode {
    /// Orders files by their creation, so that fates are dealt in the same order every time.
    pub(super) id: u64,
    /// What reads and maps show.
    pub(super) content: Content,
    /// Carries the page that it carried as the power went off, if it carried one: what is stored in memory later is
    /// stored by nobody.
    last_page: OnceLock<Content>,
    medium: Mutex<Medium>,
    /// Bytes that cannot be read.
    bad: Mutex<Vec<Range<usize>>>,
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
        Inode::with(id, content, medium)
    }

    fn with(id: u64, content: Content, medium: Medium) -> Inode {
        let (last_page, bad) = (OnceLock::new(), Mutex::new(Vec::new()));
        Inode { id, content, last_page, medium: Mutex::new(medium), bad }
    }

    /// The same file at another address, with the same bytes at risk.
    pub(super) fn copy(&self) -> Inode {
        let durable = self.medium.lock().durable.share();
        self.copied(self.content.share(), durable)
    }

    /// The same of a file that is used on: what is shared cannot be written under a map.
    pub(super) fn twin(&self) -> io::Result<Inode> {
        let durable = Content::of(&self.medium.lock().durable.copy())?;
        Ok(self.copied(Content::of(&self.content.copy())?, durable))
    }

    fn copied(&self, content: Content, durable: Content) -> Inode {
        self.page().pass_page_to(&content, |word| word);
        let medium = self.medium.lock();
        let (unsynced, written) = (medium.unsynced.clone(), medium.written);
        let copy = Inode::with(self.id, content, Medium { durable, unsynced, written });
        self.pass_bad_to(&copy);
        copy
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

    /// Where the last write went, if it is not durable.
    pub(super) fn last_write(&self) -> Option<Range<u64>> {
        let medium = self.medium.lock();
        let Write { offset, bytes } = medium.unsynced.last()?;
        Some(*offset as u64..(offset + bytes.len()) as u64)
    }

    /// Loses all of the last write but these of its bytes; it is not durable. The file is one that nobody uses.
    pub(super) fn tear_last(&self, kept: Range<u64>) {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let mut medium = self.medium.lock();
        if let Some(write) = medium.unsynced.pop() {
            let end = place(kept.end).min(write.bytes.len());
            let (offset, bytes) = write.part(place(kept.start).min(end)..end);
            medium.unsynced.push(Write { offset, bytes: Arc::from(bytes) });
        }
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

    /// Makes durable any of the pages that are not, and drops the others, as [`Inode::forget`] does.
    pub(super) fn settle_some(&self, random: &mut Random) -> io::Result<()> {
        let mut medium = self.medium.lock();
        let Medium { durable, unsynced, .. } = &mut *medium;
        // A fate for the file as a whole, so that nearly all and nearly nothing come up often as well.
        let kept = random.between(0, 4);
        let mut fates = BTreeMap::new();
        for write in unsynced.drain(..) {
            for part in units(write.offset, write.bytes.len(), PAGE_BYTES) {
                let page = (write.offset + part.start) / PAGE_BYTES;
                if *fates.entry(page).or_insert_with(|| random.quarters(kept)) {
                    let (offset, bytes) = write.part(part);
                    durable.write_at(bytes, offset)?;
                }
            }
        }
        Ok(())
    }

    /// Damages bytes wherever they are: seen, durable and on their way. `harm` is told where in the range the bytes
    /// begin that it gets.
    pub(super) fn damage(
        &self,
        range: Range<usize>,
        harm: impl Fn(usize, &mut [u8]),
    ) -> io::Result<()> {
        if range.start > range.end || range.end > self.content.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        change(&self.content, &range, &harm)?;
        let mut medium = self.medium.lock();
        change(&medium.durable, &range, &harm)?;
        for write in &mut medium.unsynced {
            let part = common(write.bytes.len(), write.offset, &range);
            if part.is_empty() {
                continue;
            }
            let at = (write.offset + part.start).saturating_sub(range.start);
            harm(at, &mut Arc::make_mut(&mut write.bytes)[part]);
        }
        Ok(())
    }

    /// Makes bytes unreadable for good.
    pub(super) fn spoil(&self, range: Range<usize>) -> io::Result<()> {
        if range.is_empty() || range.end > self.content.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.bad.lock().push(range);
        Ok(())
    }

    /// Makes the page unreadable in which a place stands, if the file goes as far.
    pub(super) fn spoil_page(&self, place: usize) -> bool {
        let start = place - place % PAGE_BYTES;
        let end = self.content.size().min(start.saturating_add(PAGE_BYTES));
        place < end && self.spoil(start..end).is_ok()
    }

    /// Everything can be read again.
    pub(super) fn restore(&self) {
        self.bad.lock().clear();
    }

    /// How much of so many bytes from a place on can be read, up to the first that cannot.
    pub(super) fn readable(&self, start: usize, count: usize) -> usize {
        let bad = self.bad.lock();
        let ahead = bad.iter().filter(|bad| start < bad.end);
        ahead.map(|bad| bad.start.saturating_sub(start)).fold(count, usize::min)
    }

    /// What cannot be read of a file cannot be read of what is found of it later.
    pub(super) fn pass_bad_to(&self, other: &Inode) {
        other.bad.lock().clone_from(&self.bad.lock());
    }

    /// The power goes off, or the process ends: what is stored in its page from now on is lost.
    pub(super) fn end_page(&self) {
        if self.content.carries_page() {
            let last = self.last_page.get_or_init(Content::new);
            self.content.pass_page_to(last, |word| word);
        }
    }

    /// Carries the page that others find.
    fn page(&self) -> &Content {
        self.last_page.get().unwrap_or(&self.content)
    }

    /// Gives the file that is found after a power cut what it carries as a page then: its words may be there, or
    /// gone, or some of them gone, or garbage instead.
    pub(super) fn pass_page_to(&self, survivor: &Inode, how: PowerCut, random: &mut Random) {
        let kept = match how {
            PowerCut::LoseAll => 0,
            PowerCut::KeepAll | PowerCut::TearLast(..) => 4,
            PowerCut::Random => random.between(0, 4),
        };
        let fate = |word| match random.quarters(kept) {
            true => word,
            false if how == PowerCut::Random && random.quarters(1) => random.next(),
            false => 0,
        };
        self.page().pass_page_to(&survivor.content, fate);
    }

    /// The bytes found after a power cut.
    pub(super) fn survivor(&self, how: PowerCut, random: &mut Random) -> io::Result<Content> {
        let medium = self.medium.lock();
        let image = medium.durable.share();
        match how {
            PowerCut::LoseAll => {}
            PowerCut::KeepAll | PowerCut::TearLast(..) => {
                medium.unsynced.iter().try_for_each(|write| write.apply(&image))?;
            }
            PowerCut::Random => medium.survive(&image, self.content.size(), random)?,
        }
        Ok(image)
    }
}

impl Medium {
    /// Adds to an image any of the unsynced writes, in any order, torn or whole, and any part of the size that was
    /// seen. What no write fills of that is zeros, or what stood there on the medium before.
    fn survive(&self, image: &Content, seen: usize, random: &mut Random) -> io::Result<()> {
        // A fate for the file as a whole, so that all and nothing come up often as well.
        let kept = random.between(0, 4);
        let mut writes: Vec<&Write> =
            self.unsynced.iter().filter(|_| random.quarters(kept)).collect();
        random.shuffle(&mut writes);
        let mut parts = Vec::with_capacity(writes.len());
        for write in writes {
            let whole = std::iter::once(0..write.bytes.len());
            match random.coin() {
                true => parts.extend(whole.map(|part| write.part(part))),
                false => {
                    let torn = torn(write.offset, write.bytes.len(), random);
                    parts.extend(torn.into_iter().map(|part| write.part(part)));
                }
            }
        }
        let durable = image.size();
        let mut size = durable;
        if size < seen && random.coin() {
            size = random.between(size, seen);
        }
        let ends = parts.iter().map(|(offset, bytes)| offset + bytes.len());
        size = ends.fold(size, usize::max);
        if size > durable && random.quarters(1) {
            let mut garbage = vec![0; size - durable];
            random.fill(&mut garbage);
            image.write_at(&garbage, durable)?;
        }
        image.extend(size)?;
        parts.into_iter().try_for_each(|(offset, bytes)| image.write_at(bytes, offset))
    }
}

impl Write {
    fn apply(&self, image: &Content) -> io::Result<()> {
        image.write_at(&self.bytes, self.offset)
    }

    /// A part of it, and where that goes.
    fn part(&self, part: Range<usize>) -> (usize, &[u8]) {
        (self.offset + part.start, &self.bytes[part])
    }
}

/// Changes what there is of a range.
fn change(
    content: &Content,
    range: &Range<usize>,
    change: impl Fn(usize, &mut [u8]),
) -> io::Result<()> {
    let range = common(content.size(), 0, range);
    let mut bytes = vec![0; range.len()];
    content.read_at(&mut bytes, range.start);
    change(0, &mut bytes);
    content.write_at(&bytes, range.start)
}

/// The part of `length` bytes, which begin at `offset` of a file, that lies in `range` of that file.
fn common(length: usize, offset: usize, range: &Range<usize>) -> Range<usize> {
    let start = range.start.saturating_sub(offset).min(length);
    let end = range.end.saturating_sub(offset).min(length);
    start..end
}
