//! Where the bytes of an index come from.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use quipu_disk::{Access, Disk, File, Map, read_exact_at};
use quipu_index::Source;

use crate::ReadMode;

/// The bytes of an index file, or of an index that stands in no file.
#[derive(Debug)]
pub(crate) enum Bytes {
    /// A map of all of the file.
    Mapped(Map),
    /// A file and its size.
    Read(Arc<dyn File>, u64),
    /// Made from the log, and in memory only.
    Held(Arc<[u8]>),
}

impl Bytes {
    /// The bytes of the file at `path`.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, mode: ReadMode) -> io::Result<Bytes> {
        let file = disk.open(path, Access::Read)?;
        if mode == ReadMode::Pread {
            let size = file.size()?;
            return Ok(Bytes::Read(file, size));
        }
        let map = file.map()?;
        // A question reads a few pages of a file that may have thousands.
        map.expect_scattered_reads();
        // SAFETY: an index file is complete before it gets its name and never changes under it; another
        // replaces it by a rename, and one that is removed stays under the map.
        #[allow(unsafe_code, reason = "index files never change once they have their name")]
        unsafe {
            map.settle(u64::MAX);
        }
        Ok(Bytes::Mapped(map))
    }
}

/// Largest file that is read into memory as a whole; that of a segment of usual size takes some MiB.
const LOADED_BYTES_MAX: u64 = 256 << 20;

impl Bytes {
    /// The bytes of the file at `path`, read into memory unless it is very large.
    pub(crate) fn load(disk: &dyn Disk, path: &Path) -> io::Result<Bytes> {
        let file = disk.open(path, Access::Read)?;
        let size = file.size()?;
        if size > LOADED_BYTES_MAX {
            return Ok(Bytes::Read(file, size));
        }
        let mut bytes = vec![0; size as usize];
        read_exact_at(&*file, &mut bytes, 0)?;
        Ok(Bytes::Held(Arc::from(bytes)))
    }
}

impl Source for Bytes {
    fn size(&self) -> u64 {
        match self {
            Bytes::Mapped(map) => map.size(),
            Bytes::Read(_, size) => *size,
            Bytes::Held(bytes) => bytes.len() as u64,
        }
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        if range.start > range.end || range.end > self.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match self {
            Bytes::Mapped(map) => {
                map.slice(range).map(Cow::Borrowed).ok_or(io::ErrorKind::UnexpectedEof.into())
            }
            Bytes::Read(file, _) => {
                let mut bytes = vec![0; (range.end - range.start) as usize];
                read_exact_at(&**file, &mut bytes, range.start)?;
                Ok(Cow::Owned(bytes))
            }
            Bytes::Held(bytes) => {
                Ok(Cow::Borrowed(&bytes[range.start as usize..range.end as usize]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_disk::{MemoryDisk, write_all_at};

    #[test]
    fn each_way_of_reading_gives_the_same_bytes_and_none_beyond() {
        let disk = MemoryDisk::new();
        let path = Path::new("index");
        let content: Vec<u8> = (0..100).collect();
        write_all_at(&*disk.open(path, Access::Create).unwrap(), &content, 0).unwrap();
        let mapped = Bytes::open(&disk, path, ReadMode::Map).unwrap();
        let read = Bytes::open(&disk, path, ReadMode::Pread).unwrap();
        for bytes in [mapped, read, Bytes::Held(Arc::from(&content[..]))] {
            assert_eq!(bytes.size(), 100);
            assert_eq!(&*bytes.read(3..100).unwrap(), &content[3..]);
            assert!(bytes.read(50..50).unwrap().is_empty());
            assert!(bytes.read(99..101).is_err() && bytes.read(u64::MAX - 1..u64::MAX).is_err());
        }
    }
}
