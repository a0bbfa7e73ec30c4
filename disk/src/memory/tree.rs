//! Names of files and directories, with the errors that Linux gives.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::name::{Name, normal, parent};

/// Which names there are and which file each stands for. `F` is a cheap handle, such as an `Arc`.
pub(crate) struct Tree<F> {
    files: BTreeMap<Name, F>,
    /// The parent of each directory is in here too.
    directories: BTreeSet<Name>,
}

impl<F> Default for Tree<F> {
    fn default() -> Tree<F> {
        Tree {
            files: BTreeMap::new(),
            directories: BTreeSet::from(["/", ""].map(|path| Name::of(Path::new(path)))),
        }
    }
}

impl<F: Clone> Tree<F> {
    /// The same directories, with other files.
    pub(crate) fn with_files(&self, files: BTreeMap<Name, F>) -> Tree<F> {
        Tree { files, directories: self.directories.clone() }
    }

    /// All files, ordered by name.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Name, &F)> {
        self.files.iter()
    }

    /// The file of a name.
    pub(crate) fn file(&self, path: &Path) -> io::Result<&F> {
        let name = normal(path);
        match self.files.get(&*name) {
            Some(file) => Ok(file),
            None if self.directories.contains(&*name) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(self.absent(&name)),
        }
    }

    /// The names of the files in a directory, sorted.
    pub(crate) fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let directory = self.directory(directory)?;
        let directory: &[u8] = directory.borrow();
        let inside = self.files.keys().filter(|name| name.parent() == Some(directory));
        let names = inside.filter_map(|name| name.path().file_name());
        Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
    }

    /// Names a new file.
    pub(crate) fn create(&mut self, path: &Path, file: F) -> io::Result<()> {
        let name = self.place(path)?;
        if self.files.contains_key(&name) || self.directories.contains(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.files.insert(name, file);
        Ok(())
    }

    /// Names a file, whatever the name stood for before.
    pub(crate) fn replace(&mut self, path: &Path, file: F) -> io::Result<Option<F>> {
        let name = self.place(path)?;
        if self.directories.contains(&name) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(self.files.insert(name, file))
    }

    /// Gives a file another name. Returns the file, and the one that had the name before.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<(F, Option<F>)> {
        let file = self.file(from)?.clone();
        self.place(to)?;
        if normal(from) == normal(to) {
            return Ok((file, None));
        }
        let replaced = self.replace(to, file.clone())?;
        self.files.remove(&*normal(from));
        Ok((file, replaced))
    }

    /// Takes a name away and returns its file.
    pub(crate) fn remove(&mut self, path: &Path) -> io::Result<F> {
        let file = self.file(path)?.clone();
        self.files.remove(&*normal(path));
        Ok(file)
    }

    /// Creates a directory and its missing parents.
    pub(crate) fn create_directory(&mut self, path: &Path) -> io::Result<()> {
        let name = normal(path);
        if self.files.contains_key(&*name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if ancestors(&name).any(|ancestor| self.files.contains_key(ancestor)) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        self.directories.extend(ancestors(&name).map(Name::from));
        Ok(())
    }

    /// Which directories a path needs and that are not there.
    pub(crate) fn missing_directories(&self, path: &Path) -> Vec<Name> {
        let name = normal(path);
        let missing = ancestors(&name).filter(|ancestor| !self.directories.contains(*ancestor));
        missing.map(Name::from).collect()
    }

    /// Takes directories away, with all directories in them; their files have to be gone.
    pub(crate) fn remove_directories(&mut self, gone: &BTreeSet<Name>) {
        let is_gone = |name: &Name| ancestors(name.borrow()).any(|above| gone.contains(above));
        self.directories.retain(|name| !is_gone(name));
    }

    /// The name of a directory, if there is such a directory.
    pub(crate) fn directory(&self, path: &Path) -> io::Result<&Name> {
        self.directory_of(&normal(path))
    }

    fn directory_of(&self, name: &[u8]) -> io::Result<&Name> {
        if let Some(directory) = self.directories.get(name) {
            return Ok(directory);
        }
        if self.files.contains_key(name) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Err(self.absent(name))
    }

    /// The name of a path whose directory exists.
    fn place(&self, path: &Path) -> io::Result<Name> {
        let name = Name::of(path);
        if let Some(directory) = name.parent() {
            self.directory_of(directory)?;
        }
        Ok(name)
    }

    /// Why there is nothing of this name: a file stands where a directory should, or nothing does.
    fn absent(&self, name: &[u8]) -> io::Error {
        let blocked = ancestors(name).skip(1).any(|ancestor| self.files.contains_key(ancestor));
        if blocked { io::ErrorKind::NotADirectory.into() } else { io::ErrorKind::NotFound.into() }
    }
}

/// A name, its directory, that one's directory, and so on.
pub(crate) fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(name), |name| parent(name))
}
