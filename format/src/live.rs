//! The page `live`: how far a store has come, for readers in other processes.
//!
//! The writer stores it in shared memory after each group and never syncs it. It is believed only while the
//! writer's lock is held and its epoch is that of the last opening for writing; nothing about the log is
//! ever decided from it. `docs/FORMAT.md` has the offsets within the file, whose first eight bytes count the
//! stores.

use crate::{Epoch, Lsn, Position, checksum};

/// Bytes of the page behind the count of its stores.
pub const LIVE_BYTES: usize = 56;

/// The layout that this version writes and reads.
const LAYOUT: u16 = 1;
/// What the checksum begins with, so that zeros do not sum up.
const PREFIX: [u8; 8] = *b"quipu lv";
/// Bytes that are summed.
const SUMMED: usize = 48;

/// What a writer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// The opening for writing that it belongs to.
    pub epoch: Epoch,
    /// The end of what is durable.
    pub durable: Lsn,
    /// The end of what readers may see.
    pub visible: Lsn,
    /// The position that the next event to become visible gets.
    pub next_position: Position,
    /// Segments that this opening has sealed so far: a follower whose count is another looks at the manifest
    /// again.
    pub sealed: u32,
    /// Whether all is well.
    pub standing: Standing,
}

/// How the writer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It goes on.
    Well,
    /// A write or sync has failed: what is not durable by now may be shown by reads, and be gone.
    Failed,
}

impl Live {
    /// The page's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; LIVE_BYTES] {
        let mut bytes = [0; LIVE_BYTES];
        bytes[..16].copy_from_slice(&self.epoch.0);
        bytes[16..24].copy_from_slice(&self.durable.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.visible.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.next_position.0.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.sealed.to_le_bytes());
        bytes[44..46].copy_from_slice(&LAYOUT.to_le_bytes());
        bytes[46] = u8::from(self.standing == Standing::Failed);
        let sum = sum(&bytes);
        bytes[48..52].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// What these bytes tell. Nothing if their checksum or layout is another: no writer tells anything, or a
    /// newer one.
    #[must_use]
    pub fn decode(bytes: &[u8; LIVE_BYTES]) -> Option<Live> {
        let word = |at: usize| bytes[at..].first_chunk().map(|word| u64::from_le_bytes(*word));
        let half = |at: usize| bytes[at..].first_chunk().map(|half| u32::from_le_bytes(*half));
        let layout = bytes[44..].first_chunk().map(|layout| u16::from_le_bytes(*layout));
        if layout != Some(LAYOUT) || half(48)? != sum(bytes) || half(52)? != 0 {
            return None;
        }
        let standing = match bytes[46..48] {
            [0, 0] => Standing::Well,
            [1, 0] => Standing::Failed,
            _ => return None,
        };
        Some(Live {
            epoch: Epoch(*bytes.first_chunk()?),
            durable: Lsn(word(16)?),
            visible: Lsn(word(24)?),
            next_position: Position(word(32)?),
            sealed: half(40)?,
            standing,
        })
    }
}

fn sum(bytes: &[u8; LIVE_BYTES]) -> u32 {
    let mut summed = [0; PREFIX.len() + SUMMED];
    summed[..PREFIX.len()].copy_from_slice(&PREFIX);
    summed[PREFIX.len()..].copy_from_slice(&bytes[..SUMMED]);
    checksum::plain(&summed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: Live = Live {
        epoch: Epoch([7; 16]),
        durable: Lsn(0x0000_0003_0000_0200),
        visible: Lsn(0x0000_0003_0000_0210),
        next_position: Position(1_000_000),
        sealed: 2,
        standing: Standing::Well,
    };

    #[test]
    fn what_is_told_is_understood() {
        for standing in [Standing::Well, Standing::Failed] {
            let live = Live { standing, ..LIVE };
            assert_eq!(Live::decode(&live.encode()), Some(live));
        }
    }

    #[test]
    fn no_bit_may_be_another() {
        let bytes = LIVE.encode();
        for bit in 0..LIVE_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Live::decode(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_page_that_nobody_has_stored_tells_nothing() {
        assert_eq!(Live::decode(&[0; LIVE_BYTES]), None);
        assert_eq!(Live::decode(&[0xFF; LIVE_BYTES]), None);
    }
}
