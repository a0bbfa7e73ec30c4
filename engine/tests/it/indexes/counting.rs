//! A disk that counts what is read of each file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::attended::{Attendant, Attended};

pub(crate) type Counting = Attended<Count>;

/// Bytes read of each file by read calls, and the files that were opened.
#[derive(Debug, Default)]
pub(crate) struct Count(Mutex<BTreeMap<PathBuf, u64>>);

impl Counting {
    pub(crate) fn read(&self) -> BTreeMap<PathBuf, u64> {
        self.attendant.0.lock().unwrap().clone()
    }
}

impl Attendant for Count {
    fn has_opened(&self, path: &Path) {
        self.0.lock().unwrap().entry(path.to_owned()).or_default();
    }

    fn has_read(&self, path: &Path, bytes: &mut [u8], _offset: u64) {
        *self.0.lock().unwrap().entry(path.to_owned()).or_default() += bytes.len() as u64;
    }
}
