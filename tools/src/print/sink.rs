//! Bytes on their way out, gathered.

use std::io::{self, Write};

/// What is gathered before it is written.
const WRITE_BYTES: usize = 256 << 10;

/// Gathers what is to be written.
pub(super) struct Sink<W> {
    buffer: Vec<u8>,
    out: W,
}

impl<W: Write> Sink<W> {
    pub(super) fn new(out: W) -> Sink<W> {
        Sink { buffer: Vec::new(), out }
    }

    /// What is gathered; more may be added to its end.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    pub(super) fn flush_if_full(&mut self) -> io::Result<()> {
        if self.buffer.len() < WRITE_BYTES {
            return Ok(());
        }
        self.write()
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.write()?;
        self.out.flush()
    }

    /// Writes what is gathered; it is gone afterwards, however that went.
    fn write(&mut self) -> io::Result<()> {
        let written = self.out.write_all(&self.buffer);
        self.buffer.clear();
        written
    }
}
