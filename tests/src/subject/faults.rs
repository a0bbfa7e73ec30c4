//! What was planned to go wrong.

use quipu_disk::{Errno, Fault, FaultDisk, FaultKind};

/// An error that was planned.
#[derive(Clone, Copy, Debug)]
struct Planned {
    at: u64,
    sticky: bool,
    errno: Errno,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it says.
    pub errno: Errno,
    /// What it has done all the same.
    pub done: Done,
}

/// How much of what a call was asked it has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Nothing.
    Nothing,
    /// Of a sync a part; of other calls nothing.
    Partly,
    /// All of it; of a write a prefix.
    Wholly,
}

impl Failure {
    /// A call fails, and has done nothing.
    #[must_use]
    pub const fn clean(errno: Errno) -> Failure {
        Failure { errno, done: Done::Nothing }
    }

    fn fault(self) -> FaultKind {
        match self.done {
            Done::Nothing => FaultKind::Error(self.errno),
            Done::Partly => FaultKind::ErrorPartly(self.errno),
            Done::Wholly => FaultKind::ErrorAfter(self.errno),
        }
    }
}

/// What was planned to go wrong in this life of a store, so that errors can be told that it explains.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The operation at which the power goes off.
    power_off: Option<u64>,
    /// The operation from which on calls are cut short, or the last that may be interrupted.
    short: Option<u64>,
    error: Option<Planned>,
    /// The operation at which a read is wrong.
    misread: Option<u64>,
    /// The operation at which a read meets a bad sector.
    bad_sector: Option<u64>,
    /// The operation at which an error came last that was planned before the present one.
    failed_before: Option<u64>,
    /// There is a limit to the disk's room now.
    is_full: bool,
    /// There was one in this life, and no commit was taken since it was lifted.
    was_full: bool,
    /// The operation before which it was lifted.
    freed: Option<u64>,
    /// The operation at which an error came last that told of want of room, and was planned before the present one.
    full_before: Option<u64>,
    /// A call of the store failed of those that may poison it.
    pub(super) log_has_failed: bool,
    /// A write or a sync of the log failed: the store is poisoned.
    pub(super) is_poisoned: bool,
}

impl Faults {
    /// Plans a power-off, `operations` from now. It may be off already, unnoticed: what is told to other processes
    /// is given up without a word.
    pub fn plan_power_off(&mut self, disk: &FaultDisk, operations: u64) {
        if self.is_off(disk.operations()) {
            return;
        }
        let at = disk.operations() + operations;
        self.power_off = Some(at);
        disk.plan(Fault { at, kind: FaultKind::PowerOff, sticky: false });
    }

    /// The power goes off at this operation, as somebody else has planned.
    pub(super) fn will_be_off(&mut self, at: u64) {
        self.power_off = Some(at);
    }

    /// Plans that a call fails in this way, `operations` from now, and all later ones too if it is sticky.
    pub fn plan_error(
        &mut self,
        disk: &FaultDisk,
        failure: Failure,
        operations: u64,
        sticky: Sticky,
    ) {
        // Who is interrupted tries again, for as long as that takes.
        let sticky = sticky == Sticky::Yes && failure.errno != Errno::Interrupted;
        self.full_before = self.full_at(disk.operations()).or(self.full_before);
        let came = self.error.filter(|error| disk.operations() > error.at);
        self.failed_before = came.map(|error| error.at).or(self.failed_before);
        let at = disk.operations() + operations;
        self.error = Some(Planned { at, sticky, errno: failure.errno });
        disk.plan(Fault { at, kind: failure.fault(), sticky });
    }

    /// Plans that a call, `operations` from now, meets a bad sector if it is a read.
    pub fn plan_bad_sector(&mut self, disk: &FaultDisk, operations: u64) {
        let at = disk.operations() + operations;
        self.bad_sector = Some(at);
        disk.plan(Fault { at, kind: FaultKind::BadSector, sticky: false });
    }

    /// Plans that a call, `operations` from now, returns a wrong byte if it is a read.
    pub fn plan_misread(&mut self, disk: &FaultDisk, operations: u64) {
        let at = disk.operations() + operations;
        self.misread = Some(at);
        disk.plan(Fault { at, kind: FaultKind::Misread, sticky: false });
    }

    /// Whether something may have been read wrongly in this life.
    #[must_use]
    pub fn has_misread(&self, operations: u64) -> bool {
        self.misread.is_some_and(|at| operations > at)
    }

    /// Plans that a read or write does only a part of what it was asked, which nobody may notice.
    pub fn plan_short(&mut self, disk: &FaultDisk, operations: u64, sticky: Sticky) {
        let at = disk.operations() + operations;
        self.short = Some(at);
        disk.plan(Fault { at, kind: FaultKind::Short, sticky: sticky == Sticky::Yes });
    }

    /// Plans that a read or write is interrupted, and so is every second call after it: whoever tries again goes on, and
    /// nobody may notice.
    pub fn plan_interruptions(&mut self, disk: &FaultDisk, operations: u64, times: u64) {
        for time in 0..times {
            let at = disk.operations() + operations + 2 * time;
            self.short = Some(at);
            disk.plan(Fault { at, kind: FaultKind::Interrupted, sticky: false });
        }
    }

    /// Limits the disk's room, or lifts the limit.
    pub fn limit_room(&mut self, disk: &FaultDisk, bytes: Option<u64>) {
        disk.plan_full(bytes);
        if self.is_full && bytes.is_none() {
            self.freed = Some(disk.operations());
        }
        self.is_full = bytes.is_some();
        self.was_full |= self.is_full;
    }

    /// Whether the power went off.
    #[must_use]
    pub fn is_off(&self, operations: u64) -> bool {
        self.power_off.is_some_and(|at| operations > at)
    }

    /// Whether something is planned that has not come, or will not end. One thing at a time: of two
    /// faults for one call the disk takes one.
    #[must_use]
    pub fn is_armed(&self, operations: u64) -> bool {
        let error = self.error.map(|error| error.at);
        let planned = [self.power_off, self.short, self.misread, self.bad_sector, error];
        self.is_stuck(operations) || planned.into_iter().flatten().any(|at| operations <= at)
    }

    /// Whether a planned error has come.
    #[must_use]
    pub fn has_failed(&self, operations: u64) -> bool {
        self.failed_before.is_some() || self.error.is_some_and(|error| operations > error.at)
    }

    /// Whether a planned error came after `before` and up to now.
    pub(super) fn has_failed_since(&self, before: u64, operations: u64) -> bool {
        self.failed_before.is_some_and(|at| before <= at)
            || self
                .error
                .is_some_and(|error| operations > error.at && (error.sticky || before <= error.at))
    }

    /// Whether the planned error only interrupts, so that whoever met it may have gone on.
    pub(super) fn only_interrupts(&self) -> bool {
        self.error.is_some_and(|error| error.errno == Errno::Interrupted)
    }

    /// Whether no operation will succeed any more.
    #[must_use]
    pub fn is_stuck(&self, operations: u64) -> bool {
        self.error.is_some_and(|error| error.sticky && operations > error.at)
    }

    /// Whether the disk's room is limited.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether the disk's room was limited in this life, and no commit has shown since that there is room again.
    #[must_use]
    pub fn was_full(&self) -> bool {
        self.was_full
    }

    /// A commit has its place.
    pub(super) fn commit_taken(&mut self) {
        self.was_full = self.is_full;
    }

    /// Whether want of room explains what is said now of something that was tried after `before`.
    #[must_use]
    pub fn was_full_since(&self, before: u64, operations: u64) -> bool {
        self.is_full_since(before, operations)
            || self.freed.is_some_and(|at| at > before)
            || self.full_before.is_some_and(|at| at >= before)
    }

    /// The last operation up to now at which the planned error told of want of room.
    fn full_at(&self, operations: u64) -> Option<u64> {
        let error = self.error.filter(|error| error.errno == Errno::Full)?;
        let last = if error.sticky { operations.checked_sub(1)? } else { error.at };
        (error.at < operations).then_some(last)
    }

    /// Whether want of room explains an error that came after `before` and up to now.
    pub(super) fn is_full_since(&self, before: u64, operations: u64) -> bool {
        self.is_full || self.has_told_full_since(before, operations)
    }

    /// Whether a planned error came meanwhile that told of want of room.
    pub(super) fn has_told_full_since(&self, before: u64, operations: u64) -> bool {
        let full = self.error.is_some_and(|error| error.errno == Errno::Full);
        full && self.has_failed_since(before, operations)
    }

    /// Whether the store is known to be poisoned.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }

    /// What goes on on the next disk: only the room.
    pub(super) fn after_crash(&self) -> Faults {
        Faults { is_full: self.is_full, was_full: self.is_full, ..Faults::default() }
    }

    /// A new life begins on the same disk.
    pub(super) fn forget_failures(&mut self, operations: u64) {
        self.is_poisoned = false;
        self.was_full = self.is_full;
        self.failed_before = None;
        self.log_has_failed = false;
        self.misread = None;
        if self.has_failed(operations) && !self.is_stuck(operations) {
            self.error = None;
        }
    }
}

/// Whether a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// It lasts.
    Yes,
    /// It comes once.
    No,
}
