//! How large the works are.

use serde::{Deserialize, Serialize};

use crate::cache::Cold;

/// How large the works are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scale {
    /// Seconds that a loop runs.
    pub(crate) seconds: f64,
    /// Events that a store holds before it is read or opened; some works hold a multiple of it.
    pub(crate) events: u64,
    /// Streams where there are very many of them.
    pub(crate) streams: u64,
    /// Seconds that a store is left alone.
    pub(crate) idle_seconds: f64,
    /// Events a second of the work at a fixed rate.
    pub(crate) rate: f64,
    /// Bytes of the file that the control arms write over and over.
    pub(crate) control_bytes: u64,
    pub(crate) seed: u64,
    pub(crate) cold: Cold,
}

impl Scale {
    /// What a run takes that is meant to be told.
    pub(crate) fn full() -> Scale {
        Scale {
            seconds: 5.0,
            events: 1_000_000,
            streams: 10_000_000,
            idle_seconds: 10.0,
            rate: 2_000.0,
            control_bytes: 256 << 20,
            seed: 1,
            cold: Cold::Files,
        }
    }

    /// What a look takes: all works within a minute.
    pub(crate) fn quick() -> Scale {
        Scale {
            seconds: 0.05,
            events: 2_000,
            streams: 5_000,
            idle_seconds: 0.2,
            rate: 1_000.0,
            control_bytes: 4 << 20,
            seed: 1,
            cold: Cold::Files,
        }
    }
}
