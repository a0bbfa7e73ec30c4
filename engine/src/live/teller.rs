//! The writer's side of the page `live`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_disk::threads::Mutex;
use quipu_disk::{Access, Disk, PAGE_FILE_BYTES, PAGE_WORDS, Page, write_all_at};
use quipu_format::{Epoch, Live, Standing};

use crate::create::remove_if_there;
use crate::directory::Directory;
use crate::pipeline::Progressed;

/// Tells readers in other processes how far the log has come.
///
/// Where it cannot, for want of room say, the store goes on without: readers in other processes then see
/// what later frames call durable, as they would see it of a store whose writer was killed.
pub(crate) struct Teller {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    told: Mutex<Told>,
}

struct Told {
    /// Nothing where telling is not possible, or is over.
    page: Option<Page>,
    live: Live,
}

impl Teller {
    /// Makes a new page. One that a killed writer has left is removed with what it says.
    ///
    /// Nothing of it is ever synced: after a power cut the page may be there or not, with any content.
    pub(crate) fn start(
        disk: &Arc<dyn Disk>,
        directory: &Directory,
        epoch: Epoch,
        start: Progressed,
    ) -> Teller {
        let path = directory.live();
        let page = make(&**disk, &path).inspect_err(|error| {
            tracing::warn!(%error, "readers in other processes will lag behind");
        });
        let Progressed { durable, visible, visible_position, .. } = start;
        let (next_position, standing) = (visible_position, Standing::Well);
        let live = Live { epoch, durable, visible, next_position, sealed: 0, standing };
        let mut told = Told { page: page.ok(), live };
        warn(told.store());
        Teller { disk: Arc::clone(disk), path, told: Mutex::new(told) }
    }

    /// Tells how far the log has come. Somebody else may have told of more meanwhile. Nothing is said of an error, which
    /// is the caller's to do once it holds no lock: to [`warn`].
    pub(crate) fn tell(&self, progressed: &Progressed) -> io::Result<()> {
        let mut told = self.told.lock();
        let before = told.live;
        if progressed.visible > before.visible {
            told.live.visible = progressed.visible;
            told.live.next_position = progressed.visible_position;
        }
        told.live.durable = before.durable.max(progressed.durable);
        if told.live == before { Ok(()) } else { self.store(&mut told) }
    }

    /// Tells that another segment is sealed, as the manifest says. An error is for [`warn`].
    pub(crate) fn tell_sealed(&self) -> io::Result<()> {
        let mut told = self.told.lock();
        told.live.sealed += 1;
        self.store(&mut told)
    }

    /// Tells that a write or sync has failed. An error is for [`warn`].
    pub(crate) fn tell_failed(&self) -> io::Result<()> {
        let mut told = self.told.lock();
        if told.live.standing == Standing::Failed {
            return Ok(());
        }
        told.live.standing = Standing::Failed;
        self.store(&mut told)
    }

    /// Stores all of it. After an error nothing any more, and the page goes: what it told last would be believed as long
    /// as this writer is there.
    fn store(&self, told: &mut Told) -> io::Result<()> {
        told.store().inspect_err(|_| drop(self.disk.remove(&self.path)))
    }

    /// The store is closed: nothing is told any more. The last word of a writer that has failed stays, until the
    /// next one has found out what is left.
    pub(crate) fn stop(&self) {
        let mut told = self.told.lock();
        let failed = told.live.standing == Standing::Failed;
        let page = told.page.take();
        drop(told);
        let Some(page) = page.filter(|_| !failed) else { return };
        // Whoever follows need not wait until it looks for the lock.
        let silent = page.store(&[0; PAGE_WORDS]).and_then(|()| self.disk.remove(&self.path));
        if let Err(error) = silent {
            tracing::warn!(%error, "the page for readers in other processes stays");
        }
    }
}

/// Says that nothing more is told. No lock may be held: whoever hears of it may commit, which tells again.
pub(crate) fn warn(stored: io::Result<()>) {
    if let Err(error) = stored {
        tracing::warn!(%error, "readers in other processes lag behind from now on");
    }
}

impl Told {
    /// Stores all of it; after an error nothing any more.
    fn store(&mut self) -> io::Result<()> {
        let Some(page) = &self.page else { return Ok(()) };
        let mut words = [0; PAGE_WORDS];
        for (word, bytes) in words.iter_mut().zip(self.live.encode().as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        page.store(&words).inspect_err(|_| self.page = None)
    }
}

fn make(disk: &dyn Disk, path: &Path) -> io::Result<Page> {
    remove_if_there(disk, path)?;
    let file = disk.open(path, Access::Create)?;
    write_all_at(&*file, &[0; PAGE_FILE_BYTES as usize], 0)?;
    disk.page(path, Access::Write)
}
