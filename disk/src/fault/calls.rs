//! The calls of a simulated disk and of its files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::inode::Inode;
use super::plan::{Errno, FaultKind, Lie};
use super::trace::{Call, Kind};
use super::{FaultDisk, POWER_IS_OFF};
use crate::memory::writable;
use crate::{Access, Disk, File, Lock, Map, Page};

impl Disk for FaultDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let kind = match access {
            Access::Read => Kind::Open,
            Access::Write => Kind::OpenToWrite,
            Access::Create | Access::Fill => Kind::Create,
        };
        let inode = self.run_whole(&Call::of(kind, path), |state| match access {
            Access::Create | Access::Fill => state.create(path),
            Access::Read | Access::Write => state.names.seen().file(path).map(Arc::clone),
        })?;
        Ok(Arc::new(FaultFile { disk: self.clone(), path: path.to_owned(), access, inode }))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.run_whole(&Call::of(Kind::List, directory), |state| {
            let names = state.names.seen().list(directory)?;
            state.trace.note(&names);
            Ok(names)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run_whole(&Call::rename(from, to), |state| state.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.run_whole(&Call::of(Kind::Remove, path), |state| state.remove(path))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let made = self.run_whole(&Call::of(Kind::CreateDirectory, path), |state| {
            state.names.create_directory(path)
        })?;
        // If it fails after all, nobody has synced where they stand.
        self.shared.state.lock().names.settle_directories(&made);
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.run_whole(&Call::of(Kind::SyncDirectory, path), |state| {
            if state.plan.lies(Lie::DirectorySyncIgnored) {
                return state.names.seen().directory(path).map(drop);
            }
            state.names.sync_directory(path)
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        self.run_whole(&Call::of(Kind::Lock, path), |state| {
            match state.names.seen().file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    state.create(path)?;
                }
                found => drop(found?),
            }
            let lock = self.shared.locks.take(path);
            state.trace.note(lock.is_some());
            Ok(lock)
        })
    }

    fn page(&self, path: &Path, access: Access) -> io::Result<Page> {
        self.run_whole(&Call::of(Kind::Map, path), |state| {
            let inode = state.names.seen().file(path)?;
            // Whoever touches it would be ended by a signal, were it no error.
            let size = inode.content.size();
            if inode.readable(0, size) < size {
                return Err(Errno::Io.into());
            }
            inode.content.page(access)
        })
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.run_whole(&Call::of(Kind::Lock, path), |state| {
            let locked = self.shared.locks.is_taken(path);
            state.trace.note(locked);
            Ok(locked)
        })
    }

    fn now(&self) -> u64 {
        self.shared.clocks.now()
    }

    fn elapsed(&self) -> Duration {
        self.shared.clocks.elapsed()
    }

    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        state.alive()?;
        state.random.fill(bytes);
        Ok(())
    }
}

/// A descriptor of a simulated file.
struct FaultFile {
    disk: FaultDisk,
    /// The name it was opened by; only the trace wants to know.
    path: PathBuf,
    access: Access,
    inode: Arc<Inode>,
}

impl File for FaultFile {
    fn size(&self) -> io::Result<u64> {
        self.disk.run_whole(&Call::of(Kind::Size, &self.path), |state| {
            let size = self.inode.content.size() as u64;
            state.trace.note(size);
            Ok(size)
        })
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let call = Call::read(&self.path, bytes.len(), offset);
        self.disk.run(&call, |state, fault| {
            state.largest_read = state.largest_read.max(bytes.len());
            let wanted = match fault {
                None | Some(FaultKind::Astray | FaultKind::Misread | FaultKind::BadSector) => {
                    bytes.len()
                }
                Some(FaultKind::Short) => bytes.len().min(1 + state.random.below(bytes.len())),
                Some(fault) => return Err(failure(fault)),
            };
            // What lies beyond the address space lies beyond the end of the file.
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            if fault == Some(FaultKind::BadSector) {
                state.plan.has_bad_sectors |= self.inode.spoil_page(start);
            }
            // As Linux does: what stands before a bad sector is read, and then the sector fails.
            let readable = self.inode.readable(start, wanted);
            if readable < wanted.min(1) {
                return Err(Errno::Io.into());
            }
            let count = self.inode.content.read_at(&mut bytes[..readable], start);
            if fault == Some(FaultKind::Misread) && count > 0 {
                let (at, bit) = (state.random.below(count), state.random.below(8));
                bytes[at] ^= 1 << bit;
            }
            state.trace.note(&bytes[..count]);
            Ok(count)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let call = Call::write(&self.path, bytes, offset);
        self.disk.run(&call, |state, fault| {
            writable(self.access)?;
            if let Some(
                fault @ (FaultKind::Error(_) | FaultKind::ErrorPartly(_) | FaultKind::Interrupted),
            ) = fault
            {
                return Err(failure(fault));
            }
            let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
            let result = state.write(&self.inode, bytes, offset, fault);
            state.trace.note(result.as_ref().ok());
            match fault {
                Some(fault @ (FaultKind::PowerOff | FaultKind::ErrorAfter(_))) => {
                    Err(failure(fault))
                }
                _ => result,
            }
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let call = Call::of(Kind::Sync, &self.path);
        self.disk.run(&call, |state, fault| {
            match fault {
                Some(FaultKind::Error(_)) => self.inode.forget(),
                Some(FaultKind::ErrorPartly(_)) => self.inode.settle_some(&mut state.random)?,
                _ => {}
            }
            if let Some(fault) = fault.filter(|fault| !fault.lets_sync()) {
                return Err(failure(fault));
            }
            let mark = self.inode.mark();
            self.disk.wait_while_held(state)?;
            if !state.plan.lies(Lie::SyncIgnored) {
                self.inode.settle(mark)?;
            }
            match fault {
                Some(fault @ FaultKind::ErrorAfter(_)) => Err(failure(fault)),
                _ => Ok(()),
            }
        })
    }

    fn map(&self) -> io::Result<Map> {
        self.disk.run_whole(&Call::of(Kind::Map, &self.path), |state| {
            // No simulated map can fail at one place.
            let size = self.inode.content.size();
            if self.inode.readable(0, size) < size {
                return Err(Errno::Io.into());
            }
            let map = self.inode.content.map()?;
            state.trace.note(map.size());
            Ok(map)
        })
    }
}

impl fmt::Debug for FaultFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The error of a call that fails altogether.
fn failure(fault: FaultKind) -> io::Error {
    match fault {
        FaultKind::PowerOff => io::Error::other(POWER_IS_OFF),
        FaultKind::Error(errno) | FaultKind::ErrorAfter(errno) | FaultKind::ErrorPartly(errno) => {
            errno.into()
        }
        FaultKind::BadSector => Errno::Io.into(),
        FaultKind::Interrupted | FaultKind::Short | FaultKind::Astray | FaultKind::Misread => {
            Errno::Interrupted.into()
        }
    }
}
