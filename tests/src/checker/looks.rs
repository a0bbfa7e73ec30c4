//! Counts what the checker looks at, so that a test can show that its work grows as the history does.

/// An event, a commit or an entry of a list is looked at.
pub(super) fn look() {
    #[cfg(test)]
    LOOKS.set(LOOKS.get() + 1);
}

#[cfg(test)]
thread_local! {
    static LOOKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How often that was in this thread.
#[cfg(test)]
pub(super) fn looks() -> u64 {
    LOOKS.get()
}
