//! The names of all streams, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::vec;

use quipu_format::Position;
use quipu_index::{Kind, Way};

use super::Picks;
use crate::Result;
use crate::find::{Leaf, ask};
use crate::segments::View;

/// The names of the streams that are visible, in the order of their bytes. Made by
/// [`Store::streams`](crate::Store::streams).
///
/// Each name comes once. A stream whose first event is lost is left out: nobody knows its name. So what is lost and
/// may have begun streams is told first: an error for each range of positions. The names that are known follow.
pub struct Streams {
    view: View,
    /// What is lost and not told yet.
    lost: Option<Picks>,
    /// What is left of each part's names.
    lists: Vec<List>,
    /// The next name of each list, and which list.
    next: BinaryHeap<Reverse<(String, usize)>>,
    last: Option<String>,
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
        let mut streams = Streams { view, lost, lists, next, last: None };
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
                Ok(Some(_)) => {}
                Ok(None) => self.lost = None,
                Err(error) => {
                    // Where it does not get on, the same would be told for ever.
                    if lost.reached() == reached {
                        self.lost = None;
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<String>> {
        self.tell()?;
        while let Some(Reverse((name, number))) = self.next.pop() {
            let list = &mut self.lists[number];
            let standing = list.standing;
            if let Some(next) = list.names.next() {
                self.next.push(Reverse((next, number)));
            }
            let repeated = self.last.as_ref() == Some(&name);
            let visible = match standing {
                Standing::Visible => true,
                Standing::InPart => self.is_visible(&name)?,
            };
            if visible && !repeated {
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
