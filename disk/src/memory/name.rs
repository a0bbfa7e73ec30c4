//! What files and directories are found by.

use std::borrow::{Borrow, Cow};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// A path in [`normal`] form: one spelling for each place. Names are compared byte by byte; paths are by their
/// components, which takes most of the time that a simulated call has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(Vec<u8>);

impl Name {
    /// The name of a path.
    pub(crate) fn of(path: &Path) -> Name {
        Name(normal(path).into_owned())
    }

    /// The path that it spells.
    pub(crate) fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The name of the directory that it stands in.
    pub(crate) fn parent(&self) -> Option<&[u8]> {
        parent(&self.0)
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Name {
    /// The bytes are those of a normal form.
    fn from(bytes: &[u8]) -> Name {
        Name(bytes.to_vec())
    }
}

/// The normal form of a path: without `.`, and with `..` taken literally, as if there were no symbolic links,
/// which these disks do not have.
pub(crate) fn normal(path: &Path) -> Cow<'_, [u8]> {
    let bytes = path.as_os_str().as_bytes();
    if is_plain(bytes) {
        return Cow::Borrowed(bytes);
    }
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    Cow::Owned(normal.into_os_string().as_bytes().to_vec())
}

/// Whether a path is in normal form beyond doubt: most are, and need not be taken apart.
fn is_plain(path: &[u8]) -> bool {
    let doubtful = |pair: &[u8]| pair[0] == b'/' && matches!(pair[1], b'/' | b'.');
    !path.starts_with(b".") && !path.ends_with(b"/") && !path.windows(2).any(doubtful)
}

/// The normal form of the directory that a normal form stands in.
pub(crate) fn parent(normal: &[u8]) -> Option<&[u8]> {
    if matches!(normal, b"" | b"/") {
        return None;
    }
    let slash = normal.iter().rposition(|&byte| byte == b'/');
    Some(match slash {
        None => &[],
        Some(0) => b"/",
        Some(at) => &normal[..at],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPELLINGS: &[&str] = &[
        "", "/", ".", "..", "a", "/a", "a/b", "/a/b", "/a/b/", "//a", "/a//b", "/./a", "/a/./b",
        "/a/../b", "../a", "a/..", "/.a", "a/.b", ".a/b", "/a/b.c", "a/b/..", "/..", "/a/b/./",
        "é/ñ",
    ];

    #[test]
    fn a_path_that_is_not_taken_apart_is_in_normal_form() {
        for spelling in SPELLINGS.iter().filter(|spelling| is_plain(spelling.as_bytes())) {
            let path: PathBuf = Path::new(spelling).components().collect();
            assert_eq!(path.as_os_str(), *spelling);
            assert!(!path.components().any(|part| part == Component::ParentDir), "{spelling}");
        }
    }

    #[test]
    fn a_name_stands_in_the_directory_that_its_path_stands_in() {
        for name in SPELLINGS.iter().map(|spelling| Name::of(Path::new(spelling))) {
            let parent = name.path().parent().map(|parent| parent.as_os_str().as_bytes());
            assert_eq!(name.parent(), parent, "{name:?}");
        }
    }
}
