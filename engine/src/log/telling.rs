//! Telling everybody how far the log has come.

use std::io;

use super::Log;
use crate::Error;
use crate::follow::Ending;
use crate::live::warn;
use crate::panics::undisturbed;
use crate::pipeline::{Pipeline, Progressed, Wakes};

/// What is to be told, without any lock held.
pub(super) struct Published {
    progressed: Progressed,
    /// How telling other processes went.
    told: io::Result<()>,
    tidings: Tidings,
    /// Why the store is poisoned, if nobody has said so yet.
    poisoned: Option<Error>,
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
    /// Lets readers see how far the log has come: first those in other processes, so that whoever is told here, also by
    /// an answer that the pipeline gives from now on, can be read there.
    pub(super) fn publish(&self, pipeline: &Pipeline) -> Published {
        let progressed = pipeline.progressed();
        let mut told = Ok(());
        undisturbed(|| told = self.teller.tell(&progressed));
        let Progressed { visible, durable, visible_position, .. } = progressed;
        let more = self.segments.publish(visible, durable, visible_position);
        let (mut tidings, mut poisoned) = (Tidings::Nothing, None);
        if let Some(error) = pipeline.standstill() {
            tidings = Tidings::Over;
            let first = self.segments.news().end(Ending::Poisoned(error.clone()));
            poisoned = first.then(|| error.clone());
        } else if more {
            tidings = Tidings::More;
        }
        Published { progressed, told, tidings, poisoned }
    }

    /// Gives up writing: all who wait are told why, and nothing is written any more.
    pub(crate) fn give_up(&self, error: Error) {
        let wakes = self.pipeline().fail(error);
        self.announce(&wakes);
    }

    /// Tells all who wait for whatever that the pipeline has come to a standstill.
    pub(super) fn announce(&self, wakes: &Wakes) {
        let published = self.publish(&self.pipeline());
        self.room.notify_all();
        self.work.notify_all();
        self.chores.notify_all();
        self.tell(wakes, published);
    }

    /// Tells everyone, without any lock held: whoever waits in a thread, then tasks, whose wakers are code of others.
    /// None of these can keep the next from being told.
    pub(super) fn tell(&self, wakes: &Wakes, published: Published) {
        let Published { progressed, told, tidings, poisoned } = published;
        let mut stored = Ok(());
        if tidings == Tidings::Over {
            undisturbed(|| stored = self.teller.tell_failed());
        }
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
        // The program's log comes last: it may wait for who is told here.
        undisturbed(|| [told, stored].into_iter().for_each(warn));
        if let Some(error) = &poisoned {
            let Progressed { durable_position, visible_position, .. } = progressed;
            undisturbed(|| {
                tracing::error!(
                    %error,
                    durable = durable_position.0,
                    visible = visible_position.0,
                    "poisoned: the store refuses writes until it is opened anew"
                );
            });
        }
    }
}
