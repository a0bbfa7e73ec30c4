//! Reading the manifest, and telling an edit that was never finished from one that has been damaged.

use std::io;
use std::ops::RangeBounds;

use quipu_disk::{Access, Disk, read_exact_at};
use quipu_format::checksum::Place;
use quipu_format::features::Use;
use quipu_format::limits::MANIFEST_BYTES_MAX;
use quipu_format::manifest::{Edit, FIRST_EDIT, MAGIC, ManifestHeader};
use quipu_format::{ByteOffset, FormatError, UNIT_BYTES};

use super::{EDIT_BYTES_USUAL, Listing, SECTOR_BYTES};
use crate::directory::{Directory, Role};
use crate::zeros::first_nonzero;
use crate::{Error, ErrorKind, Result};

/// A manifest as read.
pub(crate) struct Loaded {
    pub(crate) header: ManifestHeader,
    pub(crate) permit: Use,
    pub(crate) listing: Listing,
    /// Where the next edit goes, and its number.
    pub(crate) end: ByteOffset,
    pub(super) next_number: u64,
    /// Size of the file.
    pub(super) size: u64,
    /// The last edits, from the beginning of a sector on.
    pub(super) last: Vec<u8>,
    /// First unit after the last edit that is not zero, if any: an edit that was never finished, or
    /// damage.
    pub(crate) rest: Option<ByteOffset>,
    /// What is damaged of the edits, if anything is.
    pub(crate) damage: Option<Wrong>,
}

/// Where the edits are damaged, and how that shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrong {
    pub(crate) at: ByteOffset,
    pub(crate) what: &'static str,
}

/// Reads the manifest. `None` where there is none.
///
/// # Errors
/// [`ErrorKind::NoStore`] if the file is none of Quipu's; [`ErrorKind::Damaged`] if its header is damaged;
/// [`ErrorKind::Unsupported`]; errors of the system.
pub(crate) fn load(disk: &dyn Disk, directory: &Directory) -> Result<Option<Loaded>> {
    load_within(disk, directory, MANIFEST_BYTES_MAX)
}

/// The same of a manifest of at most so many bytes.
pub(super) fn load_within(
    disk: &dyn Disk,
    directory: &Directory,
    bytes_max: u64,
) -> Result<Option<Loaded>> {
    let path = directory.manifest();
    let file = match disk.open(&path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("opening", &path, error)),
    };
    let size = file.size().map_err(|error| Error::io("reading", &path, error))?;
    if size > bytes_max {
        return Err(Error::format(&path, ByteOffset(0), &FormatError::Invalid("manifest size")));
    }
    let mut bytes = vec![0; size as usize];
    read_exact_at(&*file, &mut bytes, 0).map_err(|error| Error::io("reading", &path, error))?;
    let header = match ManifestHeader::decode(&bytes) {
        Ok(header) => header,
        Err(error) => {
            let names = disk.list(directory.path());
            let names = names.map_err(|error| Error::io("listing", directory.path(), error))?;
            refuse_foreign(disk, directory, &names)?;
            return Err(Error::format(&path, ByteOffset(0), &error));
        }
    };
    let permit =
        header.features.permit().map_err(|error| Error::format(&path, ByteOffset(0), &error))?;
    let mut loaded = Loaded {
        header,
        permit,
        listing: Listing::default(),
        end: FIRST_EDIT,
        next_number: 1,
        size,
        last: Vec::new(),
        rest: None,
        damage: None,
    };
    loaded.read_edits(&bytes).map_err(|error| Error::format(&path, loaded.end, &error))?;
    Ok(Some(loaded))
}

/// Refuses a directory of these files if its manifest is that of something else: it does not begin as one of Quipu's
/// does, and there is no segment either.
pub(crate) fn refuse_foreign(
    disk: &dyn Disk,
    directory: &Directory,
    names: &[String],
) -> Result<()> {
    let path = directory.manifest();
    if names.iter().any(|name| matches!(Directory::role(name), Role::Segment(_))) {
        return Ok(());
    }
    let mut begin = [0; MAGIC.len()];
    let read = disk.open(&path, Access::Read).and_then(|file| read_exact_at(&*file, &mut begin, 0));
    match read {
        Ok(()) if begin == MAGIC => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            Err(Error::io("reading", &path, error))
        }
        _ => {
            let path = directory.path().display();
            let detail = format!("{path} is no Quipu store: its manifest is none of Quipu's");
            Err(Error::new(ErrorKind::NoStore, detail))
        }
    }
}

impl Loaded {
    /// Whether both say the same: nothing was added to the manifest between reading one and the other.
    pub(crate) fn is_as(&self, other: &Loaded) -> bool {
        let says = |loaded: &Loaded| (loaded.header.generation, loaded.next_number, loaded.rest);
        says(self) == says(other)
    }

    fn read_edits(&mut self, bytes: &[u8]) -> std::result::Result<(), FormatError> {
        let mut last = self.end;
        while let Some((edit, after)) =
            self.edit_at(bytes, self.end, self.next_number..=self.next_number)?
        {
            self.listing.apply(&edit);
            self.next_number += 1;
            (last, self.end) = (self.end, after);
        }
        let last = last.0 / SECTOR_BYTES * SECTOR_BYTES;
        self.last = bytes[last as usize..self.end.0 as usize].to_vec();
        let rest = bytes.get(self.end.0 as usize..).unwrap_or_default();
        let Some(first) = first_nonzero(rest) else { return Ok(()) };
        self.rest = Some(ByteOffset(self.end.0 + first as u64 / UNIT_BYTES * UNIT_BYTES));
        let mut at = self.end;
        while at.0 < bytes.len() as u64 {
            // What follows damage is still taken: reading may go on with what is left.
            if let Some((edit, after)) = self.edit_at(bytes, at, self.next_number..)? {
                let what = "an edit is missing, or does not sum up, before one that does";
                self.damage.get_or_insert(Wrong { at: self.end, what });
                self.listing.apply(&edit);
                at = after;
            } else {
                at.0 += UNIT_BYTES;
            }
        }
        if self.damage.is_none() && self.is_flipped(rest) {
            let what = "an edit with a changed bit";
            self.damage = Some(Wrong { at: self.end, what });
        }
        Ok(())
    }

    /// Whether an edit begins `rest` that sums up but for one bit.
    ///
    /// An edit that a power cut has torn is none of these: of each sector a prefix was written, and behind the first
    /// byte that is missing the sector holds zeros, as before. Where that might have made the difference, it is taken
    /// for the reason.
    fn is_flipped(&self, rest: &[u8]) -> bool {
        let mut edit = rest[..rest.len().min(EDIT_BYTES_USUAL)].to_vec();
        let place = Place::new(self.header.salt, self.end);
        let sector_end = |at: usize| {
            let at = self.end.0 + at as u64;
            (at / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES - self.end.0) as usize
        };
        (0..edit.len() * 8).any(|bit| {
            let (at, mask) = (bit / 8, 1 << (bit % 8));
            edit[at] ^= mask;
            let mended = Edit::decode(&edit, place);
            edit[at] ^= mask;
            let Ok((_, _, len)) = mended else { return false };
            let behind = at..sector_end(at).min(len as usize);
            edit.get(behind).is_some_and(|bytes| first_nonzero(bytes).is_some())
        })
    }

    /// The valid edit at `at` with a number in this range, and where the next one would stand.
    fn edit_at(
        &self,
        bytes: &[u8],
        at: ByteOffset,
        numbers: impl RangeBounds<u64>,
    ) -> std::result::Result<Option<(Edit, ByteOffset)>, FormatError> {
        let rest = bytes.get(at.0 as usize..).unwrap_or_default();
        match Edit::decode(rest, Place::new(self.header.salt, at)) {
            Ok((number, edit, len)) if numbers.contains(&number) => {
                Ok(Some((edit, ByteOffset(at.0 + len))))
            }
            Err(error @ FormatError::Unsupported { .. }) => Err(error),
            Ok(_) | Err(_) => Ok(None),
        }
    }
}
