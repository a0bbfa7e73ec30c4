//! Names of files and directories, with the errors that Linux gives.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};

/// Which names there are and which file each stands for. `F` is a cheap handle, such as an `Arc`.
pub(crate) struct Tree<F> {
    /// Every file's path in [`normal`] form.
    files: BTreeMap<PathBuf, F>,
    /// Every directory's path in [`normal`] form. The parent of each is in here too.
    directories: BTreeSet<PathBuf>,
}

impl<F> Default for Tree<F> {
    fn default() -> Tree<F> {
        Tree {
            files: BTreeMap::new(),
            directories: BTreeSet::from([PathBuf::from("/"), PathBuf::new()]),
        }
    }
}

impl<F: Clone> Tree<F> {
    /// The same directories, with other files.
    pub(crate) fn with_files(&self, files: BTreeMap<PathBuf, F>) -> Tree<F> {
        Tree { files, directories: self.directories.clone() }
    }

    /// All files, ordered by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, &F)> {
        self.files.iter().map(|(path, file)| (path.as_path(), file))
    }

    /// The file of a name.
    pub(crate) fn file(&self, path: &Path) -> io::Result<&F> {
        let path = normal(path);
        match self.files.get(&path) {
            Some(file) => Ok(file),
            None if self.directories.contains(&path) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(self.absent(&path)),
        }
    }

    /// The names of the files in a directory, sorted.
    pub(crate) fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let directory = self.directory(directory)?;
        let inside = self.files.keys().filter(|path| path.parent() == Some(&directory));
        let names = inside.filter_map(|path| path.file_name());
        Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
    }

    /// Names a new file.
    pub(crate) fn create(&mut self, path: &Path, file: F) -> io::Result<()> {
        let path = self.place(path)?;
        if self.files.contains_key(&path) || self.directories.contains(&path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.files.insert(path, file);
        Ok(())
    }

    /// Names a file, whatever the name stood for before.
    pub(crate) fn replace(&mut self, path: &Path, file: F) -> io::Result<Option<F>> {
        let path = self.place(path)?;
        if self.directories.contains(&path) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(self.files.insert(path, file))
    }

    /// Gives a file another name. Returns the file, and the one that had the name before.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<(F, Option<F>)> {
        let file = self.file(from)?.clone();
        self.place(to)?;
        if normal(from) == normal(to) {
            return Ok((file, None));
        }
        let replaced = self.replace(to, file.clone())?;
        self.files.remove(&normal(from));
        Ok((file, replaced))
    }

    /// Takes a name away and returns its file.
    pub(crate) fn remove(&mut self, path: &Path) -> io::Result<F> {
        let file = self.file(path)?.clone();
        self.files.remove(&normal(path));
        Ok(file)
    }

    /// Creates a directory and its missing parents.
    pub(crate) fn create_directory(&mut self, path: &Path) -> io::Result<()> {
        let path = normal(path);
        if self.files.contains_key(&path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if path.ancestors().any(|ancestor| self.files.contains_key(ancestor)) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        self.directories.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    /// The normal form of a directory's path, if there is such a directory.
    pub(crate) fn directory(&self, path: &Path) -> io::Result<PathBuf> {
        let path = normal(path);
        if self.directories.contains(&path) {
            return Ok(path);
        }
        if self.files.contains_key(&path) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Err(self.absent(&path))
    }

    /// The normal form of a path whose directory exists.
    fn place(&self, path: &Path) -> io::Result<PathBuf> {
        let path = normal(path);
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        Ok(path)
    }

    /// Why there is nothing at `path`: a file stands where a directory should, or nothing does.
    fn absent(&self, path: &Path) -> io::Error {
        let blocked = path.ancestors().skip(1).any(|ancestor| self.files.contains_key(ancestor));
        if blocked { io::ErrorKind::NotADirectory.into() } else { io::ErrorKind::NotFound.into() }
    }
}

/// One spelling for each place: without `.`, and with `..` taken literally, as if there were no
/// symbolic links, which these disks do not have.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}
