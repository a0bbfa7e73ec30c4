//! Exclusive locks of a disk in memory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::normal;
use crate::Lock;

/// The paths that are locked now. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Locks {
    held: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Locks {
    /// Takes the lock of a path, unless somebody holds it.
    pub(crate) fn take(&self, path: &Path) -> Option<Lock> {
        let path = normal(path);
        let free = self.held.lock().insert(path.clone());
        free.then(|| Lock::new(Guard { held: Arc::clone(&self.held), path }))
    }

    /// Whether somebody holds the lock of a path.
    pub(crate) fn is_taken(&self, path: &Path) -> bool {
        self.held.lock().contains(&normal(path))
    }
}

/// Frees the path when dropped.
struct Guard {
    held: Arc<Mutex<BTreeSet<PathBuf>>>,
    path: PathBuf,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.held.lock().remove(&self.path);
    }
}
