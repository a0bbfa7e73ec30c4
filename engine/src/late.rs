//! A store that was opened without room to recover it: it is read meanwhile, and recovered once there is room.

use std::sync::{Arc, OnceLock};

use quipu_disk::Disk;
use quipu_disk::threads::{Condvar, Mutex, ThreadId, current};

use crate::directory::Directory;
use crate::follow::Ending;
use crate::live::{assemble, bounds_unrecovered, refuse_loss};
use crate::open::{make_ready, segments_of};
use crate::recovery::{Opening, Ready, Survey};
use crate::segments::{Holes, Segments};
use crate::{Error, ErrorKind, Options, Result};

/// The recovery that is still to be made up for, if any is.
#[derive(Default)]
pub(crate) struct Late {
    /// Who is at it. The lock is not held meanwhile: recovering tells the program's log, which may use the store.
    recovering: Mutex<Option<ThreadId>>,
    /// Rung when nobody is any more.
    over: Condvar,
    /// What was seen before it, and was gone then.
    lost: OnceLock<Error>,
}

/// That nobody else recovers the store meanwhile.
struct Alone<'l>(&'l Late);

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        *self.0.recovering.lock() = None;
        self.0.over.notify_all();
    }
}

/// The store that is to be recovered.
pub(crate) struct Unrecovered<'s> {
    pub(crate) disk: &'s Arc<dyn Disk>,
    pub(crate) directory: &'s Directory,
    pub(crate) options: &'s Options,
    /// Of those who read it meanwhile.
    pub(crate) segments: &'s Arc<Segments>,
}

/// What can be read of a store for whose recovery there is no room.
///
/// # Errors
/// That there is none, where nothing can be read either.
pub(crate) fn read_unrecovered(
    disk: &Arc<dyn Disk>,
    directory: &Directory,
    options: &Options,
    full: &Error,
) -> Result<(Arc<Segments>, Opening)> {
    let mut survey =
        Survey::take(&**disk, directory, options.read_mode).map_err(|_| full.clone())?;
    tracing::warn!(error = %full, "no room to recover: reads go on, writes once there is room");
    let bounds = bounds_unrecovered(&**disk, directory, &mut survey)?;
    let holes = Holes::new(survey.holes());
    let segments = assemble(disk, &mut survey, options, (bounds, holes))?;
    let opening = Opening {
        strangers: survey.strangers,
        postponed: Some(full.to_string()),
        ..Opening::default()
    };
    Ok((segments, opening))
}

impl Late {
    /// Makes up for the recovery, unless somebody else has, and starts the writing half on what it found.
    ///
    /// # Errors
    /// As of an opening; [`ErrorKind::Poisoned`] from then on if less was found than had been seen; [`ErrorKind::Busy`]
    /// for the thread that is at it, which comes here again where what is told of it uses the store.
    pub(crate) fn recover<'w, W>(
        &self,
        store: &Unrecovered<'_>,
        writer: &'w OnceLock<W>,
        start: impl FnOnce(Ready) -> Result<W>,
    ) -> Result<&'w W> {
        let before = store.segments.visible_position();
        let recovered = self.recover_alone(store, writer, start);
        // Without a lock: wakers are code of others.
        match &recovered {
            // More may be visible than before.
            Ok(_) => store.segments.tell_everybody(),
            Err(error) if error.kind() == ErrorKind::Poisoned => {
                store.segments.end(Ending::Poisoned(error.clone()));
            }
            // What was found is shown, although nothing could be started on it.
            Err(_) if store.segments.visible_position() > before => {
                store.segments.tell_everybody();
            }
            Err(_) => {}
        }
        recovered
    }

    fn recover_alone<'w, W>(
        &self,
        store: &Unrecovered<'_>,
        writer: &'w OnceLock<W>,
        start: impl FnOnce(Ready) -> Result<W>,
    ) -> Result<&'w W> {
        let _alone = self.wait_for_turn()?;
        if let Some(writer) = writer.get() {
            return Ok(writer);
        }
        if let Some(lost) = self.lost.get() {
            return Err(lost.clone());
        }
        let Unrecovered { disk, directory, options, segments } = store;
        let ready = make_ready(disk, directory, options)?;
        let recovered = segments_of(disk, &ready, options)?;
        if let Err(error) = refuse_loss(segments, &recovered) {
            if error.kind() == ErrorKind::Poisoned {
                // Nobody goes on from here: who has seen what is gone must open the store anew.
                self.lost.get_or_init(|| error.clone());
            }
            return Err(error);
        }
        segments.adopt(&recovered);
        let started = start(ready)?;
        Ok(writer.get_or_init(|| started))
    }

    /// Waits until nobody is at it.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] for who would wait for itself.
    fn wait_for_turn(&self) -> Result<Alone<'_>> {
        let own = current().id();
        let mut recovering = self.recovering.lock();
        while let Some(other) = *recovering {
            if other == own {
                let detail = "the store is being recovered by the very thread that asks";
                return Err(Error::new(ErrorKind::Busy, detail));
            }
            self.over.wait(&mut recovering);
        }
        *recovering = Some(own);
        Ok(Alone(self))
    }
}
