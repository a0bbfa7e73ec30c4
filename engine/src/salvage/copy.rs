//! The new store on its way.
//!
//! What is on disk, whenever the power goes: at first a directory with a lock; then a store whose manifest has another
//! name, which opens as no store; once all of it is durable and verified, one rename makes it a store.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use quipu_disk::{Disk, RealDisk};
use quipu_format::record::Record;

use super::report::{SalvageProgress, SalvageReport, SalvageStep};
use super::source::Commit;
use super::unfinished::Unfinished;
use crate::directory::Directory;
use crate::{
    ByteOffset, Damage, Durability, Error, ErrorKind, ExpectedVersion, Mode, NewEvent, Options,
    Result, Severity, Store, Ticket, Uuid, verify_on,
};

/// The new store, being filled.
pub(super) struct Copy {
    directory: Directory,
    disk: Arc<Unfinished>,
    filling: RefCell<Filling>,
}

/// The store, while it is open, and the last commit on its way.
struct Filling {
    store: Option<Store>,
    last: Option<Ticket>,
}

/// Refuses a copy that would lie within its source, which is only read.
pub(super) fn refuse_within(from: &Path, to: &Path) -> Result<()> {
    if to.starts_with(from) {
        let detail = format!("{} lies within the damaged store: name another place", to.display());
        return Err(Error::invalid(detail));
    }
    Ok(())
}

/// The same for the machine's own paths, of which one may lead to another place than it says; and a directory that
/// holds anything, also where it is no file.
pub(super) fn refuse_real(disk: RealDisk, from: &Path, to: &Path) -> Result<()> {
    let resolved = |path| disk.resolve(path).map_err(|error| Error::io("resolving", path, error));
    refuse_within(&resolved(from)?, &resolved(to)?)?;
    refuse_occupied(&disk, to)?;
    match disk.is_vacant(to) {
        Ok(true) => Ok(()),
        Ok(false) => Err(occupied(to)),
        Err(error) => Err(Error::io("listing", to, error)),
    }
}

impl Copy {
    /// Begins a store in a directory that does not exist, or is empty.
    pub(super) fn begin(disk: &Arc<dyn Disk>, to: &Path, options: &Options) -> Result<Copy> {
        refuse_occupied(&**disk, to)?;
        let directory = Directory::new(to);
        let disk = Arc::new(Unfinished::new(disk, &directory));
        let filling = RefCell::new(Filling { store: None, last: None });
        let copy = Copy { directory, disk, filling };
        // What the source holds was taken once: whatever ids it has, nothing of it is a retry.
        let options = Options {
            mode: Mode::Create,
            durability: Durability::Os,
            id_segments: 0,
            ..options.clone()
        };
        match Store::builder(to).disk(Arc::clone(&copy.disk) as _).options(options).open() {
            Ok(store) if store.opening().created => {
                copy.filling.borrow_mut().store = Some(store);
                Ok(copy)
            }
            Ok(store) => match &store.opening().postponed {
                Some(full) => {
                    let full = Error::new(ErrorKind::Full, full.clone());
                    drop(store);
                    copy.discard();
                    Err(full)
                }
                // Somebody else has begun one there since: what was made in it is that one's.
                None => Err(occupied(to)),
            },
            // Somebody else makes a store there at this very moment: nothing of it is ours.
            Err(error) if error.kind() == ErrorKind::InUse => Err(error),
            Err(error) => {
                copy.discard();
                Err(error)
            }
        }
    }

    /// Adds a commit as it was. Waits only for room.
    pub(super) fn add(&self, commit: &Commit<'_>) -> Result<()> {
        let mut filling = self.filling.borrow_mut();
        let Some(store) = &filling.store else { return Err(Error::closed()) };
        self.disk.set_now(commit.header.time);
        let mut copied = store.commit();
        for record in commit.records {
            copied = copied.append(record.stream(), ExpectedVersion::Any, [event(record)]);
        }
        let ticket = copied.submit().map_err(|error| match error.kind() {
            // Nobody writes such a commit in this version, and it is valid.
            ErrorKind::Invalid => {
                let position = commit.header.first_position;
                let detail = format!("the commit at position {position}: {error}");
                Error::new(ErrorKind::Unsupported, detail)
            }
            _ => error,
        })?;
        filling.last = Some(ticket);
        Ok(())
    }

    /// Closes the store, so that all of it is durable, and verifies it.
    pub(super) fn verified(
        &self,
        report: &SalvageReport,
        progress: &mut dyn FnMut(SalvageProgress),
    ) -> Result<()> {
        let Filling { store, last } = self.filling.replace(Filling { store: None, last: None });
        if let Some(ticket) = last {
            ticket.wait()?;
        }
        store.map_or(Ok(()), Store::close)?;
        let path = self.directory.path();
        let verified = verify_on(&*self.disk, path, &mut |verify| {
            let (done_bytes, total_bytes) = (verify.done_bytes, verify.total_bytes);
            let step = SalvageStep::Verifying;
            progress(SalvageProgress { step, done_bytes, total_bytes });
        })?;
        let damage = verified.findings.into_iter().find(|f| f.severity > Severity::Unfinished);
        if let Some(finding) = damage {
            return Err(Error::damaged(Damage {
                file: finding.file,
                offset: ByteOffset(finding.offset),
                bytes: finding.bytes,
                positions: finding.positions,
                what: format!("the copy is damaged: {}", finding.what),
            }));
        }
        let (copied, kept) = ((verified.commits, verified.events), (report.commits, report.events));
        if copied != kept {
            let detail = format!(
                "{} holds {} commits with {} events, and {} with {} were copied into it",
                path.display(),
                copied.0,
                copied.1,
                kept.0,
                kept.1
            );
            return Err(Error::new(ErrorKind::Damaged, detail));
        }
        Ok(())
    }

    /// Makes it a store, or removes it. Once it is one it stays, also where nobody knows whether it is durable.
    pub(super) fn finish(&self, report: SalvageReport) -> Result<SalvageReport> {
        let path = self.directory.path();
        if let Err(error) = self.disk.reveal() {
            self.discard();
            return Err(Error::io("renaming the manifest of", path, error));
        }
        match self.disk.sync_directory(path) {
            Ok(()) => Ok(report),
            Err(error) => Err(Error::unsynced_copy(path, report, error)),
        }
    }

    /// Removes what there is of it, for the room that it takes. What cannot be removed shows by its names that it was
    /// never finished.
    pub(super) fn discard(&self) {
        self.filling.replace(Filling { store: None, last: None });
        self.disk.remove_made();
    }
}

/// The event of a record. Every writer gives it an id.
fn event<'r>(record: &Record<'r>) -> NewEvent<'r> {
    let mut event = NewEvent::new(record.kind(), record.payload())
        .codec(record.codec())
        .metadata(record.metadata());
    event.tags.extend(record.tags().map(Into::into));
    event.id = record.id().map(Uuid::from_bytes);
    event.occurred = record.occurred();
    event
}

/// Nothing is written over.
fn refuse_occupied(disk: &dyn Disk, to: &Path) -> Result<()> {
    let names = match disk.list(to) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("listing", to, error)),
    };
    Directory::new(to)
        .refuse_unfinished(&names)
        .map_err(|error| Error::invalid(error.to_string()))?;
    if names.is_empty() { Ok(()) } else { Err(occupied(to)) }
}

fn occupied(to: &Path) -> Error {
    let to = to.display();
    Error::invalid(format!(
        "{to} is not empty: name a directory that does not exist, or an empty one"
    ))
}
