//! A fresh folder that goes when the demo does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use crate::failure::Failure;

/// Names tried before the folder for temporary files is given up.
const TRIES: u32 = 100;

/// A folder of the demo's own. Removed with all that is in it, unless it is to be kept.
pub(super) struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    pub(super) fn create() -> Result<Folder, Failure> {
        let parent = std::env::temp_dir();
        let mut tried = 0;
        loop {
            let path = parent.join(format!("quipu-demo-{}-{tried}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Folder { path, keep: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tried < TRIES => {
                    tried += 1;
                }
                Err(error) => return Err(Failure::file("create", &path, &error)),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn keep(&mut self) {
        self.keep = true;
    }

    pub(super) fn is_kept(&self) -> bool {
        self.keep
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed is left to the system, as all temporary files are.
            let _left = fs::remove_dir_all(&self.path);
        }
    }
}
