//! Names of the simulated disk: what is seen, and what the medium holds.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::inode::Inode;
use super::plan::PowerCut;
use super::random::Random;
use crate::memory::{Name, Tree, ancestors};

/// Which name stands for which file.
pub(super) type Files = BTreeMap<Name, Arc<Inode>>;

/// The names, and their changes that are not durable yet.
#[derive(Default)]
pub(super) struct Names {
    /// What a process sees.
    seen: Tree<Arc<Inode>>,
    /// Directories that a power cut may take away, with all that is in them: those in which they stand were not synced
    /// since. Nobody removes or renames one.
    unsynced_directories: BTreeSet<Name>,
    /// What a power cut cannot take away.
    durable: Files,
    /// Changes since the last syncs of their directories, in order.
    unsynced: Vec<Change>,
}

/// One change of names. Each says which file it means, so that it can be told whether it still makes
/// sense after others were lost.
#[derive(Clone)]
enum Change {
    Create { name: Name, inode: Arc<Inode> },
    Remove { name: Name, inode: Arc<Inode> },
    Rename { from: Name, to: Name, inode: Arc<Inode>, atomic: Atomic },
}

/// Whether a rename is all or nothing, as it should be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Atomic {
    Yes,
    No,
}

/// Names found after a power cut.
pub(super) struct Survivors {
    pub(super) files: Files,
    /// Files of which only the first half is there, by their ids.
    pub(super) halved: BTreeSet<u64>,
    /// Directories that are gone, with all that was in them.
    pub(super) lost: BTreeSet<Name>,
}

impl Names {
    /// What is seen now.
    pub(super) fn seen(&self) -> &Tree<Arc<Inode>> {
        &self.seen
    }

    /// All files that have a name, seen or durable; most come twice.
    pub(super) fn files(&self) -> impl Iterator<Item = &Arc<Inode>> {
        self.seen.files().map(|(_, inode)| inode).chain(self.durable.values())
    }

    /// The same directories but for those that are lost, with other files, all of them durable.
    pub(super) fn settled(&self, files: Files, lost: &BTreeSet<Name>) -> Names {
        let mut seen = self.seen.with_files(files.clone());
        seen.remove_directories(lost);
        Names { seen, durable: files, ..Names::default() }
    }

    /// The same names, seen, durable and on their way, with each file replaced.
    pub(super) fn with(&self, mut copy: impl FnMut(&Arc<Inode>) -> Arc<Inode>) -> Names {
        let mut copies: BTreeMap<u64, Arc<Inode>> = BTreeMap::new();
        let mut copy =
            |inode: &Arc<Inode>| Arc::clone(copies.entry(inode.id).or_insert_with(|| copy(inode)));
        let seen = self.seen.files().map(|(name, inode)| (name.clone(), copy(inode))).collect();
        let durable =
            self.durable.iter().map(|(name, inode)| (name.clone(), copy(inode))).collect();
        let mut unsynced = self.unsynced.clone();
        for change in &mut unsynced {
            let (Change::Create { inode, .. }
            | Change::Remove { inode, .. }
            | Change::Rename { inode, .. }) = change;
            *inode = copy(inode);
        }
        let unsynced_directories = self.unsynced_directories.clone();
        Names { seen: self.seen.with_files(seen), unsynced_directories, durable, unsynced }
    }

    pub(super) fn create(&mut self, path: &Path, inode: &Arc<Inode>) -> io::Result<()> {
        self.seen.create(path, Arc::clone(inode))?;
        self.unsynced.push(Change::Create { name: Name::of(path), inode: Arc::clone(inode) });
        Ok(())
    }

    /// Returns the file that lost its name.
    pub(super) fn remove(&mut self, path: &Path) -> io::Result<Arc<Inode>> {
        let inode = self.seen.remove(path)?;
        self.unsynced.push(Change::Remove { name: Name::of(path), inode: Arc::clone(&inode) });
        Ok(inode)
    }

    /// Returns the file that lost its name to the other, if there was one.
    pub(super) fn rename(
        &mut self,
        from: &Path,
        to: &Path,
        atomic: Atomic,
    ) -> io::Result<Option<Arc<Inode>>> {
        let (inode, replaced) = self.seen.rename(from, to)?;
        let (from, to) = (Name::of(from), Name::of(to));
        if from != to {
            self.unsynced.push(Change::Rename { from, to, inode, atomic });
        }
        Ok(replaced)
    }

    /// Creates a directory and its missing parents, none of them synced. Gives those that were missing.
    pub(super) fn create_directory(&mut self, path: &Path) -> io::Result<Vec<Name>> {
        let missing = self.seen.missing_directories(path);
        self.seen.create_directory(path)?;
        self.unsynced_directories.extend(missing.iter().cloned());
        Ok(missing)
    }

    /// The names of directories have become durable.
    pub(super) fn settle_directories(&mut self, names: &[Name]) {
        self.unsynced_directories.retain(|name| !names.contains(name));
    }

    /// Names a durable file, whatever the name stood for before. Changes of names in its directory
    /// become durable before, since some may be about this name.
    pub(super) fn put(&mut self, path: &Path, inode: &Arc<Inode>) -> io::Result<()> {
        self.seen.replace(path, Arc::clone(inode))?;
        if let Some(directory) = path.parent() {
            self.sync_directory(directory)?;
        }
        self.durable.insert(Name::of(path), Arc::clone(inode));
        Ok(())
    }

    /// Makes the changes in a directory durable, and with them those in the directories that it
    /// exchanged files with: one move between two directories is one entry of the journal.
    pub(super) fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        let mut synced = BTreeSet::from([self.seen.directory(path)?.clone()]);
        loop {
            let before = synced.len();
            for change in &self.unsynced {
                if change.touches(&synced) {
                    synced.extend(change.directories().map(Name::from));
                }
            }
            if synced.len() == before {
                break;
            }
        }
        let (now, later) =
            self.unsynced.drain(..).partition::<Vec<_>, _>(|change| change.touches(&synced));
        self.unsynced = later;
        let stands = |name: &Name| name.parent().is_some_and(|parent| synced.contains(parent));
        self.unsynced_directories.retain(|name| !stands(name));
        now.iter().for_each(|change| change.apply(&mut self.durable));
        Ok(())
    }

    /// The names found after a power cut.
    pub(super) fn survivors(&self, how: PowerCut, random: &mut Random) -> Survivors {
        let (halved, lost) = (BTreeSet::new(), BTreeSet::new());
        let mut found = Survivors { files: self.durable.clone(), halved, lost };
        // A fate for the names as a whole, so that all and nothing come up often as well.
        let kept = if how == PowerCut::Random { random.between(0, 4) } else { 0 };
        for change in &self.unsynced {
            let survives = match how {
                PowerCut::KeepAll | PowerCut::TearLast(..) => true,
                _ if change.fall_apart(how, &mut found, random) => false,
                PowerCut::LoseAll => false,
                PowerCut::Random => random.quarters(kept),
            };
            if survives {
                change.apply(&mut found.files);
            }
        }
        let stays = |_: &&Name| match how {
            PowerCut::KeepAll | PowerCut::TearLast(..) => true,
            PowerCut::LoseAll => false,
            PowerCut::Random => random.quarters(kept),
        };
        let (_, lost) = self.unsynced_directories.iter().partition::<Vec<_>, _>(stays);
        found.lost = lost.into_iter().cloned().collect();
        let is_lost =
            |name: &Name| ancestors(name.borrow()).any(|above| found.lost.contains(above));
        found.files.retain(|name, _| !is_lost(name));
        found
    }
}

impl Change {
    /// The directories whose entries change.
    fn directories(&self) -> impl Iterator<Item = &[u8]> {
        let (first, second) = match self {
            Change::Create { name, .. } | Change::Remove { name, .. } => (name, None),
            Change::Rename { from, to, .. } => (from, Some(to)),
        };
        [Some(first), second].into_iter().flatten().filter_map(Name::parent)
    }

    fn touches(&self, directories: &BTreeSet<Name>) -> bool {
        self.directories().any(|directory| directories.contains(directory))
    }

    /// Makes the change, unless what it rests on is not there.
    fn apply(&self, files: &mut Files) {
        let is = |name: &Name, inode: &Arc<Inode>| {
            files.get(name).is_some_and(|found| found.id == inode.id)
        };
        match self {
            Change::Create { name, inode } => {
                files.entry(name.clone()).or_insert_with(|| Arc::clone(inode));
            }
            Change::Remove { name, inode } => {
                if is(name, inode) {
                    files.remove(name);
                }
            }
            Change::Rename { from, to, inode, .. } => {
                if is(from, inode) {
                    files.remove(from);
                    files.insert(to.clone(), Arc::clone(inode));
                }
            }
        }
    }

    /// Lets a rename that is not atomic end between its two names. Whether it did.
    fn fall_apart(&self, how: PowerCut, found: &mut Survivors, random: &mut Random) -> bool {
        let Change::Rename { to, inode, atomic: Atomic::No, .. } = self else { return false };
        match if how == PowerCut::LoseAll { 0 } else { random.below(3) } {
            0 => drop(found.files.remove(to)),
            1 => {
                self.apply(&mut found.files);
                found.halved.insert(inode.id);
            }
            _ => return false,
        }
        true
    }
}
