//! Where reading a stream begins, and where the stream ends.

use std::ops::Range;

use quipu_format::record::Check;
use quipu_format::{Position, Version};
use quipu_index::{Key, Kind, StreamHead, Way};

use super::locate::Target;
use super::versions::Versions;
use super::{Locator, Picks, Selected};
use crate::Result;
use crate::find::{self, Leaf, Lost, position_of};
use crate::keys::lost;
use crate::segments::View;

/// A stream in what is visible.
pub(crate) struct Stream<'v> {
    view: &'v View,
    name: &'v str,
    key: Key,
    locator: Locator,
}

impl<'v> Stream<'v> {
    /// The stream of a name that was given by the caller.
    pub(crate) fn find(view: &'v View, name: &'v str) -> Result<Stream<'v>> {
        Selected::Stream(name.into()).validate()?;
        Ok(Stream::new(view, name))
    }

    pub(crate) fn new(view: &'v View, name: &'v str) -> Stream<'v> {
        let key = view.store.shelf.keys.key(Kind::Stream, name);
        Stream { view, name, key, locator: Locator::default() }
    }

    /// The last event of the stream. Where what is lost behind it may have been of the stream too, that is told,
    /// unless the heads are known nevertheless.
    pub(crate) fn head(&mut self) -> Result<Option<StreamHead>> {
        let mut head = self.newest()?;
        let behind = behind(head);
        if !self.is_any_lost(behind)? || self.is_certain(head)? {
            return Ok(head);
        }
        let mut doubtful = Picks::lost(self.view.clone(), behind);
        while let Some(found) = doubtful.next()? {
            if let Some(event) = doubtful.event(&found)?
                && event.stream() == self.name
            {
                head = Some(StreamHead { version: event.version(), position: found.position });
            }
        }
        Ok(head)
    }

    /// The last event of the stream that the index has and that is not lost altogether.
    fn newest(&mut self) -> Result<Option<StreamHead>> {
        let mut end = self.view.visible_position;
        while let Some(position) = self.before(end)? {
            let name = self.name;
            let (_, version) =
                self.locator.locate(self.view, Target::new(position, Check::Sum), |event| {
                    (event.stream() == name).then_some(event.version())
                })?;
            if let Some(version) = version {
                return Ok(Some(StreamHead { version, position }));
            }
            end = position;
        }
        Ok(None)
    }

    /// Whether events are lost from a position on, and nobody knows of which streams they were.
    fn is_any_lost(&self, from: Position) -> Result<bool> {
        let mut lost = Lost::new(&self.view.store.shelf.keys, Way::Forward);
        Ok(lost.seek(self.view, from)?.is_some())
    }

    /// Whether this is the head beyond doubt, whatever is lost behind it: the heads count the events of each stream,
    /// and outlive a damaged event and the index of its segment.
    fn is_certain(&self, head: Option<StreamHead>) -> Result<bool> {
        let (store, table) = (&self.view.store, &self.view.table);
        let any_lost = find::head(self.view, lost(&store.shelf.keys))?.is_some();
        if any_lost
            || !table.holes.from(behind(head)).is_empty()
            || store.upkeep.heads_are_known().is_err()
        {
            return Ok(false);
        }
        let versions = head.map_or(0, |head| head.version.plus(1).0);
        // What is written already, and not visible yet, is counted too.
        let all = View { visible_position: Position(u64::MAX), ..self.view.clone() };
        // Counted first: what is written behind it meanwhile is found by looking for it.
        let count = find::head(self.view, self.key)?.map_or(0, |head| head.count);
        match Leaf::new(self.key, Way::Forward).seek(&all, behind(head))? {
            Some(next) => Ok(position_of(&all, self.key, Version(versions))? == Some(next)),
            None => Ok(count == versions),
        }
    }

    /// The version that comes after the last one, and what to expect there.
    pub(crate) fn end(&mut self) -> Result<(Version, Versions)> {
        let head = self.newest()?;
        let from = head.map_or(Version(0), |head| head.version.plus(1));
        // Events that nobody knows the streams of may be the last ones of this.
        let versions = match self.is_any_lost(behind(head))? {
            true => Versions::within(Way::Forward, from),
            false => Versions::exactly(Way::Forward, from),
        };
        Ok((from, versions))
    }

    /// Narrows the positions in `range` down to those where the stream is to be read from a version on,
    /// and says which versions are expected there.
    pub(crate) fn begin(
        &mut self,
        from: Option<Version>,
        way: Way,
        mut range: Range<Position>,
    ) -> Result<(Range<Position>, Versions)> {
        let from = match (from, way) {
            (Some(from), _) => from,
            (None, Way::Backward) => return Ok((range, Versions::within(way, Version(u64::MAX)))),
            (None, Way::Forward) => Version(0),
        };
        if way == Way::Forward && from == Version(0) && range.start == Position(0) {
            return Ok((range, Versions::exactly(way, from)));
        }
        if let Some(position) = self.position(from)? {
            let begins = range.contains(&position);
            match way {
                Way::Forward => range.start = range.start.max(position),
                Way::Backward => range.end = range.end.min(position.plus(1)),
            }
            if begins {
                return Ok((range, Versions::exactly(way, from)));
            }
        } else if way == Way::Forward
            && let Some(last) = self.before(self.view.visible_position)?
            && self.version(last)?.is_some_and(|version| version < from)
        {
            // The stream ends before this version; events that are lost may come behind.
            range.start = range.start.max(last.plus(1));
        }
        Ok((range, Versions::within(way, from)))
    }

    /// The position of a version, if that is beyond doubt.
    fn position(&mut self, version: Version) -> Result<Option<Position>> {
        let Some(position) = position_of(self.view, self.key, version)? else { return Ok(None) };
        let sure = match (self.version(position)?, version.0.checked_sub(1)) {
            (Some(found), _) => found == version,
            // It cannot be read, but the one before it can.
            (None, Some(before)) => match self.before(position)? {
                Some(position) => self.version(position)? == Some(Version(before)),
                None => false,
            },
            (None, None) => true,
        };
        Ok(sure.then_some(position))
    }

    /// The last position before this one that the index has of the stream.
    fn before(&self, position: Position) -> Result<Option<Position>> {
        match position.0.checked_sub(1) {
            Some(last) => Leaf::new(self.key, Way::Backward).seek(self.view, Position(last)),
            None => Ok(None),
        }
    }

    /// The version of the event at a position, if it can be read and is one of the stream.
    fn version(&mut self, position: Position) -> Result<Option<Version>> {
        let name = self.name;
        let located = self.locator.locate(self.view, Target::new(position, Check::Sum), |event| {
            (event.stream() == name).then_some(event.version())
        });
        match located {
            Ok((_, version)) => Ok(version),
            Err(error) if error.is_of_events() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The position right behind the last event of a stream.
fn behind(head: Option<StreamHead>) -> Position {
    head.map_or(Position(0), |head| head.position.plus(1))
}
