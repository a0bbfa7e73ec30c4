//! Exclusive locks of a disk in memory.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::name::{Name, normal};
use crate::Lock;
use crate::threads::Mutex;

/// The names that are locked now. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Locks {
    held: Arc<Mutex<BTreeSet<Name>>>,
}

impl Locks {
    /// Takes the lock of a path, unless somebody holds it.
    pub(crate) fn take(&self, path: &Path) -> Option<Lock> {
        let name = Name::of(path);
        let free = self.held.lock().insert(name.clone());
        free.then(|| Lock::new(Guard { held: Arc::clone(&self.held), name }))
    }

    /// Whether somebody holds the lock of a path.
    pub(crate) fn is_taken(&self, path: &Path) -> bool {
        self.held.lock().contains(&*normal(path))
    }
}

/// Frees the name when dropped.
struct Guard {
    held: Arc<Mutex<BTreeSet<Name>>>,
    name: Name,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.held.lock().remove(&self.name);
    }
}
