//! Bugs that can be put in on purpose, so that whoever looks for bugs can be shown to find them.
//!
//! Only a build with `--cfg quipu_plant` can have one. In any other [`is_in`] is `false` before the program runs, and
//! nothing of a bug is left in it; a test looks for `MARK` in the command to be sure.

/// Declares the bugs, each by what is wrong then.
macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident = $name:literal,)*) => {
        /// A bug that can be put in, by what is wrong then.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(not(quipu_plant), allow(unreachable_pub, reason = "nobody outside puts one in"))]
        pub enum Bug { $($(#[$doc])* $bug,)* }

        #[cfg(quipu_plant)]
        impl Bug {
            /// All of them.
            pub const ALL: &[Bug] = &[$(Bug::$bug,)*];

            /// Its name on a command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Bug::$bug => $name,)* }
            }
        }
    };
}

bugs! {
    /// A commit is acknowledged once it is written.
    AcknowledgedBeforeSync = "acknowledged-before-sync",
}

/// Whether a bug is in.
#[cfg(not(quipu_plant))]
pub(crate) const fn is_in(_: Bug) -> bool {
    false
}

#[cfg(quipu_plant)]
pub(crate) use planted::is_in;
#[cfg(quipu_plant)]
pub use planted::{MARK, put_in};

#[cfg(quipu_plant)]
mod planted {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Bug;

    /// Stands in every program that can have a bug put in.
    pub const MARK: &str = "this program can have bugs put in on purpose";

    /// The bug that is in, counted from 1; 0 for none.
    static IN: AtomicUsize = AtomicUsize::new(0);

    /// Puts a bug into every store of this process, instead of the one before, or takes that out.
    pub fn put_in(bug: Option<Bug>) {
        std::hint::black_box(MARK);
        IN.store(bug.map_or(0, |bug| bug as usize + 1), Ordering::Relaxed);
    }

    pub(crate) fn is_in(bug: Bug) -> bool {
        IN.load(Ordering::Relaxed) == bug as usize + 1
    }
}
