//! The files of a store and their names.

use std::path::{Path, PathBuf};

use quipu_format::SegmentId;

/// Ends the name of a file that is not complete yet.
pub(crate) const TEMPORARY: &str = ".tmp";
const SEGMENT: &str = ".seg";

/// The directory of a store.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Directory {
        Directory { path: path.into() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.path.join("manifest")
    }

    pub(crate) fn segment(&self, id: SegmentId) -> PathBuf {
        self.path.join(format!("{:010}{SEGMENT}", id.0))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The name under which a file is made before it is complete.
    pub(crate) fn temporary(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(TEMPORARY);
        PathBuf::from(name)
    }

    /// The number of the segment that a file name stands for.
    pub(crate) fn segment_of(name: &str) -> Option<SegmentId> {
        let digits = name.strip_suffix(SEGMENT)?;
        let plain = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let id = if plain { digits.parse().ok()? } else { return None };
        (id > 0).then_some(SegmentId(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ten_digits_name_a_segment() {
        assert_eq!(Directory::segment_of("0000000012.seg"), Some(SegmentId(12)));
        for name in ["12.seg", "0000000000.seg", "00000000+1.seg", "9999999999.seg", "manifest"] {
            assert_eq!(Directory::segment_of(name), None, "{name}");
        }
        let path = Directory::new("s").segment(SegmentId(12));
        assert_eq!(path, Path::new("s/0000000012.seg"));
    }
}
