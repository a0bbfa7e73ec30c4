//! The folder that a load test writes in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use crate::failure::Failure;

/// Names tried before the current folder is given up.
const TRIES: u32 = 100;

/// A folder with nothing in it but what the load test writes. That is removed with it, unless it is to be kept.
pub(super) struct Folder {
    path: PathBuf,
    /// Whether it goes as a whole: it was not there before.
    is_new: bool,
    keep: bool,
}

impl Folder {
    /// The folder that was named, or a new one in the current folder.
    pub(super) fn take(named: Option<&Path>) -> Result<Folder, Failure> {
        let Some(path) = named else { return Folder::fresh() };
        let (path, is_new) = match fs::create_dir(path) {
            Ok(()) => (path.to_owned(), true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (empty(path)?, false),
            Err(error) => return Err(unusable(path, &error)),
        };
        Ok(Folder { path, is_new, keep: false })
    }

    fn fresh() -> Result<Folder, Failure> {
        let mut tried = 0;
        loop {
            let path = PathBuf::from(format!("quipu-bench-{}-{tried}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Folder { path, is_new: true, keep: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tried < TRIES => {
                    tried += 1;
                }
                Err(error) => return Err(unusable(&path, &error)),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The store that is filled.
    pub(super) fn store(&self) -> PathBuf {
        self.path.join("store.quipu")
    }

    /// The file that is written to beside it.
    pub(super) fn raw(&self) -> PathBuf {
        self.path.join("raw")
    }

    /// Leaves the store there.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }

    /// Removes what was written, and says so if that cannot be.
    pub(super) fn remove(mut self) -> Result<(), Failure> {
        let removed = self.clear();
        // It is not tried again.
        (self.keep, self.is_new) = (true, false);
        removed.map_err(|error| Failure::file("remove", &self.path, &error))
    }

    fn clear(&self) -> io::Result<()> {
        absent(fs::remove_file(self.raw()))?;
        if !self.keep {
            absent(fs::remove_dir_all(self.store()))?;
            if self.is_new {
                fs::remove_dir(&self.path)?;
            }
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Why the command failed is told already.
        let _left = self.clear();
    }
}

/// What is not there need not be removed.
fn absent(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// A folder that is there must hold nothing: what is in it may be a store.
fn empty(path: &Path) -> Result<PathBuf, Failure> {
    let mut entries = fs::read_dir(path).map_err(|error| unusable(path, &error))?;
    if entries.next().is_none() {
        return Ok(path.to_owned());
    }
    let free = path.join("bench");
    Err(Failure::usage(
        format!("{} is not empty", path.display()),
        format!(
            "a load test writes only where nothing is: name a folder that does not exist, such as {}",
            free.display()
        ),
    ))
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    let mut failure = Failure::file("use", path, error);
    if error.kind() == io::ErrorKind::NotADirectory {
        "name a folder that does not exist, or is empty".clone_into(&mut failure.advice);
    }
    failure
}
