//! Sources of bytes: one that lends as a map does, one that copies as a file does.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use quipu_format::StoreId;
use quipu_index::{IndexError, Layer, Source};

/// Lends its bytes.
#[derive(Debug)]
pub(crate) struct Lent(pub(crate) Vec<u8>);

/// Copies its bytes, and counts them.
#[derive(Debug)]
pub(crate) struct Copied {
    pub(crate) bytes: Vec<u8>,
    pub(crate) read: Arc<AtomicU64>,
}

impl Copied {
    pub(crate) fn new(bytes: Vec<u8>) -> Copied {
        Copied { bytes, read: Arc::default() }
    }
}

/// Copies bytes that go bad while they are used.
#[derive(Clone, Debug)]
pub(crate) struct Rotting(pub(crate) Arc<Mutex<Vec<u8>>>);

fn slice(bytes: &[u8], range: Range<u64>) -> io::Result<&[u8]> {
    let range = range.start as usize..range.end as usize;
    bytes.get(range).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

impl Source for Lent {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        slice(&self.0, range).map(Cow::Borrowed)
    }
}

impl Source for Copied {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        self.read.fetch_add(range.end - range.start, Ordering::Relaxed);
        slice(&self.bytes, range).map(|bytes| Cow::Owned(bytes.to_vec()))
    }
}

impl Source for Rotting {
    fn size(&self) -> u64 {
        self.0.lock().unwrap().len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        slice(&self.0.lock().unwrap(), range).map(|bytes| Cow::Owned(bytes.to_vec()))
    }
}

/// The bytes of a run of these layers.
pub(crate) fn write_run(store: StoreId, layers: &[Layer]) -> Result<Vec<u8>, IndexError> {
    let mut bytes = Vec::new();
    quipu_index::write_run(store, layers, &mut bytes)?;
    Ok(bytes)
}
