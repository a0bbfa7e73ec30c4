//! Commits that have something in common with others of before.

use quipu::stepping::Waiting;
use quipu::{Durability, ErrorKind};

use super::appends::Submission;
use super::{Subject, Wish};
use crate::checker::{Checked, Rule, Violation, is_named};
use crate::content;
use crate::random::Random;

impl Subject {
    /// A commit of before once more, if there is one whose retry is not taken for another.
    pub fn compose_again(&mut self, random: &mut Random) -> Option<Submission> {
        let original = self.past.pick(random)?;
        let commit = self.ids.commit();
        Some(Submission { commit, waiting: Waiting::default(), since: None, ..original })
    }

    /// The same, which asks for another promise.
    pub fn compose_otherwise(&mut self, random: &mut Random) -> Option<Submission> {
        let again = self.compose_again(random)?;
        let durability = match again.durability {
            Durability::Sync => Durability::Os,
            Durability::Os => Durability::Sync,
        };
        Some(Submission { durability, ..again })
    }

    /// A commit that has some of the events of one of before, in the same places, and another one beside them.
    pub fn compose_overlap(&mut self, random: &mut Random) -> Option<Submission> {
        let mut other = self.compose_again(random)?;
        let own = other.parts.iter().position(|part| !part.events.is_empty())?;
        let events = other.parts[own].events.len();
        let (made, written) = content::event(self.ids.event(), 8);
        if events > 1 && random.percent(50) {
            // In the place of one of them.
            let at = random.below(events);
            other.parts[own].events[at] = written;
            other.store_parts[own].events[at] = made;
        } else {
            other.parts[own].events.push(written);
            other.store_parts[own].events.push(made);
        }
        is_named(&other.parts).then_some(other)
    }

    /// A commit with one id twice is refused, whatever the store is like.
    ///
    /// # Errors
    /// It is not.
    pub fn refuse_twice(&mut self, wishes: &[Wish], durability: Durability) -> Checked {
        let Submission { mut store_parts, mut waiting, .. } =
            self.compose(wishes, None, durability);
        let first = store_parts.iter().flat_map(|part| &part.events).next().cloned();
        if let (Some(first), Some(last)) = (first, store_parts.last_mut()) {
            last.events.push(first);
        }
        match self.stepper()?.place(&store_parts, None, durability, &mut waiting) {
            Err(error) if error.kind() == ErrorKind::Invalid => Ok(()),
            Err(error) => Err(Violation::new(Rule::Error, format!("one id twice: {error:?}"))),
            Ok(_) => Err(Violation::new(Rule::Twice, "a commit with one id twice is taken")),
        }
    }
}
