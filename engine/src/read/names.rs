//! The names of all streams, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::vec;

use quipu_format::Position;
use quipu_index::{Kind, Way};

use super::Picks;
use crate::find::{Leaf, ask};
use crate::segments::View;
use crate::{Error, ErrorKind, Result};

/// The names of the streams that are visible, in the order of their bytes. Made by
/// [`Store::streams`](crate::Store::streams).
///
/// Each name comes once. A stream whose first event is lost is left out: nobody knows its name. So what is lost and
/// may have begun streams is told first: an error for each range of positions. The names that are known follow. What
/// the system refuses is asked for once more by the next call, and left out if it is refused again.
pub struct Streams {
    view: View,
    /// What is lost and not told yet.
    lost: Option<Picks>,
    /// What is left of each part's names.
    lists: Vec<List>,
    /// The next name of each list, and which list.
    next: BinaryHeap<Reverse<(String, usize)>>,
    last: Option<String>,
    again: Again,
}

/// Whether what is asked for now was asked for before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    No,
    /// The system has refused it, which may be for a moment only.
    Refused,
}

/// The names of the streams that begin in one part of a segment.
struct List {
    names: vec::IntoIter<String>,
    standing: Standing,
}

/// Whether streams that begin in a segment are visible.
#[derive(Clone, Copy)]
enum Standing {
    Visible,
    /// Only those whose first event is.
    InPart,
}

impl Streams {
    pub(crate) fn new(view: View, prefix: &str) -> Result<Streams> {
        let lost = Some(Picks::lost(view.clone(), Position(0)));
        let (lists, next) = (Vec::new(), BinaryHeap::new());
        let mut streams = Streams { view, lost, lists, next, last: None, again: Again::No };
        for index in 0..streams.view.table.segments.len() {
            streams.add(index, prefix)?;
        }
        Ok(streams)
    }

    fn add(&mut self, index: usize, prefix: &str) -> Result<()> {
        let (view, segments) = (&self.view, &self.view.table.segments);
        let visible = view.visible_position;
        if segments[index].base >= visible {
            return Ok(());
        }
        let standing = match segments.get(index + 1) {
            Some(next) if next.base <= visible => Standing::Visible,
            _ => Standing::InPart,
        };
        let lists = ask(view, index, |parts| {
            parts.iter().map(|part| part.names(prefix)).collect::<std::result::Result<Vec<_>, _>>()
        })?;
        for names in lists {
            let mut names = names.into_iter();
            if let Some(name) = names.next() {
                self.next.push(Reverse((name, self.lists.len())));
                self.lists.push(List { names, standing });
            }
        }
        Ok(())
    }

    fn is_visible(&self, name: &str) -> Result<bool> {
        let key = self.view.store.shelf.keys.key(Kind::Stream, name);
        let first = Leaf::new(key, Way::Forward).seek(&self.view, Position(0))?;
        Ok(first.is_some())
    }

    /// Tells the next of what is lost.
    fn tell(&mut self) -> Result<()> {
        while let Some(lost) = &mut self.lost {
            let reached = lost.reached();
            match lost.next() {
                Ok(Some(_)) => self.again = Again::No,
                Ok(None) => (self.lost, self.again) = (None, Again::No),
                Err(error) => {
                    let stays = lost.reached() == reached;
                    // Where it does not get on, the same would be told for ever.
                    if !self.is_asked_again(&error) && stays {
                        self.lost = None;
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Whether what has failed is asked for once more by the next call: what stands in the log fails again, and so may what
    /// has failed twice.
    fn is_asked_again(&mut self, error: &Error) -> bool {
        let is_final = matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Unsupported);
        let is_first = self.again == Again::No;
        self.again = if is_first && !is_final { Again::Refused } else { Again::No };
        self.again == Again::Refused
    }

    fn advance(&mut self) -> Result<Option<String>> {
        self.tell()?;
        while let Some(Reverse((name, number))) = self.next.pop() {
            let visible = match self.lists[number].standing {
                Standing::Visible => Ok(true),
                Standing::InPart => self.is_visible(&name),
            };
            match &visible {
                Ok(_) => self.again = Again::No,
                Err(error) if self.is_asked_again(error) => {
                    self.next.push(Reverse((name, number)));
                    return visible.map(|_| None);
                }
                Err(_) => {}
            }
            if let Some(next) = self.lists[number].names.next() {
                self.next.push(Reverse((next, number)));
            }
            let repeated = self.last.as_ref() == Some(&name);
            if visible? && !repeated {
                self.last = Some(name.clone());
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

impl Iterator for Streams {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        self.advance().transpose()
    }
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").field("last", &self.last).finish_non_exhaustive()
    }
}
