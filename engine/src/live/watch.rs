//! The thread that looks for news from another process, so that whoever follows can sleep.

use std::mem;
use std::sync::{Arc, Weak};
use std::time::Duration;

use quipu_disk::Gate;
use quipu_disk::threads::Mutex;

use crate::follow::Ending;
use crate::panics::{caught, undisturbed};
use crate::segments::Segments;
use crate::worker::Worker;
use crate::{Error, ErrorKind, Result};

/// How long it sleeps after there was something, and at most.
const PAUSE_MIN: Duration = Duration::from_micros(50);
const PAUSE_MAX: Duration = Duration::from_millis(5);
/// How long after something has failed.
const PAUSE_FAILED: Duration = Duration::from_millis(100);

/// Starts with the first follower that waits, and ends with the store.
#[derive(Default)]
pub(super) struct Watch {
    over: Arc<Gate>,
    thread: Mutex<Option<Worker>>,
}

impl Watch {
    pub(super) fn start(&self, segments: &Arc<Segments>) -> Result<()> {
        let mut thread = self.thread.lock();
        // A forked child has none of its parent's threads.
        let is_there = thread.as_ref().is_some_and(Worker::is_here);
        if is_there || self.over.level() > 0 {
            return Ok(());
        }
        let (segments, over) = (Arc::downgrade(segments), Arc::clone(&self.over));
        let own = Worker::start("quipu-watch", move || {
            if let Err(words) = caught(|| watch(&segments, &over)) {
                give_up(&segments, &Error::panicked("looking for news", &words).not_written());
            }
        })?;
        // Letting go of a thread asks the system for it, which has none.
        mem::forget(thread.replace(own));
        Ok(())
    }

    pub(super) fn stop(&self) {
        self.over.raise(1);
        let thread = mem::take(&mut *self.thread.lock());
        // After a panic there followers have been told that there is no going on.
        thread.into_iter().for_each(Worker::join);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Looks, and sleeps for longer and longer while there is nothing.
fn watch(segments: &Weak<Segments>, over: &Gate) {
    let mut pause = PAUSE_MIN;
    let mut complained = false;
    let mut told = 0;
    loop {
        let Some(segments) = segments.upgrade() else { return };
        let before = segments.visible_position();
        let refreshed = segments.refresh();
        let has_failed = refreshed.is_err();
        match refreshed {
            Ok(()) => complained = false,
            // Followers have been told that there is no going on.
            Err(error) if error.kind() == ErrorKind::Poisoned => return,
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                end(&segments, error);
                return;
            }
            Err(error) => {
                if !mem::replace(&mut complained, true) {
                    tracing::warn!(%error, "cannot look for news; trying again");
                }
            }
        }
        // Each who waits looks then, and is told what is wrong.
        if segments.trouble_since(&mut told).is_some() {
            segments.tell_everybody();
        }
        pause = if has_failed {
            PAUSE_FAILED
        } else if segments.visible_position() > before {
            PAUSE_MIN
        } else {
            (pause * 2).min(PAUSE_MAX)
        };
        drop(segments);
        if over.wait(1, Some(pause)) {
            return;
        }
    }
}

/// Nobody looks for news any more, so nobody may wait for them.
fn give_up(segments: &Weak<Segments>, error: &Error) {
    if let Some(segments) = segments.upgrade() {
        end(&segments, error.clone());
        undisturbed(
            || tracing::error!(%error, "what another process makes visible is not followed any more"),
        );
    }
}

fn end(segments: &Arc<Segments>, error: Error) {
    segments.news().end(Ending::Poisoned(error));
    segments.tell_everybody();
}
