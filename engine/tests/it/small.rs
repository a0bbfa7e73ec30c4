//! Options under which a small store has seen everything.

use quipu::Options;

/// Small segments, so that a store rolls after a few events, and no more files than it needs.
pub(crate) fn options() -> Options {
    Options {
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        buffer_bytes: 4096,
        ballast_bytes: 0,
        ..Options::default()
    }
}
