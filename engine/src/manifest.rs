//! The manifest's file: read it, add edits to it, write it anew.
//!
//! An edit counts once it is synced. A write that tears at the end of the file leaves an edit that
//! does not sum up and nothing valid after it: it never counted. One that does not sum up *before* a
//! valid one is damage.

mod load;
#[cfg(test)]
mod tests;
mod whole;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use quipu_disk::{Access, Disk, File, read_exact_at, write_all_at};
use quipu_format::checksum::Place;
use quipu_format::limits::MANIFEST_BYTES_MAX;
use quipu_format::manifest::{Edit, Ending, FIRST_EDIT, ManifestHeader};
use quipu_format::{
    ByteOffset, Epoch, Hash, Lsn, Position, Salt, Seal, SegmentId, StoreId, align_up,
};

use crate::ballast::sparing;
use crate::create::{create_complete, sync_parent};
use crate::directory::Directory;
use crate::plant::{self, Bug};
use crate::{Error, ErrorKind, Result};

pub(crate) use load::{Loaded, load, refuse_foreign};
use whole::{unsynced, write_durably};

/// Smallest size of a manifest's file: room for some 250 segments, which is 40 GB. All of it is
/// read by each opening, so that this costs the same for all stores but the largest.
const MANIFEST_BYTES_MIN: u64 = 64 << 10;
/// What the edits of a segment take once it is sealed: those of its file and of its seal.
const SEGMENT_EDITS_BYTES: u64 = 80 + 208;
/// What a medium writes as a whole, or tears once: a prefix of the new bytes before the old ones.
const SECTOR_BYTES: u64 = 512;
/// Bytes of most edits, at most.
const EDIT_BYTES_USUAL: usize = 256;

/// A segment as the manifest lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) salt: Salt,
    pub(crate) capacity: ByteOffset,
    pub(crate) origin: StoreId,
    pub(crate) sealed: Option<SealedAs>,
}

/// How a segment was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealedAs {
    pub(crate) end: ByteOffset,
    pub(crate) seal: Seal,
    pub(crate) ending: Ending,
}

/// What all edits together say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) segments: BTreeMap<SegmentId, Listed>,
    /// Segments whose files may be removed.
    pub(crate) retired: Vec<SegmentId>,
    /// Where the log ended when the store was closed last: as much of it was durable then, whoever has opened it since.
    pub(crate) closed: Option<(Lsn, Position)>,
    /// The opening for writing that is under way, or has ended without a close.
    pub(crate) opened: Option<Epoch>,
    /// The highest segment number ever listed.
    pub(crate) highest: SegmentId,
}

impl Listing {
    /// The chain of seals before a segment, whatever has become of the segments.
    pub(crate) fn chain_before(&self, segment: SegmentId) -> Hash {
        let last = self.segments.range(..segment).rev().find_map(|(_, listed)| listed.sealed);
        last.map_or(Hash::default(), |sealed| sealed.seal.chain)
    }

    fn apply(&mut self, edit: &Edit) {
        match *edit {
            Edit::Opened { epoch } => self.opened = Some(epoch),
            Edit::Closed { end, next_position } => {
                (self.closed, self.opened) = (Some((end, next_position)), None);
            }
            Edit::Segment { segment, salt, capacity, origin } => {
                self.highest = self.highest.max(segment);
                self.segments.insert(segment, Listed { salt, capacity, origin, sealed: None });
            }
            Edit::Sealed { end, seal, ending } => {
                if let Some(listed) = self.segments.get_mut(&end.segment()) {
                    listed.sealed = Some(SealedAs { end: end.offset(), seal, ending });
                }
            }
            Edit::Retired { segment } => {
                self.highest = self.highest.max(segment);
                self.segments.remove(&segment);
                self.retired.push(segment);
            }
            Edit::Skippable(_) => {}
        }
    }

    /// The fewest edits that say the same. Of the retired segments only the highest is kept, so that no number is
    /// used twice: the files of the others may still be there, and are told by their numbers.
    fn edits(&self) -> Vec<Edit> {
        let mut edits = Vec::with_capacity(self.segments.len() * 2 + 2);
        for (&segment, listed) in &self.segments {
            let Listed { salt, capacity, origin, sealed } = *listed;
            edits.push(Edit::Segment { segment, salt, capacity, origin });
            if let Some(SealedAs { end, seal, ending }) = sealed {
                edits.push(Edit::Sealed { end: Lsn::new(segment, end), seal, ending });
            }
        }
        if !self.segments.contains_key(&self.highest) && self.highest.0 > 0 {
            edits.push(Edit::Retired { segment: self.highest });
        }
        edits.extend(self.closed.map(|(end, next_position)| Edit::Closed { end, next_position }));
        edits.extend(self.opened.map(|epoch| Edit::Opened { epoch }));
        edits
    }
}

/// The manifest, open for adding edits.
pub(crate) struct Manifest {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    header: ManifestHeader,
    file: Arc<dyn File>,
    size: u64,
    end: ByteOffset,
    next_number: u64,
    listing: Listing,
    /// Adding edits has failed, and nobody knows what of them stands behind the last one.
    unsure: bool,
    /// The size of its file is never more: nobody could read it.
    bytes_max: u64,
}

impl Manifest {
    /// A manifest for a store that does not exist yet; the store exists once this returns.
    ///
    /// # Errors
    /// [`ErrorKind::NoStore`] if something is there that is no manifest of a store: it is never written over.
    pub(crate) fn create(disk: &Arc<dyn Disk>, directory: &Directory) -> Result<Manifest> {
        let path = directory.manifest();
        match disk.open(&path, Access::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("opening", &path, error)),
            Ok(_) => {
                let detail = format!("{} is there, and is none of Quipu's", path.display());
                return Err(Error::new(ErrorKind::NoStore, detail));
            }
        }
        let mut random = [0; 40];
        disk.fill_random(&mut random)
            .map_err(|error| Error::because(ErrorKind::Io, "drawing random bytes".into(), error))?;
        let (store, rest) = random.split_at(16);
        let (secret, salt) = rest.split_at(16);
        let header = ManifestHeader {
            features: quipu_format::features::Features::KNOWN,
            store: StoreId(exactly(store)),
            secret: exactly(secret),
            salt: Salt(u64::from_le_bytes(exactly(salt))),
            generation: 1,
        };
        Manifest::write(disk, path, header, Listing::default(), MANIFEST_BYTES_MAX)
    }

    /// Opens a manifest that was loaded. One with anything left over at its end is written anew.
    ///
    /// What was read need not be on disk: the sync of the last edits may have failed, or the process
    /// been killed before it. Before more is added behind them they are written again and synced, and
    /// so is the manifest's name.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        directory: &Directory,
        loaded: Loaded,
    ) -> Result<Manifest> {
        let path = directory.manifest();
        if loaded.rest.is_some() {
            let Loaded { header, listing, .. } = loaded;
            return Manifest::renew(disk, path, header, listing, MANIFEST_BYTES_MAX);
        }
        let file =
            disk.open(&path, Access::Write).map_err(|error| Error::io("opening", &path, error))?;
        let last = loaded.end.0 - loaded.last.len() as u64;
        write_durably(&**disk, &path, &*file, &loaded.last, last)?;
        sync_parent(&**disk, &path).map_err(|error| unsynced(&path, error))?;
        Ok(Manifest {
            disk: Arc::clone(disk),
            path,
            header: loaded.header,
            file,
            size: loaded.size,
            end: loaded.end,
            next_number: loaded.next_number,
            listing: loaded.listing,
            unsure: false,
            bytes_max: MANIFEST_BYTES_MAX,
        })
    }

    pub(crate) fn header(&self) -> &ManifestHeader {
        &self.header
    }

    pub(crate) fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Makes sure that these edits can be added, by writing the manifest anew if they do not fit, or if others may
    /// stand in their place. Whatever goes wrong for want of room has changed nothing.
    pub(crate) fn make_room(&mut self, edits: &[Edit]) -> Result<()> {
        self.admit(edits)?;
        let bytes: usize = self.encode(edits).iter().map(|(_, bytes)| bytes.len()).sum();
        if self.unsure || self.end.0 + bytes as u64 > self.size {
            let (path, listing) = (self.path.clone(), self.listing.clone());
            match Manifest::renew(&self.disk, path, self.header, listing, self.bytes_max) {
                Ok(renewed) => *self = renewed,
                Err(error) => {
                    // A rename that fails and is done all the same leaves this file without its name.
                    self.unsure |= !self.is_named();
                    return Err(error);
                }
            }
        }
        if self.end.0 + bytes as u64 > self.size {
            let detail =
                format!("{}: more edits at once than it has room for", self.path.display());
            return Err(Error::new(ErrorKind::Full, detail));
        }
        Ok(())
    }

    /// Whether this is the file that others find under its name.
    fn is_named(&self) -> bool {
        let own = self.header.encode();
        let mut found = vec![0; own.len()];
        let read = self.disk.open(&self.path, Access::Read);
        read.and_then(|file| read_exact_at(&*file, &mut found, 0)).is_ok() && found[..] == own[..]
    }

    /// Refuses edits that list more segments than the largest manifest has room for, the edits of their seals, and of
    /// whatever else is to be said of a store, included. So all of these always find room.
    ///
    /// # Errors
    /// [`ErrorKind::Full`].
    pub(crate) fn admit(&self, edits: &[Edit]) -> Result<()> {
        let is_new = |edit: &&Edit| match edit {
            Edit::Segment { segment, .. } => !self.listing.segments.contains_key(segment),
            _ => false,
        };
        let new = edits.iter().filter(is_new).count();
        let listed = self.listing.segments.len() as u64;
        let bytes = (listed + new as u64) * SEGMENT_EDITS_BYTES;
        if new == 0 || FIRST_EDIT.0 + bytes + MANIFEST_BYTES_MIN <= self.bytes_max {
            return Ok(());
        }
        let path = self.path.display();
        let detail = format!("{path} lists {listed} segments and has no room for more");
        Err(Error::new(ErrorKind::Full, detail))
    }

    /// Adds edits; they are durable when this returns.
    ///
    /// What is on disk if it does not return, or fails: a prefix of the edits, or all of them, the rest not summing up.
    pub(crate) fn add(&mut self, edits: &[Edit]) -> Result<()> {
        self.make_room(edits)?;
        // What a failed write has left must not be written over: torn, the new edits might stand before old ones.
        self.unsure = true;
        for (edits, bytes) in self.encode(edits) {
            write_durably(&*self.disk, &self.path, &*self.file, &bytes, self.end.0)?;
            self.end.0 += bytes.len() as u64;
            self.next_number += edits.len() as u64;
            edits.iter().for_each(|edit| self.listing.apply(edit));
        }
        self.unsure = false;
        Ok(())
    }

    /// The bytes of edits, in parts to be synced one after another. A part with more than one edit
    /// stays in a sector: a sector tears between what it keeps and what it loses, so of such a part a
    /// prefix is found. Across sectors a later edit could be found without an earlier one, and that
    /// is what damage looks like.
    fn encode<'e>(&self, edits: &'e [Edit]) -> Vec<(&'e [Edit], Vec<u8>)> {
        let mut parts = Vec::new();
        let mut at = self.end.0;
        let (mut first, mut start, mut bytes) = (0, at, Vec::new());
        for (index, edit) in edits.iter().enumerate() {
            let number = self.next_number + index as u64;
            let place = Place::new(self.header.salt, ByteOffset(at));
            let mut encoded = Vec::with_capacity(EDIT_BYTES_USUAL);
            edit.encode(number, place, &mut encoded);
            let after = at + encoded.len() as u64;
            if index > first && start / SECTOR_BYTES != (after - 1) / SECTOR_BYTES {
                parts.push((&edits[first..index], std::mem::take(&mut bytes)));
                (first, start) = (index, at);
            }
            bytes.append(&mut encoded);
            at = after;
        }
        if first < edits.len() {
            parts.push((&edits[first..], bytes));
        }
        parts
    }

    fn renew(
        disk: &Arc<dyn Disk>,
        path: PathBuf,
        mut header: ManifestHeader,
        listing: Listing,
        bytes_max: u64,
    ) -> Result<Manifest> {
        header.generation = header.generation.wrapping_add(1);
        header.salt = Salt(draw(&**disk)?);
        Manifest::write(disk, path, header, listing, bytes_max)
    }

    fn write(
        disk: &Arc<dyn Disk>,
        path: PathBuf,
        header: ManifestHeader,
        mut listing: Listing,
        bytes_max: u64,
    ) -> Result<Manifest> {
        let edits = listing.edits();
        let mut bytes = header.encode().into_vec();
        for (number, edit) in (1..).zip(&edits) {
            let place = Place::new(header.salt, ByteOffset(bytes.len() as u64));
            edit.encode(number, place, &mut bytes);
        }
        let roomy = align_up((bytes.len() as u64 * 2).max(MANIFEST_BYTES_MIN), FIRST_EDIT.0);
        let size = roomy.min(bytes_max);
        if bytes.len() as u64 > size {
            let detail = format!("{}: more edits than can be read", path.display());
            return Err(Error::new(ErrorKind::Full, detail));
        }
        let directory = path.parent().unwrap_or(&path);
        let create = || {
            if plant::is_in(Bug::ManifestInPlace)
                && let Ok(file) = disk.open(&path, Access::Write)
            {
                write_all_at(&*file, &bytes, 0)?;
                write_all_at(&*file, &vec![0; size as usize - bytes.len()], bytes.len() as u64)?;
                return file.sync_data().map(|()| file);
            }
            create_complete(&**disk, &path, &bytes, size)
        };
        let file = sparing(&**disk, directory, create)
            .map_err(|error| Error::io("writing", &path, error))?;
        listing.retired.clear();
        Ok(Manifest {
            disk: Arc::clone(disk),
            path,
            header,
            file,
            size,
            end: ByteOffset(bytes.len() as u64),
            next_number: edits.len() as u64 + 1,
            listing,
            unsure: false,
            bytes_max,
        })
    }
}

/// A random number.
pub(crate) fn draw(disk: &dyn Disk) -> Result<u64> {
    let mut bytes = [0; 8];
    disk.fill_random(&mut bytes)
        .map_err(|error| Error::because(ErrorKind::Io, "drawing random bytes".into(), error))?;
    Ok(u64::from_le_bytes(bytes))
}

/// The first bytes of `bytes`, which holds at least as many.
fn exactly<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut exact = [0; N];
    exact.copy_from_slice(&bytes[..N]);
    exact
}
