//! Segments' files, compared with what the manifest lists.

use quipu_disk::{Access, Disk, read_exact_at};
use quipu_format::features::Use;
use quipu_format::segment::SegmentHeader;
use quipu_format::{ByteOffset, FormatError, PAGE_BYTES, SegmentId};

use super::scan::SegmentFile;
use super::survey::Survey;
use crate::manifest::{Listed, Listing};
use crate::plant::{self, Bug};
use crate::{Error, ErrorKind, Result};

impl Survey {
    /// Opens a segment's file and compares its header with what the manifest lists; without a listing
    /// the header alone counts.
    pub(super) fn open_segment(
        &mut self,
        disk: &dyn Disk,
        id: SegmentId,
        facts: Option<&Listed>,
    ) -> Result<Option<SegmentFile>> {
        let path = self.directory.segment(id);
        let file =
            disk.open(&path, Access::Read).map_err(|error| Error::io("opening", &path, error))?;
        let size = file.size().map_err(|error| Error::io("reading", &path, error))?;
        let mut page = vec![0; PAGE_BYTES.min(size) as usize];
        read_exact_at(&*file, &mut page, 0).map_err(|error| Error::io("reading", &path, error))?;
        if facts.is_none() && self.is_foreign(&page) {
            self.strangers.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
            return Ok(None);
        }
        // However high it is: a recovery that was killed may have made it.
        self.highest = self.highest.max(id);
        let header = header_of(&page, id, facts);
        if let Err(error) = &header {
            let error = Error::format(&path, ByteOffset(0), error);
            if error.kind() == ErrorKind::Unsupported {
                return Err(error);
            }
            self.damage.push(error);
        }
        if let Ok(header) = &header
            && header.features.permit() == Ok(Use::ReadOnly)
        {
            self.read_only.get_or_insert_with(|| path.clone());
        }
        let header = header.ok().map(|header| (header.salt, header.capacity));
        let mut facts = facts.map(|facts| (facts.salt, facts.capacity)).or(header);
        if plant::is_in(Bug::RecycledSegment) {
            facts = header.or(facts);
        }
        let Some((salt, capacity)) = facts else {
            self.gone.insert(id);
            return Ok(None);
        };
        if size != capacity.0 {
            let cut = FormatError::Truncated { needed: capacity.0, available: size };
            self.damage.push(Error::format(&path, ByteOffset(size), &cut));
        }
        let size = ByteOffset(size.min(capacity.0));
        Ok(Some(SegmentFile { id, salt, capacity, path, file, size }))
    }

    /// Compares the headers of all sealed segments with the manifest. Opening does without: whatever is wrong
    /// with one is found when it is read. So is what a newer version asks for, which is passed over here.
    ///
    /// # Errors
    /// What the system refuses; damage is noted.
    pub(crate) fn look_at_sealed(&mut self, disk: &dyn Disk) -> Result<()> {
        let sealed = self.parts.iter().filter(|part| part.sealed().is_some());
        let sealed: Vec<SegmentId> = sealed.map(|part| part.segment.id).collect();
        let listed = self.listed();
        for id in sealed {
            match self.open_segment(disk, id, listed.get(&id)) {
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                opened => drop(opened?),
            }
        }
        Ok(())
    }

    /// Whether a file that the manifest does not list is none of this store's: another store has written
    /// it, or it is no segment at all. Without a manifest, or the edits of one, nobody knows: no writer leaves a
    /// segment beside a manifest that lists none and has never listed any, but the first, which is complete.
    fn is_foreign(&self, page: &[u8]) -> bool {
        let Some(manifest) = &self.manifest else { return false };
        match SegmentHeader::decode(page) {
            Ok(header) => header.origin != manifest.header.store,
            Err(FormatError::Unsupported { .. }) => false,
            Err(_) => manifest.damage.is_none() && manifest.listing != Listing::default(),
        }
    }
}

/// The header in a segment's first page, if it is that of this segment as it is listed.
fn header_of(
    page: &[u8],
    id: SegmentId,
    facts: Option<&Listed>,
) -> std::result::Result<SegmentHeader, FormatError> {
    let header = SegmentHeader::decode(page)?;
    header.features.permit()?;
    let agrees = facts.is_none_or(|facts| {
        (facts.salt, facts.capacity, facts.origin) == (header.salt, header.capacity, header.origin)
    });
    if header.segment == id && agrees || plant::is_in(Bug::RecycledSegment) {
        Ok(header)
    } else {
        Err(FormatError::Invalid("the header of another segment"))
    }
}
