//! Telling everybody how far the log has come.

use super::Log;
use crate::follow::Ending;
use crate::pipeline::{Pipeline, Progressed, Wakes};

/// What is to be told, without any lock held.
pub(super) struct Published {
    progressed: Progressed,
    tidings: Tidings,
}

/// What followers are to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tidings {
    Nothing,
    /// The groups that have come further are visible now.
    More,
    /// There will be no more.
    Over,
}

impl Log {
    /// Lets readers see how far the log has come.
    pub(super) fn publish(&self, pipeline: &Pipeline) -> Published {
        let progressed = pipeline.progressed();
        let Progressed { visible, durable, visible_position, .. } = progressed;
        let more = self.segments.publish(visible, durable, visible_position);
        let tidings = match pipeline.standstill() {
            Some(error) => {
                self.segments.news().end(Ending::Poisoned(error.clone()));
                Tidings::Over
            }
            None if more => Tidings::More,
            None => Tidings::Nothing,
        };
        Published { progressed, tidings }
    }

    /// Tells everyone, without any lock held: first other processes, so that whoever is told here can be read
    /// there; then whoever waits in a thread, then tasks, whose wakers are code of others.
    pub(super) fn tell(&self, wakes: &Wakes, published: &Published) {
        self.teller.tell(&published.progressed);
        if published.tidings == Tidings::Over {
            self.teller.tell_failed();
        }
        wakes.iter().for_each(|(group, progress)| group.advance(progress));
        let news = self.segments.news();
        let audience = match published.tidings {
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
