//! A thread of the store's own.

use quipu_disk::Process;
use quipu_disk::threads::{Builder, JoinHandle, current};

use crate::{Error, ErrorKind, Result};

/// A thread that the store has started.
pub(crate) struct Worker {
    thread: JoinHandle<()>,
    of: Process,
}

impl Worker {
    /// Starts a thread of this name.
    ///
    /// # Errors
    /// The system has no room for another.
    pub(crate) fn start(name: &str, body: impl FnOnce() + Send + 'static) -> Result<Worker> {
        let failed =
            |error| Error::because(ErrorKind::Io, format!("starting the thread {name}"), error);
        let thread = Builder::new().name(name.to_owned()).spawn(body).map_err(failed)?;
        Ok(Worker { thread, of: Process::this() })
    }

    /// Whether it is a thread of this process, and not of one that has forked it.
    pub(crate) fn is_here(&self) -> bool {
        self.of.is_this()
    }

    /// Whether it is the thread that asks.
    pub(crate) fn is_current(&self) -> bool {
        self.thread.thread().id() == current().id()
    }

    /// Waits for its end, however that was.
    pub(crate) fn join(self) {
        // A store may be dropped by a task that this very thread has woken, and by a forked child, where it never ran.
        if self.is_here() && !self.is_current() {
            let _ = self.thread.join();
        }
    }
}
