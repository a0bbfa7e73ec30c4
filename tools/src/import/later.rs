//! Which lines of the input are stored behind the first one that is not.
//!
//! Where a store has lost events, by a salvage say, lines that were imported are missing before others that are there.
//! The ids of lines sort as the lines do. So the ids in the store are looked for in that order, at most so many at a
//! time, and each walk through the store goes on where the one before has ended.

use std::collections::BinaryHeap;

use quipu::{Store, Uuid};

use crate::failure::Failure;

/// Ids that are held at a time; 16 bytes each.
const IDS_MAX: usize = 4 << 20;

/// The ids that the store holds from one on.
pub(super) struct Later<'s> {
    store: &'s Store,
    /// Where the next walk begins; none where the last one has met all there are.
    from: Option<Uuid>,
    /// Found and not passed yet, the lowest last.
    found: Vec<Uuid>,
    ids_max: usize,
}

impl<'s> Later<'s> {
    /// The ids of a store from this one on, of which `highest` is the last, if there is any.
    pub(super) fn new(store: &'s Store, from: Uuid, highest: Option<Uuid>) -> Later<'s> {
        let from = Some(from).filter(|from| highest >= Some(*from));
        Later { store, from, found: Vec::new(), ids_max: IDS_MAX }
    }

    /// Whether the store holds this id. Each that is asked for must be higher than the one before.
    pub(super) fn holds(&mut self, id: Uuid) -> Result<bool, Failure> {
        loop {
            while self.found.pop_if(|found| *found < id).is_some() {}
            if let Some(lowest) = self.found.last() {
                return Ok(*lowest == id);
            }
            self.from = self.from.map(|from| from.max(id));
            if self.is_over()? {
                return Ok(false);
            }
        }
    }

    /// Whether the store holds none that was not passed.
    pub(super) fn is_over(&mut self) -> Result<bool, Failure> {
        if self.found.is_empty()
            && let Some(from) = self.from.take()
        {
            self.find(from)?;
        }
        Ok(self.found.is_empty())
    }

    /// Finds the lowest ids from this one on.
    fn find(&mut self, from: Uuid) -> Result<(), Failure> {
        // The highest comes out first, so what stays in are the lowest.
        let mut lowest = BinaryHeap::new();
        let mut beyond: Option<Uuid> = None;
        let mut events = self.store.all().events()?;
        while let Some(event) = events.next()? {
            let Some(id) = of_a_line(event.id()).filter(|id| *id >= from) else { continue };
            if lowest.len() < self.ids_max {
                lowest.push(id);
                continue;
            }
            let out = match lowest.peek_mut() {
                Some(mut highest) if *highest > id => std::mem::replace(&mut *highest, id),
                _ => id,
            };
            beyond = Some(beyond.map_or(out, |beyond: Uuid| beyond.min(out)));
        }
        self.found = lowest.into_sorted_vec();
        self.found.reverse();
        self.from = beyond;
        Ok(())
    }
}

/// An id that may be that of a line.
pub(super) fn of_a_line(id: Option<Uuid>) -> Option<Uuid> {
    id.filter(|id| id.get_version_num() == 8)
}

#[cfg(test)]
mod tests {
    use quipu::{ExpectedVersion, NewEvent};

    use super::*;

    /// An id as lines have them: its number goes first.
    fn id(number: u128) -> Uuid {
        Uuid::from_u128((number << 88) | (8 << 76) | (2 << 62))
    }

    #[test]
    fn all_ids_are_found_in_order_however_few_are_held_at_a_time() {
        let store = Store::builder("s").in_memory().open().unwrap();
        let numbers = [9, 2, 3, 40, 7, 41, 42, 8, 1];
        for number in numbers {
            let event = NewEvent::new("T", vec![]).id(id(number));
            store.append("a", ExpectedVersion::Any, [event]).unwrap();
        }
        let event = NewEvent::new("T", vec![]).id(Uuid::from_u128(u128::MAX));
        store.append("b", ExpectedVersion::Any, [event]).unwrap();
        for ids_max in 1..10 {
            for step in [1, 2, 3, 30] {
                let mut later = Later { ids_max, ..Later::new(&store, id(3), Some(id(42))) };
                let mut found = Vec::new();
                for number in (3..50).step_by(step) {
                    if later.holds(id(number)).unwrap() {
                        found.push(number);
                    }
                }
                let mut expected: Vec<u128> = (3..50).step_by(step).collect();
                expected.retain(|number| numbers.contains(number));
                assert_eq!(found, expected, "{ids_max} {step}");
                assert!(later.holds(id(50)).is_ok_and(|held| !held));
                assert!(later.is_over().unwrap());
            }
        }
    }
}
