//! Salvage: a new, sound store that holds exactly the undamaged commits of a damaged one.
//!
//! A store whose acknowledged data is damaged is not written any more, and reading it fails where the damage is.
//! The repair is a backup. Where there is none, salvage takes what is left: every commit that is whole, in the
//! order of the log, into a store of its own, and a list of what is lost.

mod copy;
mod report;
mod source;
mod tally;
mod unfinished;

use std::path::Path;
use std::sync::Arc;

use quipu_disk::{Disk, RealDisk};

use self::copy::Copy;
use self::source::Source;
use crate::bad_sectors::BadSectors;
use crate::{Options, Result};

pub use report::{Lost, Renumbered, SalvageProgress, SalvageReport, SalvageStep};

/// Makes a new store in the directory `to` that holds exactly the undamaged commits of the store in `from`.
///
/// A commit is undamaged if its frame's header and every one of its records are valid. One with a damaged record
/// is lost as a whole, because a commit is all or nothing. What recovery would keep or drop at the end of a log
/// that was not closed, salvage keeps or drops too. A store that is sound is copied.
///
/// A page of a file that the medium does not give back (`EIO`) is damaged, and costs the commits that have bytes of their
/// own in it; [`SalvageReport::unreadable`] names it.
///
/// Each event keeps its stream, type, id, both times, tags, metadata, payload and codec, and the commits keep their
/// order. Positions and versions are dense in every store, so behind a lost commit positions move down, and the
/// streams that lost events are numbered anew: the report says from where on. The copy is a store of its own, with
/// another identity. It is verified before this returns.
///
/// The source is only read. `to` must not exist, or be empty. Until the copy is whole and verified its manifest has
/// another name, so a directory that a crash has left halfway opens as no store; remove it and begin again. After an
/// error the directory is left empty, but for one of the very last sync, which says that the copy is there and has the
/// report ([`Error::salvaged`](crate::Error::salvaged)).
///
/// ```
/// use quipu::ErrorKind;
///
/// let salvaged = quipu::salvage("no-store".as_ref(), "copy".as_ref(), &mut |_| {});
/// assert_eq!(salvaged.unwrap_err().kind(), ErrorKind::NoStore);
/// ```
///
/// # Errors
/// [`ErrorKind::InUse`](crate::ErrorKind::InUse) if the source is open for writing;
/// [`ErrorKind::NoStore`](crate::ErrorKind::NoStore); [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `to` is not
/// empty or lies within the source, or if the source has lost its manifest and holds segments of several stores;
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if a newer version wrote something that would be lost on
/// the way; [`ErrorKind::Full`](crate::ErrorKind::Full); [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) if the copy
/// is not sound; [`ErrorKind::Unknown`](crate::ErrorKind::Unknown) if it is, and a power cut may take it back; and what
/// the system refuses.
pub fn salvage(
    from: &Path,
    to: &Path,
    progress: &mut dyn FnMut(SalvageProgress),
) -> Result<SalvageReport> {
    let disk = RealDisk::new();
    copy::refuse_real(disk, from, to)?;
    salvage_on(&(Arc::new(disk) as _), from, to, &Options::default(), progress)
}

/// As [`salvage`], both stores on another disk. The options are those of the new store; its mode and durability do
/// not matter here: all of it is durable when this returns.
///
/// # Errors
/// As [`salvage`], and [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for options out of bounds.
pub fn salvage_on(
    disk: &Arc<dyn Disk>,
    from: &Path,
    to: &Path,
    options: &Options,
    progress: &mut dyn FnMut(SalvageProgress),
) -> Result<SalvageReport> {
    options.validate()?;
    copy::refuse_within(from, to)?;
    let damaged = BadSectors::new(&**disk);
    let source = Source::survey(&damaged, from)?;
    let copy = Copy::begin(disk, to, options)?;
    let copied = source
        .read(&damaged, progress, &mut |commit| copy.add(commit))
        .and_then(|report| copy.verified(&report, progress).map(|()| report));
    match copied {
        Ok(report) => copy.finish(report),
        Err(error) => {
            copy.discard();
            Err(error)
        }
    }
}

/// What [`salvage`] would keep of the store in this directory and what it would lose, without writing anything.
///
/// ```
/// let kept = quipu::salvageable("no-store".as_ref(), &mut |_| {});
/// assert_eq!(kept.unwrap_err().kind(), quipu::ErrorKind::NoStore);
/// ```
///
/// # Errors
/// As [`salvage`], as far as they concern the source.
pub fn salvageable(
    from: &Path,
    progress: &mut dyn FnMut(SalvageProgress),
) -> Result<SalvageReport> {
    salvageable_on(&RealDisk::new(), from, progress)
}

/// As [`salvageable`], on another disk.
///
/// # Errors
/// As [`salvageable`].
pub fn salvageable_on(
    disk: &dyn Disk,
    from: &Path,
    progress: &mut dyn FnMut(SalvageProgress),
) -> Result<SalvageReport> {
    let damaged = BadSectors::new(disk);
    Source::survey(&damaged, from)?.read(&damaged, progress, &mut |_| Ok(()))
}
