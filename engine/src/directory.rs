//! The files of a store and their names.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use quipu_format::SegmentId;

use crate::{Error, ErrorKind, Result};

/// Ends the name of a file that is not complete yet.
const TEMPORARY: &str = ".tmp";
const SEGMENT: &str = ".seg";
const INDEX: &str = ".idx";
const RUN: &str = ".run";
const BALLAST: &str = "ballast";
/// The manifest of a copy that salvage has not finished: a directory with it holds no store yet.
pub(crate) const UNFINISHED_MANIFEST: &str = "manifest.unfinished";
const LIVE: &str = "live";

/// What a file of a store is for, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The lock, the manifest, or what the writer tells readers in other processes.
    Fixed,
    /// Room set aside.
    Ballast,
    /// Not complete: whoever made it has died.
    Temporary,
    Segment(SegmentId),
    /// The index of a segment, or of its beginning.
    Index(SegmentId),
    /// The heads of a range of segments.
    Run(RangeInclusive<SegmentId>),
    /// None of the store's.
    Stranger,
}

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

    pub(crate) fn index(&self, id: SegmentId) -> PathBuf {
        self.path.join(format!("{:010}{INDEX}", id.0))
    }

    pub(crate) fn run(&self, segments: &RangeInclusive<SegmentId>) -> PathBuf {
        self.path.join(format!("{:010}-{:010}{RUN}", segments.start().0, segments.end().0))
    }

    pub(crate) fn ballast(&self) -> PathBuf {
        self.path.join(BALLAST)
    }

    pub(crate) fn live(&self) -> PathBuf {
        self.path.join(LIVE)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Refuses a directory of these files if it holds a copy that is no store yet.
    pub(crate) fn refuse_unfinished(&self, names: &[String]) -> Result<()> {
        if names.iter().any(|name| name == UNFINISHED_MANIFEST) {
            let path = self.path.display();
            let detail = format!("{path} holds a salvage that was never finished: remove it first");
            return Err(Error::new(ErrorKind::NoStore, detail));
        }
        Ok(())
    }

    /// The name under which a file is made before it is complete.
    pub(crate) fn temporary(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(TEMPORARY);
        PathBuf::from(name)
    }

    /// What a name stands for.
    pub(crate) fn role(name: &str) -> Role {
        match name {
            "lock" | "manifest" | LIVE => return Role::Fixed,
            BALLAST => return Role::Ballast,
            _ => {}
        }
        if let Some(complete) = name.strip_suffix(TEMPORARY) {
            // Of no other file would one of these be made: it is somebody else's.
            return match Directory::role(complete) {
                Role::Stranger | Role::Temporary => Role::Stranger,
                Role::Fixed if complete != "manifest" => Role::Stranger,
                _ => Role::Temporary,
            };
        }
        let run = || {
            let (first, last) = name.strip_suffix(RUN)?.split_once('-')?;
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Role::Run(first..=last))
        };
        let index = || Some(Role::Index(number(name.strip_suffix(INDEX)?)?));
        let segment = || Some(Role::Segment(number(name.strip_suffix(SEGMENT)?)?));
        segment().or_else(index).or_else(run).unwrap_or(Role::Stranger)
    }

    /// The segment that a file is, if it is one.
    pub(crate) fn segment_in(file: &Path) -> Option<SegmentId> {
        match Directory::role(&file.file_name()?.to_string_lossy()) {
            Role::Segment(id) => Some(id),
            _ => None,
        }
    }
}

/// The number of a segment as names show it: ten digits.
fn number(digits: &str) -> Option<SegmentId> {
    let plain = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let id = if plain { digits.parse().ok()? } else { return None };
    (id > 0).then_some(SegmentId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_what_they_were_made_for() {
        let directory = Directory::new("s");
        let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let (one, twelve) = (SegmentId(1), SegmentId(12));
        assert_eq!(Directory::role(&name(directory.segment(twelve))), Role::Segment(twelve));
        assert_eq!(Directory::role(&name(directory.index(twelve))), Role::Index(twelve));
        assert_eq!(Directory::role(&name(directory.run(&(one..=twelve)))), Role::Run(one..=twelve));
        for fixed in [directory.lock(), directory.manifest(), directory.live()] {
            assert_eq!(Directory::role(&name(fixed)), Role::Fixed);
        }
        assert_eq!(Directory::role(&name(directory.ballast())), Role::Ballast);
        let temporary = Directory::temporary(&directory.index(twelve));
        assert_eq!(Directory::role(&name(temporary)), Role::Temporary);
        assert_eq!(Directory::role("manifest.tmp"), Role::Temporary);
        for stranger in
            ["upload.tmp", "live.tmp", "lock.tmp", ".tmp", "1.seg.tmp", "0000000001.idx.tmp.tmp"]
        {
            assert_eq!(Directory::role(stranger), Role::Stranger, "{stranger}");
        }
        assert_eq!(directory.segment(twelve), Path::new("s/0000000012.seg"));
    }

    #[test]
    fn only_ten_digits_name_a_segment() {
        for name in [
            "12.seg",
            "0000000000.seg",
            "00000000+1.seg",
            "9999999999.seg",
            "0000000001.idx.old",
            "0000000001.run",
            "0000000002-0000000001.run",
            "0000000001-0000000002-0000000003.run",
            "letter.txt",
        ] {
            assert_eq!(Directory::role(name), Role::Stranger, "{name}");
        }
    }
}
