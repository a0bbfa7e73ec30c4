//! The checksum that ties bytes to the place they stand at.
//!
//! Every checksum is CRC-32 (the polynomial of IEEE 802.3, as in zlib). That of a structure in a
//! segment or manifest runs over, in this order:
//!
//! 1. what follows the structure's first 32 bytes (the *tail*), padding included,
//! 2. bytes 4 to 32 of the structure,
//! 3. the file's salt, 8 bytes, rotated to the left by one byte for each unit of the number of the
//!    structure's [`Domain`], and the structure's offset / 16, 4 bytes,
//! 4. the number of the domain, 4 bytes.
//!
//! So bytes that were recycled from another file, moved within one, or embedded by a user in a payload
//! do not pass, and the bytes of one sort of structure do not pass for another. The tail comes first so
//! that a writer can sum it before it knows the version and the place: only 44 bytes remain to be summed
//! once a commit has its place in the log.
//!
//! The domain turns the salt because a CRC is linear: between two domains one difference of tails makes
//! up for that of the domains, and it must be one that nobody knows who does not know the salt.

use crate::{ByteOffset, Salt};

/// The part of a structure, from its start, that is summed last.
pub const HEAD_BYTES: usize = 32;

/// What sort of structure a checksum belongs to: equal bytes have another checksum in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Domain {
    /// The header of a frame.
    Frame = 1,
    /// The body of a link or of a seal.
    Body = 2,
    /// An event record.
    Record = 3,
    /// An edit of the manifest.
    Edit = 4,
}

/// Where a structure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The salt of the file.
    pub salt: Salt,
    /// The offset of the structure's first byte; a multiple of 16.
    pub offset: ByteOffset,
}

impl Place {
    /// The place at `offset` in a file with this salt.
    #[must_use]
    pub const fn new(salt: Salt, offset: ByteOffset) -> Place {
        Place { salt, offset }
    }

    /// The place `bytes` further on in the same file.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Place {
        Place { salt: self.salt, offset: ByteOffset(self.offset.0 + bytes) }
    }
}

/// The CRC-32 of `bytes`, as in zlib.
#[must_use]
pub fn plain(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The checksum of a structure of this domain with this first part, of which bytes 0 to 4 are left
/// out, whose tail has the CRC-32 `tail` (0 where there is none), at this place.
#[must_use]
pub fn seal(domain: Domain, tail: u32, head: &[u8; HEAD_BYTES], place: Place) -> u32 {
    let mut last = [0; HEAD_BYTES - 4 + 16];
    last[..28].copy_from_slice(&head[4..]);
    let salt = place.salt.0.rotate_left(8 * domain as u32);
    last[28..36].copy_from_slice(&salt.to_le_bytes());
    last[36..40].copy_from_slice(&place.offset.units().to_le_bytes());
    last[40..].copy_from_slice(&(domain as u32).to_le_bytes());
    let mut hasher = crc32fast::Hasher::new_with_initial(tail);
    hasher.update(&last);
    hasher.finalize()
}
