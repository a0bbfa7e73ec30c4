//! A disk in memory that does its worst: the adversary of every crash test.

mod calls;
mod clocks;
mod damage;
mod inode;
mod names;
mod plan;
mod random;
mod state;
mod tearing;
mod trace;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::memory::Locks;
use crate::threads::{Condvar, Mutex, MutexGuard};
use clocks::Clocks;
use state::State;
use trace::Call;

pub use plan::{Errno, Fault, FaultKind, Lie, PowerCut};

const POWER_IS_OFF: &str = "the power is off";
const KILLED: &str = "the process was killed";

/// A simulated disk, its operating system and its clock, all from one seed.
///
/// It keeps what a process sees apart from what the medium holds. Written bytes are seen at once and
/// are durable after [`sync_data`](crate::File::sync_data); a changed name after
/// [`sync_directory`](crate::Disk::sync_directory) (one that moves a file between directories as soon
/// as either is synced, as journals do). A [`power_cut`](FaultDisk::power_cut) keeps what is durable
/// and, of the rest, what the seed says. The same seed and the same calls give the same outcome:
/// [`trace_hash`](FaultDisk::trace_hash) shows it.
///
/// Each call that touches storage is numbered from 0, so that a test can count the
/// [`operations`](FaultDisk::operations) of a run and then let each of them fail in turn
/// ([`plan`](FaultDisk::plan)). Asking for the time or for random bytes is not numbered.
///
/// Clones are the same disk. A test that shows some code to survive power cuts should also show that
/// it fails on a disk that [`lie`](FaultDisk::lie)s: what cannot fail proves nothing.
///
/// # Examples
/// ```
/// use quipu_disk::{Access, Disk, FaultDisk, PowerCut, write_all_at};
/// use std::path::Path;
///
/// let disk = FaultDisk::new(42);
/// disk.create_directory(Path::new("/store"))?;
/// let file = disk.open(Path::new("/store/log"), Access::Create)?;
/// disk.sync_directory(Path::new("/store"))?;
/// write_all_at(&*file, b"safe", 0)?;
/// file.sync_data()?;
/// write_all_at(&*file, b", lost", 4)?;
///
/// let after = disk.power_cut(PowerCut::LoseAll);
/// assert_eq!(after.contents(Path::new("/store/log"))?, b"safe");
/// assert!(file.size().is_err(), "the power is off");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct FaultDisk {
    shared: Arc<Shared>,
}

/// What clones share.
struct Shared {
    /// What everything random comes from; kept to be shown in failures.
    seed: u64,
    /// Everything that calls change. Held during a call, so calls happen one after the other.
    state: Mutex<State>,
    /// Rung when held syncs may go on, or when the power went off.
    released: Condvar,
    /// Apart from the state, because a lock may be dropped while a call is under way.
    locks: Locks,
    clocks: Clocks,
}

impl FaultDisk {
    /// An empty disk, honest until told otherwise. Everything random in its life and in that of its
    /// successors comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> FaultDisk {
        FaultDisk::with(seed, State::new(seed), Clocks::new())
    }

    fn with(seed: u64, state: State, clocks: Clocks) -> FaultDisk {
        let shared = Shared {
            seed,
            state: Mutex::new(state),
            released: Condvar::new(),
            locks: Locks::default(),
            clocks,
        };
        FaultDisk { shared: Arc::new(shared) }
    }

    /// Cuts the power and returns the disk as it is found afterwards, with what survived.
    ///
    /// Every call through this disk, its clones and its files fails from now on; maps stay readable.
    /// The new disk goes on with the clocks, the trace, the lies and the room left, starts to count
    /// its operations at 0, and has no faults planned. Asking again gives another fate of the same
    /// moment.
    #[must_use]
    pub fn power_cut(&self, how: PowerCut) -> FaultDisk {
        self.succeed(POWER_IS_OFF, |state| state.survivors(how))
    }

    /// Kills the process but not the machine, and returns the disk as the next process finds it.
    ///
    /// All that was written is there, and what was not synced is still at risk in a later power cut.
    /// Locks are free. Every call through this disk, its clones and its files fails from now on.
    #[must_use]
    pub fn kill(&self) -> FaultDisk {
        self.succeed(KILLED, State::copies)
    }

    /// The disk as it would be found after a [`kill`](FaultDisk::kill) now, while this one goes on as if nobody had looked.
    #[must_use]
    pub fn twin(&self) -> FaultDisk {
        let twin = self.shared.state.lock().twin();
        FaultDisk::with(self.shared.seed, twin, self.shared.clocks.copy())
    }

    fn succeed(&self, end: &'static str, next: impl FnOnce(&mut State) -> State) -> FaultDisk {
        let mut state = self.shared.state.lock();
        state.switch_off(end);
        let next = next(&mut state);
        drop(state);
        self.shared.released.notify_all();
        FaultDisk::with(self.shared.seed, next, self.shared.clocks.copy())
    }

    /// The most bytes that one read has asked for so far, which tells of a length that was believed unchecked.
    #[must_use]
    pub fn largest_read(&self) -> usize {
        self.shared.state.lock().largest_read
    }

    /// How many operations were counted so far; the number of the next one.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.shared.state.lock().plan.operations()
    }

    /// Which bytes of its file the last write was to write, whichever file that was, if that write is not durable:
    /// what [`PowerCut::TearLast`] tears.
    #[must_use]
    pub fn last_write(&self) -> Option<Range<u64>> {
        self.shared.state.lock().last_write()
    }

    /// Plans a fault. Several may be planned; of those that apply to an operation, the one with the
    /// highest number is taken.
    pub fn plan(&self, fault: Fault) {
        self.shared.state.lock().plan.add(fault);
    }

    /// Leaves room for so many more bytes in files; what is beyond is refused with
    /// [`io::ErrorKind::StorageFull`]. A write across the limit stores what fits and says so.
    /// Overwriting needs no room, and a file that is removed or replaced gives its room back at once.
    /// `None` lifts the limit.
    pub fn plan_full(&self, after_bytes: Option<u64>) {
        self.shared.state.lock().room.limit(after_bytes);
    }

    /// While held, [`sync_data`](crate::File::sync_data) blocks. A sync released later makes durable
    /// what had been written when it was called.
    pub fn hold_syncs(&self, hold: bool) {
        self.shared.state.lock().held = hold;
        self.shared.released.notify_all();
    }

    /// Makes the disk lie from now on. This is the planted bug that a crash test must catch.
    pub fn lie(&self, lie: Lie) {
        self.shared.state.lock().plan.lie(lie);
    }

    /// A hash over all operations so far, those of this disk's predecessors included: their numbers,
    /// kinds, paths, offsets, lengths, contents and results.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.shared.state.lock().trace.hash()
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        self.shared.clocks.advance(time);
    }

    /// Sets the wall clock, by so many microseconds forward or back, as people and time services do. It must not show a
    /// time before 1970 then. What [`elapsed`](crate::Disk::elapsed) says goes on as before.
    ///
    /// ```
    /// use quipu_disk::{Disk, FaultDisk};
    ///
    /// let disk = FaultDisk::new(1);
    /// let (now, elapsed) = (disk.now(), disk.elapsed());
    /// disk.set_clock(-3_600_000_000);
    /// assert!(disk.now() < now && disk.elapsed() > elapsed);
    /// ```
    pub fn set_clock(&self, by_us: i64) {
        self.shared.clocks.set(by_us);
    }

    /// Numbers and traces a call, and gives `act` the fault that is planned for it.
    fn run<T>(
        &self,
        call: &Call<'_>,
        act: impl FnOnce(&mut MutexGuard<'_, State>, Option<FaultKind>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.shared.state.lock();
        let fault = state.begin(call)?;
        let result = act(&mut state, fault);
        state.trace.end(&result);
        if fault == Some(FaultKind::PowerOff) {
            self.shared.released.notify_all();
        }
        result
    }

    /// A call that happens as a whole or not at all.
    fn run_whole<T>(
        &self,
        call: &Call<'_>,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        self.run(call, |state, fault| match fault {
            None
            | Some(
                FaultKind::Short
                | FaultKind::Interrupted
                | FaultKind::Astray
                | FaultKind::Misread
                | FaultKind::BadSector,
            ) => act(state),
            Some(FaultKind::Error(errno) | FaultKind::ErrorPartly(errno)) => Err(errno.into()),
            Some(FaultKind::ErrorAfter(errno)) => act(state).and_then(|_| Err(errno.into())),
            Some(FaultKind::PowerOff) => {
                // The caller cannot know whether its last change of a name was still made.
                if call.changes_names() && state.random.coin() {
                    drop(act(state));
                }
                Err(io::Error::other(POWER_IS_OFF))
            }
        })
    }

    /// Blocks while syncs are held.
    fn wait_while_held(&self, state: &mut MutexGuard<'_, State>) -> io::Result<()> {
        while state.held && state.alive().is_ok() {
            self.shared.released.wait(state);
        }
        state.alive()
    }
}

impl fmt::Debug for FaultDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultDisk").field("seed", &self.shared.seed).finish_non_exhaustive()
    }
}
