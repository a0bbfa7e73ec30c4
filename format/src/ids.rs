//! Numbers that mean something: one type for each, so that none is taken for another.

use std::fmt;

/// Every structure in a segment starts at a multiple of this many bytes.
pub const UNIT_BYTES: u64 = 16;

/// Size of a file header, and the alignment of writes that the disk likes best.
pub const PAGE_BYTES: u64 = 4096;

/// Rounds `bytes` up to a multiple of `alignment`, a power of two.
#[must_use]
pub const fn align_up(bytes: u64, alignment: u64) -> u64 {
    (bytes + (alignment - 1)) & !(alignment - 1)
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($width:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $width);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$width> for $name {
            fn from(value: $width) -> $name {
                $name(value)
            }
        }
    };
}

number! {
    /// An event's number in the whole store: dense from 0, in commit order, stable for ever.
    Position(u64)
}
number! {
    /// An event's number within its stream: 0, 1, 2 … without gaps.
    Version(u64)
}
number! {
    /// A segment's number. The first is 1; numbers are never used twice in a store.
    SegmentId(u32)
}
number! {
    /// A place in a file, in bytes from its start.
    ByteOffset(u64)
}
number! {
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64)
}
number! {
    /// A random number drawn for each file; part of every checksum in it, so that bytes of another
    /// file, or of an earlier life of this one, do not pass.
    Salt(u64)
}

impl Position {
    /// The position `count` events further on. Saturates: no store reaches the end of `u64`.
    #[must_use]
    pub const fn plus(self, count: u64) -> Position {
        Position(self.0.saturating_add(count))
    }
}

impl Version {
    /// The version `count` events further on. Saturates: no stream reaches the end of `u64`.
    #[must_use]
    pub const fn plus(self, count: u64) -> Version {
        Version(self.0.saturating_add(count))
    }
}

impl ByteOffset {
    /// This offset counted in units of 16 bytes, as it stands on disk; the remainder is dropped.
    /// Saturates where a file would be larger than 64 GiB, which none is.
    #[must_use]
    pub fn units(self) -> u32 {
        u32::try_from(self.0 / UNIT_BYTES).unwrap_or(u32::MAX)
    }

    /// The offset of a count of units.
    #[must_use]
    pub const fn from_units(units: u32) -> ByteOffset {
        ByteOffset(units as u64 * UNIT_BYTES)
    }
}

/// A place in the log: the segment in the upper 32 bits, the offset in units of 16 bytes in the lower.
/// Ordered as the log is.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The place at `offset` in `segment`.
    #[must_use]
    pub fn new(segment: SegmentId, offset: ByteOffset) -> Lsn {
        Lsn((u64::from(segment.0) << 32) | u64::from(offset.units()))
    }

    /// The segment.
    #[must_use]
    pub const fn segment(self) -> SegmentId {
        SegmentId((self.0 >> 32) as u32)
    }

    /// The offset in the segment's file.
    #[must_use]
    pub const fn offset(self) -> ByteOffset {
        ByteOffset((self.0 & 0xffff_ffff) * UNIT_BYTES)
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lsn({self})")
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.segment(), self.offset())
    }
}

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

identity! {
    /// Names a store for ever; drawn at random when it is created.
    StoreId
}
identity! {
    /// Names one opening of a store for writing; drawn at random each time.
    Epoch
}
