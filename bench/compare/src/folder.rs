//! Where the stores lie, and that nothing is left of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Failure, Result};
use crate::machine::Machine;

/// Set as the run is to end before its time: no further folder is made then.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A folder of this run, which goes with it, by a signal too.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

/// Whether a file system without a disk below it will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    Refused,
    Allowed,
}

impl Folder {
    /// Makes a folder in the one that is named, or in the current one.
    pub(crate) fn make(parent: Option<&Path>, memory: Memory) -> Result<Folder> {
        let parent = parent.unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|error| {
            Failure::from(error).during(&format!("making the folder {}", parent.display()))
        })?;
        let file_system = Machine::look(parent).file_system;
        if file_system.is_memory() && memory == Memory::Refused {
            return Err(Failure::Failed(format!(
                "{} lies on {}, which keeps everything in memory: a sync does nothing there, and every durable figure \
                 would be wrong. Name a folder on a disk by --dir, or say --force to look at everything but those.",
                parent.display(),
                file_system.kind
            )));
        }
        let folder = parent.canonicalize()?.join(format!("quipu-compare-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| {
            Failure::from(error).during(&format!("making the folder {}", folder.display()))
        })?;
        Ok(Folder(folder))
    }

    /// Has a signal remove the folder and end the process. Arms get the same signal, and end by it.
    pub(crate) fn watch(&self) -> Result<()> {
        let folder = self.0.clone();
        ctrlc::set_handler(move || {
            INTERRUPTED.store(true, Ordering::SeqCst);
            // An arm that is just ending may still make a file.
            for _ in 0..20 {
                if fs::remove_dir_all(&folder).is_ok() || !folder.exists() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            eprintln!("\ninterrupted; {} is removed", folder.display());
            std::process::exit(130);
        })?;
        Ok(())
    }

    /// An empty folder for one arm.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        if INTERRUPTED.load(Ordering::SeqCst) {
            return Err(Failure::new("interrupted"));
        }
        let folder = self.0.join(name);
        fs::create_dir(&folder)?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_everything_in_it() {
        let parent = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = Folder::make(Some(parent), Memory::Allowed).unwrap();
        let arm = folder.fresh("arm").unwrap();
        fs::write(arm.join("file"), "bytes").unwrap();
        assert!(folder.fresh("arm").is_err(), "it is there already");
        drop(folder);
        assert!(!arm.exists() && !arm.parent().unwrap().exists());
    }

    #[test]
    fn memory_is_refused_with_words_that_help() {
        let Some(parent) = ["/dev/shm", "/run"]
            .map(Path::new)
            .into_iter()
            .find(|path| path.exists() && Machine::look(path).file_system.is_memory())
        else {
            eprintln!("SKIPPED: there is no file system in memory here");
            return;
        };
        let refused = Folder::make(Some(parent), Memory::Refused).unwrap_err().to_string();
        assert!(refused.contains("--dir") && refused.contains("--force"), "{refused}");
    }
}
