//! How many files a process may have open.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process have as many files open as it may let itself: its soft limit (`RLIMIT_NOFILE`, see `getrlimit(2)`)
/// becomes the hard one. Gives how many that are; nothing where there is no limit.
///
/// The soft limit is usually 1,024, for the sake of programs that use `select(2)`. A store keeps some 256 files open. It
/// takes more while it is opened after its manifest was lost: one for each of its segments.
///
/// ```
/// if let Some(most) = quipu_disk::raise_open_files()? {
///     println!("up to {most} files");
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// What the system refuses; then everything is as it was.
pub fn raise_open_files() -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    }
    Ok(limit.maximum)
}
