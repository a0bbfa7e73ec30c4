//! This process, told from those that it forks.

#[cfg(not(any(quipu_shuttle, quipu_loom, miri)))]
use {
    crate::threads::{AtomicU64, Ordering},
    std::sync::OnceLock,
};

/// A process, told from every child that it forks: what belongs to a process and not to its children notes who it is.
///
/// ```
/// use quipu_disk::Process;
///
/// let owner = Process::this();
/// assert!(owner.is_this());
/// ```
///
/// To ask is to load a word from memory: one that the kernel wipes in each child (`MADV_WIPEONFORK`, see `madvise(2)`).
/// Where it does not, the number of the process is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(u64);

impl Process {
    /// The process that asks.
    #[must_use]
    pub fn this() -> Process {
        Process(marked().unwrap_or_else(|| u64::from(std::process::id())))
    }

    /// Whether this is the process that asks, and not one that it was forked from.
    #[must_use]
    pub fn is_this(self) -> bool {
        self == Process::this()
    }
}

/// Models have processes of their own, in which nothing forks.
#[cfg(any(quipu_shuttle, quipu_loom, miri))]
const fn marked() -> Option<u64> {
    None
}

/// The mark of this process, given on the first asking; nothing where the system wipes no memory.
#[cfg(not(any(quipu_shuttle, quipu_loom, miri)))]
fn marked() -> Option<u64> {
    static WORD: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();
    /// Marks that were given, by this process and those that it was forked from: memory that is copied and not wiped.
    static GIVEN: OnceLock<AtomicU64> = OnceLock::new();
    let word = (*WORD.get_or_init(wiped_word))?;
    match word.load(Ordering::Relaxed) {
        0 => {
            let given = GIVEN.get_or_init(|| AtomicU64::new(0));
            let mark = given.fetch_add(1, Ordering::Relaxed) + 1;
            // Threads that ask at the same time take the mark of the first.
            let before = word.compare_exchange(0, mark, Ordering::Relaxed, Ordering::Relaxed);
            Some(before.map_or_else(|first| first, |_| mark))
        }
        mark => Some(mark),
    }
}

/// A word of zeros that is a word of zeros again in every child.
#[cfg(not(any(quipu_shuttle, quipu_loom, miri)))]
#[allow(unsafe_code, reason = "memory is given to the system, and shared as an atomic")]
fn wiped_word() -> Option<&'static AtomicU64> {
    use rustix::mm::{Advice, madvise};

    let map = Box::leak(Box::new(memmap2::MmapMut::map_anon(size_of::<AtomicU64>()).ok()?));
    let (start, len) = (map.as_mut_ptr(), map.len());
    // SAFETY: the advice changes what a child finds in this mapping, which nobody uses yet, and nothing in this process.
    unsafe { madvise(start.cast(), len, Advice::LinuxWipeOnFork) }.ok()?;
    // SAFETY: a mapping is aligned to a page and this one has at least 8 bytes of zeros; it was leaked, so it lasts as
    // long as the process, and nothing else refers to it.
    Some(unsafe { AtomicU64::from_ptr(start.cast()) })
}
