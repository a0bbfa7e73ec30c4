//! Ordinals that pass by, and what is known of all of them.

/// What is known of ordinals that nobody holds: how many have passed, the last one, and whether they ascended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Row {
    count: u64,
    last: Option<u32>,
    is_broken: bool,
}

impl Row {
    /// The next ones.
    pub(crate) fn add(&mut self, ordinals: &[u32]) {
        let (Some(first), Some(last)) = (ordinals.first(), ordinals.last()) else { return };
        self.is_broken |=
            self.last >= Some(*first) || !ordinals.is_sorted_by(|one, next| one < next);
        self.last = Some(*last);
        self.count += ordinals.len() as u64;
    }

    /// How many have passed.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The last of them.
    pub(crate) fn last(&self) -> Option<u32> {
        self.last
    }

    /// Whether each was more than the one before.
    pub(crate) fn ascends(&self) -> bool {
        !self.is_broken
    }
}
