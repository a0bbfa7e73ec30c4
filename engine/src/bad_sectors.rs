//! A disk with bad sectors, read as far as it can be.
//!
//! Who looks for damage must not end at the first page that the medium does not give back, nor must who only wants to
//! read the rest. Through this disk such a page reads as zeros, like a sector that was zeroed: nothing that had bytes of
//! its own there sums up any more. Which pages they are is kept, because zeros may also stand where zeros were.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quipu_disk::threads::{AtomicBool, Mutex, Ordering};
use quipu_disk::{Access, Disk, File, Lock, Map, Page, is_unreadable, read_exact_at};
use quipu_format::PAGE_BYTES;

use crate::directory::Directory;

/// Pieces that are kept in mind. A medium that has more of them ends what is done with its own error.
const PIECES_MAX: usize = 10_000;

/// A part of a file that the system could not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The file.
    pub file: PathBuf,
    /// Where the part begins.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
    /// What the system said.
    pub error: String,
}

/// Another disk, of which what cannot be read is zeros. It is only read through this.
#[derive(Debug)]
pub(crate) struct BadSectors<D> {
    disk: D,
    purpose: Purpose,
    found: Arc<Found>,
}

/// What for bad sectors are read around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To find out what is left, of every file. A page is asked for once: a dying disk takes its time to say no.
    Search,
    /// To serve events for as long as a program runs. A page is asked for each time, as it may come back; and only those
    /// of segments are read around: of half a manifest nobody would learn what it has lost. Once the store is open, those
    /// that were met by then and no others: they may be read a moment later.
    Service,
}

/// The pieces of a file that cannot be read, by where they begin: their ends, and what the system said.
type Pieces = BTreeMap<u64, (u64, String)>;

/// What was found so far, by file.
#[derive(Debug, Default)]
struct Found {
    pieces: Mutex<BTreeMap<PathBuf, Pieces>>,
    /// There come no more: whatever else cannot be read is an error.
    is_settled: AtomicBool,
}

impl<D> BadSectors<D> {
    /// For who looks for what is left.
    pub(crate) fn new(disk: D) -> BadSectors<D> {
        BadSectors { disk, purpose: Purpose::Search, found: Arc::default() }
    }

    /// For who serves events: around the bad sectors of segments.
    pub(crate) fn of_segments(disk: D) -> BadSectors<D> {
        BadSectors { disk, purpose: Purpose::Service, found: Arc::default() }
    }

    /// From now on whatever else cannot be read is an error.
    pub(crate) fn settle(&self) {
        self.found.is_settled.store(true, Ordering::Relaxed);
    }

    /// All that could not be read, by file and offset.
    pub(crate) fn found(&self) -> Vec<Unreadable> {
        let found = self.found.pieces.lock();
        let pieces = found.iter().flat_map(|(file, pieces)| {
            pieces.iter().map(|(&offset, (end, error))| Unreadable {
                file: file.clone(),
                offset,
                bytes: end - offset,
                error: error.clone(),
            })
        });
        pieces.collect()
    }
}

impl Found {
    fn touches(&self, file: &Path, range: Range<u64>) -> bool {
        let found = self.pieces.lock();
        let before = found.get(file).and_then(|pieces| pieces.range(..range.end).next_back());
        before.is_some_and(|(_, (end, _))| *end > range.start)
    }

    /// Keeps a piece in mind, as one with what stands right before and behind it.
    ///
    /// # Errors
    /// The error itself, if there are too many, or no more may come.
    fn add(&self, file: &Path, range: Range<u64>, error: io::Error) -> io::Result<()> {
        if self.is_settled.load(Ordering::Relaxed) {
            return if self.touches(file, range) { Ok(()) } else { Err(error) };
        }
        let mut found = self.pieces.lock();
        if found.values().map(BTreeMap::len).sum::<usize>() >= PIECES_MAX {
            return Err(error);
        }
        let (mut start, mut end) = (range.start, range.end);
        let pieces = found.entry(file.to_owned()).or_default();
        if let Some((&before, (until, _))) = pieces.range(..=start).next_back()
            && *until >= start
        {
            (start, end) = (before, end.max(*until));
        }
        if let Some((until, _)) = pieces.remove(&range.end) {
            end = until;
        }
        pieces.insert(start, (end, error.to_string()));
        Ok(())
    }
}

impl<'d, D> Disk for BadSectors<D>
where
    D: Deref<Target = dyn Disk + 'd> + Send + Sync + Debug,
{
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let file = self.disk.open(path, access)?;
        if self.purpose == Purpose::Service && Directory::segment_in(path).is_none() {
            return Ok(file);
        }
        let (path, purpose, found) = (path.to_owned(), self.purpose, Arc::clone(&self.found));
        Ok(Arc::new(Paged { file, path, purpose, found }))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.disk.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.create_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_directory(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        self.disk.lock(path)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.disk.is_locked(path)
    }

    fn page(&self, path: &Path, access: Access) -> io::Result<Page> {
        self.disk.page(path, access)
    }

    fn now(&self) -> u64 {
        self.disk.now()
    }

    fn elapsed(&self) -> Duration {
        self.disk.elapsed()
    }

    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.disk.fill_random(bytes)
    }
}

/// A file that is read page by page where it cannot be read at once.
#[derive(Debug)]
struct Paged {
    file: Arc<dyn File>,
    path: PathBuf,
    purpose: Purpose,
    found: Arc<Found>,
}

impl Paged {
    /// Whether nobody asks for these bytes any more.
    fn is_given_up(&self, range: Range<u64>) -> bool {
        self.purpose == Purpose::Search && self.found.touches(&self.path, range)
    }

    /// Reads page by page.
    fn read_pages(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let size = self.file.size()?;
        let count = (bytes.len() as u64).min(size.saturating_sub(offset)) as usize;
        let mut done = 0;
        while done < count {
            let at = offset + done as u64;
            let start = at - at % PAGE_BYTES;
            let page = start..size.min(start + PAGE_BYTES);
            let length = (count - done).min((page.end - at) as usize);
            self.read_page(&mut bytes[done..done + length], at, page)?;
            done += length;
        }
        Ok(count)
    }

    fn read_page(&self, bytes: &mut [u8], at: u64, page: Range<u64>) -> io::Result<()> {
        if !self.is_given_up(page.clone()) {
            match read_exact_at(&*self.file, bytes, at) {
                Err(error) if is_unreadable(&error) => self.found.add(&self.path, page, error)?,
                read => return read,
            }
        }
        bytes.fill(0);
        Ok(())
    }
}

impl File for Paged {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = offset.saturating_add(bytes.len() as u64);
        if !self.is_given_up(offset..end) {
            match self.file.read_at(bytes, offset) {
                Err(error) if is_unreadable(&error) => {}
                read => return read,
            }
        }
        self.read_pages(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn map(&self) -> io::Result<Map> {
        self.file.map()
    }
}

#[cfg(test)]
mod tests {
    use quipu_disk::FaultDisk;

    use super::*;

    const PAGE: u64 = PAGE_BYTES;

    #[test]
    fn what_cannot_be_read_is_zeros_and_told_once_and_the_rest_is_there() {
        let disk = FaultDisk::new(1);
        let path = Path::new("/f");
        let bytes: Vec<u8> = (0..10 * PAGE + 100).map(|at| (at % 251) as u8 + 1).collect();
        disk.put(path, &bytes).unwrap();
        let mut expected = bytes;
        // A page is what the system reads of a medium.
        for pages in [5..6, 1..3, 10..11] {
            let end = (pages.end * PAGE).min(expected.len() as u64);
            disk.spoil(path, pages.start * PAGE..end).unwrap();
            expected[(pages.start * PAGE) as usize..end as usize].fill(0);
        }
        let pieces = [(PAGE, 2 * PAGE), (5 * PAGE, PAGE), (10 * PAGE, 100)];
        for step in [1, 100, 4096, 5000, 40_000, 100_000] {
            let patient = BadSectors::new(&disk as &dyn Disk);
            let file = patient.open(path, Access::Read).unwrap();
            let mut read = vec![9; expected.len()];
            for start in (0..read.len()).step_by(step).collect::<Vec<_>>().into_iter().rev() {
                let end = (start + step).min(read.len());
                read_exact_at(&*file, &mut read[start..end], start as u64).unwrap();
            }
            assert!(read == expected, "{step}");
            let found: Vec<_> = patient.found().iter().map(|it| (it.offset, it.bytes)).collect();
            assert_eq!(found, pieces, "{step}");
            assert_eq!(file.read_at(&mut [0; 9], expected.len() as u64).unwrap(), 0);
        }
    }

    /// Its page is bad when it is first asked for, and good from then on.
    #[derive(Debug, Default)]
    struct Moody(AtomicBool);

    impl File for Moody {
        fn size(&self) -> io::Result<u64> {
            Ok(PAGE)
        }

        fn read_at(&self, bytes: &mut [u8], _offset: u64) -> io::Result<usize> {
            if !self.0.load(Ordering::Relaxed) {
                return Err(io::Error::from_raw_os_error(5));
            }
            bytes.fill(1);
            Ok(bytes.len())
        }

        fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn sync_data(&self) -> io::Result<()> {
            Ok(())
        }

        fn map(&self) -> io::Result<Map> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    #[test]
    fn a_page_that_comes_back_is_served_and_not_looked_for() {
        for (purpose, later) in [(Purpose::Search, 0), (Purpose::Service, 1)] {
            let moody = Arc::new(Moody::default());
            let file = Arc::clone(&moody) as Arc<dyn File>;
            let paged = Paged { file, path: "f".into(), purpose, found: Arc::default() };
            let read = || {
                let mut bytes = [9; 40];
                read_exact_at(&paged, &mut bytes, 3).unwrap();
                bytes
            };
            assert_eq!(read(), [0; 40], "{purpose:?}");
            moody.0.store(true, Ordering::Relaxed);
            assert_eq!(read(), [later; 40], "{purpose:?}");
        }
    }

    /// It may be read a moment later, and what stands in it is not to be passed over.
    #[test]
    fn a_page_that_goes_bad_once_the_store_is_open_is_an_error() {
        let disk = FaultDisk::new(1);
        let path = Path::new("/0000000001.seg");
        disk.put(path, &[7; 4 * PAGE_BYTES as usize]).unwrap();
        disk.spoil(path, PAGE..2 * PAGE).unwrap();
        let around = BadSectors::of_segments(&disk as &dyn Disk);
        let file = around.open(path, Access::Read).unwrap();
        let read = |page: u64| {
            let mut bytes = [9; PAGE_BYTES as usize];
            read_exact_at(&*file, &mut bytes, page * PAGE).map(|()| bytes[0])
        };
        assert_eq!((read(0).unwrap(), read(1).unwrap()), (7, 0));
        around.settle();
        disk.spoil(path, 2 * PAGE..3 * PAGE).unwrap();
        assert_eq!((read(1).unwrap(), read(3).unwrap()), (0, 7));
        assert!(is_unreadable(&read(2).unwrap_err()));
        assert_eq!(around.found().len(), 1);
    }
}
