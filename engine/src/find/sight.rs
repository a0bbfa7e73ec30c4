//! What comes of looking for the next event, and how long it is looked.

use quipu_format::Position;

/// What came of looking for the next of something, in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight<T> {
    /// This is it.
    Found(T),
    /// There is none.
    Nothing,
    /// The budget was spent first: what lies before this position is none, and nothing else is known.
    Paused(Position),
}

impl<T> Sight<T> {
    /// What was found, by who has looked to the end.
    pub(crate) fn found(self) -> Option<T> {
        match self {
            Sight::Found(found) => Some(found),
            Sight::Nothing | Sight::Paused(_) => None,
        }
    }
}

impl<T> From<Option<T>> for Sight<T> {
    fn from(found: Option<T>) -> Sight<T> {
        found.map_or(Sight::Nothing, Sight::Found)
    }
}

/// How much one call may look at: a bound for how long it takes.
#[derive(Debug)]
pub(crate) struct Budget {
    looks: u64,
}

/// Looks in one call of a follower: at places of an index, at events that are not asked for, and at views without any.
const LOOKS_MAX: u64 = 1024;

impl Budget {
    /// That of one call that hands back the turn.
    pub(crate) fn new() -> Budget {
        Budget { looks: LOOKS_MAX }
    }

    /// More than anybody can look at: that of a call that comes back with what was asked for.
    pub(crate) fn unbounded() -> Budget {
        Budget { looks: u64::MAX }
    }

    /// So many looks.
    #[cfg(test)]
    pub(super) fn of(looks: u64) -> Budget {
        Budget { looks }
    }

    /// Takes a look. False once that was the last.
    pub(crate) fn spend(&mut self) -> bool {
        self.looks = self.looks.saturating_sub(1);
        !self.is_spent()
    }

    /// Whether there is none left.
    pub(crate) fn is_spent(&self) -> bool {
        self.looks == 0
    }
}
