//! Everything that the calls of one simulated disk change.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::POWER_IS_OFF;
use super::inode::Inode;
use super::names::{Atomic, Files, Names};
use super::plan::{Errno, FaultKind, Lie, Plan, PowerCut};
use super::random::Random;
use super::trace::{Call, Trace};
use crate::memory::Content;

/// The state of one disk between a start and a power cut or kill.
pub(super) struct State {
    pub(super) random: Random,
    pub(super) names: Names,
    pub(super) room: Room,
    pub(super) plan: Plan,
    pub(super) trace: Trace,
    /// Whether syncs block.
    pub(super) held: bool,
    /// Why no call succeeds any more, if so.
    off: Option<&'static str>,
    /// The most bytes that one read has asked for.
    pub(super) largest_read: usize,
    /// Files ever made; the id of the next one.
    inodes: u64,
    /// The file that was written last.
    last_written: Option<Arc<Inode>>,
}

impl State {
    pub(super) fn new(seed: u64) -> State {
        State {
            random: Random::new(seed),
            names: Names::default(),
            room: Room::default(),
            plan: Plan::default(),
            trace: Trace::new(seed),
            held: false,
            off: None,
            largest_read: 0,
            inodes: 0,
            last_written: None,
        }
    }

    /// No call succeeds from now on, and nothing that is stored in memory is found later.
    pub(super) fn switch_off(&mut self, end: &'static str) {
        if self.off.is_none() {
            self.names.files().for_each(|inode| inode.end_page());
        }
        self.off = Some(end);
    }

    pub(super) fn alive(&self) -> io::Result<()> {
        self.off.map_or(Ok(()), |end| Err(io::Error::other(end)))
    }

    /// Numbers and traces a call, and says what shall happen to it.
    pub(super) fn begin(&mut self, call: &Call<'_>) -> io::Result<Option<FaultKind>> {
        self.alive()?;
        let (number, fault) = self.plan.next();
        self.trace.begin(number, call);
        if fault == Some(FaultKind::PowerOff) {
            self.switch_off(POWER_IS_OFF);
        }
        Ok(fault)
    }

    /// An id that no file had.
    pub(super) fn next_inode(&mut self) -> u64 {
        self.inodes += 1;
        self.inodes
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<Arc<Inode>> {
        let inode = Arc::new(Inode::new(self.next_inode()));
        self.names.create(path, &inode)?;
        Ok(inode)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let lies = self.plan.lies(Lie::RenameNotAtomic);
        let atomic = if lies { Atomic::No } else { Atomic::Yes };
        if let Some(replaced) = self.names.rename(from, to, atomic)? {
            self.room.free(replaced.content.size());
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let removed = self.names.remove(path)?;
        self.room.free(removed.content.size());
        Ok(())
    }

    /// Puts what was meant for a place of a file over something else that is there. Where that is follows from the place
    /// and the number of the call, so that nothing else of this disk's life changes.
    fn stray(&mut self, inode: &Arc<Inode>, bytes: &[u8], offset: usize) -> io::Result<()> {
        let mut random = Random::new(self.plan.operations() ^ (offset as u64) << 32);
        let places = |inode: &Inode| (inode.content.size() + 1).checked_sub(bytes.len());
        let files = self.names.seen().files().map(|(_, inode)| inode);
        let files: Vec<_> = files.filter(|inode| places(inode).is_some_and(|it| it > 1)).collect();
        let Some(&to) = files.get(random.below(files.len())) else { return Ok(()) };
        let mut start = random.below(places(to).unwrap_or(0));
        if random.coin() {
            start -= start % 16;
        }
        if Arc::ptr_eq(to, inode) && start == offset {
            start = if start == 0 { 1 } else { start - 1 };
        }
        to.damage(start..start + bytes.len(), |at, part| {
            part.copy_from_slice(&bytes[at..][..part.len()]);
        })
    }

    /// Writes as much as the room and the fault allow. Says how much is reported as written.
    pub(super) fn write(
        &mut self,
        inode: &Arc<Inode>,
        bytes: &[u8],
        offset: usize,
        fault: Option<FaultKind>,
    ) -> io::Result<usize> {
        if fault == Some(FaultKind::Astray) {
            self.stray(inode, bytes, offset)?;
            return Ok(bytes.len());
        }
        let size = inode.content.size();
        let mut count = self.room.fitting(size, offset, bytes.len())?;
        count = match fault {
            Some(FaultKind::Short) => count.min(1 + self.random.below(count)),
            Some(FaultKind::PowerOff | FaultKind::ErrorAfter(_)) => self.random.between(0, count),
            _ => count,
        };
        let shortened = self.plan.lies(Lie::WriteShortened) && self.random.quarters(1);
        let stored = if shortened { self.random.below(count) } else { count };
        inode.write(&bytes[..stored], offset)?;
        if stored > 0 {
            self.last_written = Some(Arc::clone(inode));
        }
        self.room.take(inode.content.size() - size);
        Ok(count)
    }

    /// Where the last write went, if it is not durable.
    pub(super) fn last_write(&self) -> Option<Range<u64>> {
        self.last_written.as_ref().and_then(|inode| inode.last_write())
    }

    /// The next state after a power cut.
    pub(super) fn survivors(&mut self, how: PowerCut) -> State {
        let last = self.last_written.as_ref().map(|inode| inode.id);
        let found = self.names.survivors(how, &mut self.random);
        let mut files: Vec<_> = found.files.into_iter().collect();
        files.sort_by_key(|(_, inode)| inode.id);
        let mut survivors = Files::new();
        for (name, mut inode) in files {
            if let PowerCut::TearLast(from, to) = how
                && last == Some(inode.id)
            {
                inode = Arc::new(inode.copy());
                inode.tear_last(from..to);
            }
            let mut image = held(inode.survivor(how, &mut self.random));
            if found.halved.contains(&inode.id) {
                let half = image.size() / 2;
                image = held(Content::of(&image.copy()[..half]));
            }
            let survivor = Inode::durable(inode.id, image);
            inode.pass_page_to(&survivor, how, &mut self.random);
            inode.pass_bad_to(&survivor);
            survivors.insert(name, Arc::new(survivor));
        }
        let names = self.names.settled(survivors, &found.lost);
        self.successor(names)
    }

    /// The next state after a kill.
    pub(super) fn copies(&mut self) -> State {
        let names = self.names.with(|inode| Arc::new(inode.copy()));
        self.successor(names)
    }

    /// The same, of a disk that goes on.
    pub(super) fn twin(&mut self) -> State {
        let names = self.names.with(|inode| Arc::new(held(inode.twin())));
        let random = self.random.clone();
        let twin = self.successor(names);
        self.random = random;
        twin
    }

    fn successor(&mut self, names: Names) -> State {
        let used = names.seen().files().map(|(_, inode)| inode.content.size() as u64).sum();
        State {
            random: Random::new(self.random.next()),
            names,
            room: self.room.with(used),
            plan: self.plan.restarted(),
            trace: self.trace.clone(),
            held: false,
            off: None,
            largest_read: 0,
            inodes: self.inodes,
            last_written: None,
        }
    }
}

/// What survives has the size of a file that found memory before; if there is none for it now, there is no disk
/// left to simulate.
fn held<T>(content: io::Result<T>) -> T {
    content.expect("there is memory for the simulated files")
}

/// How much may be stored.
#[derive(Default)]
pub(super) struct Room {
    /// Bytes in files now.
    used: u64,
    /// How many there may be, if that is limited.
    limit: Option<u64>,
}

impl Room {
    /// Leaves room for so many more bytes; `None` for any number.
    pub(super) fn limit(&mut self, more: Option<u64>) {
        self.limit = more.map(|more| self.used.saturating_add(more));
    }

    /// The same limit, with another use.
    fn with(&self, used: u64) -> Room {
        Room { used, limit: self.limit }
    }

    /// How much fits of a write of `length` bytes at `offset` into a file of `size` bytes.
    fn fitting(&self, size: usize, offset: usize, length: usize) -> io::Result<usize> {
        let Some(limit) = self.limit else { return Ok(length) };
        let left = usize::try_from(limit.saturating_sub(self.used)).unwrap_or(usize::MAX);
        let fitting = size.saturating_add(left).saturating_sub(offset).min(length);
        if fitting == 0 && length > 0 {
            return Err(Errno::Full.into());
        }
        Ok(fitting)
    }

    pub(super) fn take(&mut self, bytes: usize) {
        self.used += bytes as u64;
    }

    pub(super) fn free(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes as u64);
    }
}
