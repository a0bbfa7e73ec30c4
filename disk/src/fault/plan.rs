//! What shall go wrong, and when.

use std::io;

use rustix::io::Errno as Number;

/// One fault, at the operation with a given number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The number of the operation; see [`FaultDisk::operations`](crate::FaultDisk::operations).
    pub at: u64,
    /// What happens to it.
    pub kind: FaultKind,
    /// Whether it happens to all later operations too.
    pub sticky: bool,
}

/// What a call says that fails: the number that Linux gives, which is what an error of the real disk carries. Some of
/// them no [`io::ErrorKind`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// `EIO`: the medium does not give back what stands there, or does not take what is to stand there.
    Io,
    /// `ENOSPC`: there is no room.
    Full,
    /// `ETIMEDOUT`: the device does not answer. Nobody takes this for anything but an error.
    TimedOut,
    /// `EINTR`: a signal came.
    Interrupted,
    /// `EACCES`: it is not allowed.
    Denied,
    /// `EROFS`: nothing can be changed, as of a file system that has stopped at a failure.
    ReadOnly,
    /// `EINVAL`: the file cannot do this.
    Invalid,
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> io::Error {
        let number = match errno {
            Errno::Io => Number::IO,
            Errno::Full => Number::NOSPC,
            Errno::TimedOut => Number::TIMEDOUT,
            Errno::Interrupted => Number::INTR,
            Errno::Denied => Number::ACCESS,
            Errno::ReadOnly => Number::ROFS,
            Errno::Invalid => Number::INVAL,
        };
        number.into()
    }
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The power goes off: this call and every later one fails with "the power is off". A random
    /// prefix of a write may still have been written, unsynced, and a change of a name made. What
    /// survives, a [`power_cut`](crate::FaultDisk::power_cut) decides.
    PowerOff,
    /// The call fails without effect.
    ///
    /// A sync of data fails as on Linux: what was not synced can never become durable any more, while
    /// reads still show it, and the next sync succeeds without bringing it back.
    Error(Errno),
    /// The call fails, and has taken effect: a file is created, or a directory that a power cut may take away, a name is
    /// changed, bytes are durable; of a write a random prefix is there, which may be all or nothing of it.
    ErrorAfter(Errno),
    /// The call fails, and a sync of data has done a random part of its work: any of the pages that were not synced
    /// are durable, and the others can never become so any more, while reads still show them. So does Linux where a
    /// device refuses some of the pages of a file. Other calls fail as by [`FaultKind::Error`].
    ErrorPartly(Errno),
    /// A read returns one byte that is not the one that stands there; asked again, the disk may well read it rightly.
    /// Nothing is changed. Maps show what is there, and other operations are not affected.
    Misread,
    /// A read meets a bad sector: the page in which it begins can be read no more, as if it had been
    /// [spoiled](crate::FaultDisk::spoil). Other operations are not affected, nor is a read behind the end of its file.
    BadSector,
    /// A read or a write does a random part of what it was asked, one byte at least; other
    /// operations are not affected.
    Short,
    /// A write succeeds and goes astray: what it was to write stands over as many bytes somewhere else, in the same file
    /// or another that is as long, and is durable there at once. Where it belongs nothing changes. If there is no such
    /// place, it is nowhere. Other operations are not affected.
    Astray,
    /// A read or a write fails with [`Errno::Interrupted`], without effect, so that whoever makes it again loses nothing.
    /// Other operations are not affected: what an interrupted sync leaves open, an error says. A sticky one never ends
    /// for a caller that simply tries again.
    Interrupted,
}

impl FaultKind {
    /// Whether a sync does all of its work all the same.
    pub(super) fn lets_sync(self) -> bool {
        matches!(
            self,
            FaultKind::Short
                | FaultKind::Astray
                | FaultKind::Misread
                | FaultKind::BadSector
                | FaultKind::Interrupted
                | FaultKind::ErrorAfter(_)
        )
    }
}

/// What survives a power cut of all that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// Nothing.
    LoseAll,
    /// Everything.
    KeepAll,
    /// Everything, but of the bytes of the [last write](crate::FaultDisk::last_write), if it is not durable, only
    /// those from the first number to before the second, counted from its beginning.
    TearLast(u64, u64),
    /// What the seed says: some of the writes, in any order, torn or whole; some of the changed
    /// names.
    ///
    /// A torn write keeps a prefix, or any of its 512-byte sectors, or any of its 4,096-byte pages; a torn sector
    /// keeps a prefix of the new bytes, and the old ones after it. The size is what the surviving writes need, or
    /// more, up to the size that was seen before the cut; what no write fills behind the size that was durable is
    /// zeros, or garbage. Changes of names are applied in order, without those that no longer can be.
    Random,
}

/// How a disk deceives: planted bugs of the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// A sync of data succeeds and makes nothing durable.
    SyncIgnored,
    /// A sync of a directory succeeds and makes nothing durable.
    DirectorySyncIgnored,
    /// A power cut in an unsynced rename can leave the target missing or with half of its bytes.
    /// [`PowerCut::LoseAll`] always leaves it missing.
    RenameNotAtomic,
    /// One write in four stores only a part of what it reports.
    WriteShortened,
}

/// The faults and lies of one disk, what it has become unable to do, and the count that faults go by.
#[derive(Default)]
pub(super) struct Plan {
    operations: u64,
    faults: Vec<Fault>,
    lies: Vec<Lie>,
    /// Some bytes of the medium cannot be read.
    pub(super) has_bad_sectors: bool,
}

impl Plan {
    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn lie(&mut self, lie: Lie) {
        self.lies.push(lie);
    }

    pub(super) fn lies(&self, lie: Lie) -> bool {
        self.lies.contains(&lie)
    }

    /// The plan after a restart: the medium is the same, the operations are others.
    pub(super) fn restarted(&self) -> Plan {
        let (lies, has_bad_sectors) = (self.lies.clone(), self.has_bad_sectors);
        Plan { operations: 0, faults: Vec::new(), lies, has_bad_sectors }
    }

    /// Counts an operation. Returns its number and its fault.
    pub(super) fn next(&mut self) -> (u64, Option<FaultKind>) {
        let number = self.operations;
        self.operations += 1;
        let applies = |fault: &&Fault| fault.at == number || fault.sticky && fault.at < number;
        let fault = self.faults.iter().filter(applies).max_by_key(|fault| fault.at);
        (number, fault.map(|fault| fault.kind))
    }
}
