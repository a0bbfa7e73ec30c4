//! Followers: each gets all it asked for, once and in order.

use super::{Checked, Checker, Rule, Violation, ensure};
use crate::history::{Follower, Seen, Selection};

/// What a follower is to get.
#[derive(Clone, Debug)]
pub(super) struct Following {
    selection: Selection,
    /// The first position, or of a stream the first version, that it asked for.
    from: u64,
    /// All before this position was delivered, or was not asked for.
    next: u64,
}

impl Checker {
    /// Somebody follows the store.
    pub(super) fn follows(
        &mut self,
        follower: Follower,
        selection: &Selection,
        from: Option<u64>,
        visible: u64,
    ) -> Checked {
        self.looked(visible)?;
        let next = if from.is_some() { 0 } else { visible };
        let following = Following { selection: selection.clone(), from: from.unwrap_or(0), next };
        let before = self.followers.insert(follower, following);
        ensure(before.is_none(), Rule::Nonsense, || format!("follower {follower} begins twice"))
    }

    /// A follower got an event, which must be the next one for it.
    pub(super) fn delivered(&mut self, follower: Follower, visible: u64, event: &Seen) -> Checked {
        self.looked(visible)?;
        let wanted = self.next_for(follower, visible)?;
        ensure(wanted == Some(event.position), Rule::Following, || {
            format!("{follower} got {event:?} instead of {wanted:?}, {visible} are visible")
        })?;
        self.log.compare_event(event)?;
        self.pass(follower, event.position + 1);
        Ok(())
    }

    /// A follower got nothing: there must be nothing for it.
    pub(super) fn caught_up(&mut self, follower: Follower, visible: u64) -> Checked {
        self.looked(visible)?;
        let wanted = self.next_for(follower, visible)?;
        ensure(wanted.is_none(), Rule::Following, || {
            format!("{follower} got nothing instead of {wanted:?}, {visible} are visible")
        })?;
        self.pass(follower, visible);
        Ok(())
    }

    /// Whether there is an event for a follower that it has not got.
    ///
    /// # Errors
    /// Nobody is this follower.
    pub fn is_due(&self, follower: Follower, visible: u64) -> Checked<bool> {
        Ok(self.next_for(follower, visible)?.is_some())
    }

    fn pass(&mut self, follower: Follower, position: u64) {
        if let Some(following) = self.followers.get_mut(&follower) {
            following.next = following.next.max(position);
        }
    }

    /// The position of the next visible event for a follower.
    fn next_for(&self, follower: Follower, visible: u64) -> Checked<Option<u64>> {
        let Some(Following { selection, from, next }) = self.followers.get(&follower) else {
            return Err(Violation::new(Rule::Nonsense, format!("nobody is follower {follower}")));
        };
        let postings = self.log.postings();
        let first = postings.position_of(selection, *from).max(*next);
        Ok(postings.first(selection, first..visible))
    }
}
