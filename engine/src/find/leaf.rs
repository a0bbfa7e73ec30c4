//! The events with one key, by position.

use quipu_format::Position;
use quipu_index::{Key, Way};

use super::chain::{Node, behind, newest, node, renewed, segment_of};
use super::{Budget, Sight};
use crate::Result;
use crate::segments::View;

/// A cursor over the positions of the events with one key, in one direction. What it holds is bounded by
/// the logarithm of the number of segments.
pub(crate) struct Leaf {
    key: Key,
    way: Way,
    answer: Answer,
    /// The segment that is being read.
    node: Option<Node>,
    /// Which of its parts.
    part: usize,
    /// Ordinals in that part, in the order in which they are read.
    batch: Vec<u32>,
    /// How many of the batch lie behind.
    used: usize,
    /// Reading forward: segments behind the one being read, the nearest last; between two of them may be
    /// more that hold the key.
    path: Vec<Node>,
    bounds: Bounds,
}

/// What a cursor answered last.
#[derive(Clone, Copy)]
enum Answer {
    None,
    At(Position),
    Over,
}

/// Which segments are still to be looked at.
struct Bounds {
    /// Reading forward: the first index; backward: the one after the last.
    next: Option<usize>,
    /// Reading forward: the segments before the loose ones are searched from the newest one only once.
    begun: bool,
}

/// An index could not be read from this ordinal on.
struct Failed {
    from: u32,
}

impl Leaf {
    pub(crate) fn new(key: Key, way: Way) -> Leaf {
        Leaf {
            key,
            way,
            answer: Answer::None,
            node: None,
            part: 0,
            batch: Vec::new(),
            used: 0,
            path: Vec::new(),
            bounds: Bounds { next: None, begun: false },
        }
    }

    /// Begins anew, in a later view.
    pub(crate) fn restart(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();
        *self = Leaf { batch, ..Leaf::new(self.key, self.way) };
    }

    /// The first position at or behind `target`, in the direction of reading, that is visible. Targets
    /// never go against that direction from one call to the next.
    pub(crate) fn seek(&mut self, view: &View, target: Position) -> Result<Option<Position>> {
        if let Some(answer) = self.known(target) {
            return Ok(answer);
        }
        let found = self.search(view, target)?;
        let found = found.filter(|&position| position < view.visible_position);
        self.answer = found.map_or(Answer::Over, Answer::At);
        Ok(found)
    }

    /// The same, with a look of the budget where it is not known already.
    pub(crate) fn look(
        &mut self,
        view: &View,
        target: Position,
        budget: &mut Budget,
    ) -> Result<Sight<Position>> {
        if self.known(target).is_none() {
            if budget.is_spent() {
                return Ok(Sight::Paused(target));
            }
            budget.spend();
        }
        self.seek(view, target).map(Sight::from)
    }

    /// What is answered without looking: what was found last still lies ahead, or there is no more.
    fn known(&self, target: Position) -> Option<Option<Position>> {
        match (self.answer, self.way) {
            (Answer::Over, _) => Some(None),
            (Answer::At(position), Way::Forward) if position >= target => Some(Some(position)),
            (Answer::At(position), Way::Backward) if position <= target => Some(Some(position)),
            _ => None,
        }
    }

    fn search(&mut self, view: &View, target: Position) -> Result<Option<Position>> {
        let target = match self.way {
            Way::Forward => target,
            Way::Backward => match view.visible_position.0.checked_sub(1) {
                Some(last) => target.min(Position(last)),
                None => return Ok(None),
            },
        };
        loop {
            match self.within(view, target) {
                Ok(Some(position)) => return Ok(Some(position)),
                Ok(None) => {}
                Err(Failed { from }) => {
                    self.renew(view, from)?;
                    continue;
                }
            }
            let wanted = segment_of(view, target);
            let next = match self.way {
                Way::Forward => self.next_forward(view, wanted)?,
                Way::Backward => self.next_backward(view, wanted)?,
            };
            let Some(node) = next else { return Ok(None) };
            self.enter(node);
        }
    }

    fn enter(&mut self, node: Node) {
        self.batch.clear();
        self.used = 0;
        (self.part, self.bounds.next) = match self.way {
            Way::Forward => (0, Some(node.index + 1)),
            Way::Backward => (node.held.len() - 1, Some(node.index)),
        };
        self.node = Some(node);
    }

    /// Enters the segment that is being read once more: its index could not be read from an ordinal on.
    fn renew(&mut self, view: &View, from: u32) -> Result<()> {
        let Some(node) = &self.node else { return Ok(()) };
        let way = self.way;
        match renewed(view, node, |part, held| part.batch(held, from, way, &mut Vec::new()))? {
            Some(node) => self.enter(node),
            None => self.node = None,
        }
        Ok(())
    }

    /// The first position at or behind `target` in the segment that is being read.
    fn within(
        &mut self,
        view: &View,
        target: Position,
    ) -> std::result::Result<Option<Position>, Failed> {
        let Some(node) = &self.node else { return Ok(None) };
        let base = view.table.segments[node.index].base;
        let from = match (target.0.checked_sub(base.0).map(u32::try_from), self.way) {
            (Some(Ok(ordinal)), _) => ordinal,
            (None, Way::Forward) => 0,
            (Some(Err(_)), Way::Backward) => u32::MAX,
            (None, Way::Backward) | (Some(Err(_)), Way::Forward) => return Ok(None),
        };
        loop {
            let rest = &self.batch[self.used..];
            self.used += match self.way {
                Way::Forward => rest.partition_point(|&ordinal| ordinal < from),
                Way::Backward => rest.partition_point(|&ordinal| ordinal > from),
            };
            if let Some(&ordinal) = self.batch.get(self.used) {
                return Ok(Some(base.plus(u64::from(ordinal))));
            }
            if let Some((part, held)) = &node.held[self.part]
                && (self.way == Way::Backward || from <= held.last)
            {
                self.used = 0;
                if part.batch(held, from, self.way, &mut self.batch).is_err() {
                    self.batch.clear();
                    return Err(Failed { from });
                }
                if !self.batch.is_empty() {
                    continue;
                }
            }
            match self.way {
                Way::Forward if self.part + 1 < node.held.len() => self.part += 1,
                Way::Backward if self.part > 0 => self.part -= 1,
                _ => return Ok(None),
            }
        }
    }

    /// The next segment to read, at index `wanted` or after.
    fn next_forward(&mut self, view: &View, wanted: usize) -> Result<Option<Node>> {
        let table = &view.table;
        let wanted = self.bounds.next.map_or(wanted, |next| next.max(wanted));
        if wanted < table.loose
            && let Some(node) = self.covered_forward(view, wanted)?
        {
            return Ok(Some(node));
        }
        for index in wanted.max(table.loose)..table.segments.len() {
            if table.segments[index].base >= view.visible_position {
                return Ok(None);
            }
            if let Some(node) = node(view, index, self.key)? {
                return Ok(Some(node));
            }
        }
        Ok(None)
    }

    /// The same among the segments before the loose ones: walks back from the nearest segment behind it
    /// that is known, and keeps the way it went.
    fn covered_forward(&mut self, view: &View, wanted: usize) -> Result<Option<Node>> {
        while self.path.last().is_some_and(|node| node.index < wanted) {
            self.path.pop();
        }
        if self.path.is_empty() && !self.bounds.begun {
            let newest = newest(view, self.key)?;
            self.bounds.begun = true;
            self.path.extend(newest.filter(|node| node.index >= wanted));
        }
        while let Some(last) = self.path.last() {
            match behind(view, last, wanted, wanted)? {
                Some(node) => self.path.push(node),
                None => break,
            }
        }
        Ok(self.path.pop())
    }

    /// The next segment to read, at index `wanted` or before.
    fn next_backward(&mut self, view: &View, wanted: usize) -> Result<Option<Node>> {
        let loose = view.table.loose;
        let wanted = match self.bounds.next {
            Some(next) => match next.checked_sub(1) {
                Some(last) => last.min(wanted),
                None => return Ok(None),
            },
            None => wanted,
        };
        for index in (loose..=wanted).rev() {
            if index < view.table.segments.len()
                && let Some(node) = node(view, index, self.key)?
            {
                return Ok(Some(node));
            }
        }
        let mut next = match &self.node {
            Some(node) if node.index < loose => behind(view, node, wanted, 0)?,
            _ => newest(view, self.key)?,
        };
        while let Some(node) = &next
            && node.index > wanted
        {
            next = behind(view, node, wanted, 0)?;
        }
        Ok(next)
    }
}

#[cfg(test)]
impl Leaf {
    /// Number of segments that are kept for later.
    pub(super) fn path_len(&self) -> usize {
        self.path.len()
    }
}
