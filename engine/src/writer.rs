//! Who writes: what each link says of this version of Quipu.

use quipu_format::frame::Link;
use quipu_format::{Epoch, Lsn, Salt, Timestamp};

/// This version, as links carry it: major, minor and patch in a byte or two each.
const WRITER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
    | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
    | number(env!("CARGO_PKG_VERSION_PATCH"));

const fn number(digits: &str) -> u32 {
    let bytes = digits.as_bytes();
    let (mut value, mut at) = (0, 0);
    while at < bytes.len() {
        value = value * 10 + (bytes[at] - b'0') as u32;
        at += 1;
    }
    value
}

/// A link that this version writes.
pub(crate) fn link(predecessor: Option<(Lsn, Salt)>, last_time: Timestamp, epoch: Epoch) -> Link {
    Link { predecessor, last_time, epoch, writer: WRITER }
}
