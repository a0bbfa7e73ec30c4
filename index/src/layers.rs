//! What all segments together hold of a key.

use std::ops::RangeInclusive;
use std::sync::Arc;

use quipu_format::{Position, Salt, SegmentId};

use crate::{IndexError, Key, Run, Sealed};

/// What a layer knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Events with this key so far; for a stream's key that is its last version + 1.
    pub count: u64,
    /// Position of the last of them.
    pub position: Position,
    /// The last segment that holds the key.
    pub segment: SegmentId,
    /// Number of segments before that one that hold it.
    pub depth: u32,
}

/// The heads of one segment, or of a range of them.
#[derive(Clone, Debug)]
pub enum Layer {
    /// Of a segment: its index.
    Index(Arc<Sealed>),
    /// Of a range of segments.
    Run(Arc<Run>),
}

impl Layer {
    /// The segments that it covers.
    #[must_use]
    pub fn segments(&self) -> RangeInclusive<SegmentId> {
        match self {
            Layer::Index(sealed) => sealed.segment()..=sealed.segment(),
            Layer::Run(run) => run.segments(),
        }
    }

    /// The salt of the last segment that it covers.
    #[must_use]
    pub fn salt(&self) -> Salt {
        match self {
            Layer::Index(sealed) => sealed.salt(),
            Layer::Run(run) => run.salt(),
        }
    }

    /// What it knows of a key. Local keys are not found.
    ///
    /// # Errors
    /// [`IndexError`] where the file cannot be read or is damaged.
    pub fn find(&self, key: Key) -> Result<Option<Head>, IndexError> {
        match self {
            Layer::Index(sealed) => sealed.find_head(key),
            Layer::Run(run) => run.find(key),
        }
    }
}

/// The heads of all segments that have a file, newest first. A clone shares the files.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    newest_first: Vec<Layer>,
}

impl Layers {
    /// These layers, newest first.
    #[must_use]
    pub fn new(newest_first: Vec<Layer>) -> Layers {
        Layers { newest_first }
    }

    /// Puts a newer layer before all others.
    pub fn push(&mut self, newest: Layer) {
        self.newest_first.insert(0, newest);
    }

    /// The layers, newest first.
    #[must_use]
    pub fn newest_first(&self) -> &[Layer] {
        &self.newest_first
    }

    /// What the newest layer that has this key knows of it.
    ///
    /// # Errors
    /// [`IndexError`] where a file cannot be read or is damaged.
    pub fn find(&self, key: Key) -> Result<Option<Head>, IndexError> {
        for layer in &self.newest_first {
            if let Some(head) = layer.find(key)? {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }
}
