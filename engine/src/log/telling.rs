//! Telling everybody how far the log has come.

use super::Log;
use crate::follow::Ending;
use crate::pipeline::{Pipeline, Progressed, Wakes};

/// What followers are to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tidings {
    Nothing,
    /// The groups that have come further are visible now.
    More,
    /// There will be no more.
    Over,
}

impl Log {
    /// Lets readers see how far the log has come.
    pub(super) fn publish(&self, pipeline: &Pipeline) -> Tidings {
        let Progressed { visible, durable, visible_position, .. } = pipeline.progressed();
        let more = self.segments.publish(visible, durable, visible_position);
        match pipeline.standstill() {
            Some(error) => {
                self.segments.news().end(Ending::Poisoned(error.clone()));
                Tidings::Over
            }
            None if more => Tidings::More,
            None => Tidings::Nothing,
        }
    }

    /// Tells everyone, without any lock held: first whoever waits in a thread, then tasks, whose wakers are
    /// code of others.
    pub(super) fn tell(&self, wakes: &Wakes, tidings: Tidings) {
        wakes.iter().for_each(|(group, progress)| group.advance(progress));
        let news = self.segments.news();
        let audience = match tidings {
            Tidings::Nothing => None,
            Tidings::Over => Some(news.everybody()),
            Tidings::More => {
                Some(news.audience(wakes.iter().flat_map(|(group, _)| group.take_posts())))
            }
        };
        if let Some(audience) = &audience {
            audience.ring();
        }
        wakes.iter().for_each(|(group, _)| group.wake());
        if let Some(audience) = &audience {
            audience.wake();
        }
    }
}
