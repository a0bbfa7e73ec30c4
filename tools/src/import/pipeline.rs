//! Batches in flight: submitted one after the other, acknowledged in the same order.

use std::collections::VecDeque;

use quipu::{Commit, Ticket};

use crate::failure::Failure;

/// Most batches in flight.
pub(crate) const BATCHES_MAX: usize = 64;
/// Most bytes of input in flight.
const BYTES_MAX: u64 = 64 << 20;

/// A batch that is not yet durable.
struct Flying {
    ticket: Ticket,
    /// Lines of the input that are durable once this batch is.
    lines: u64,
    /// Bytes of its lines.
    bytes: u64,
}

/// The batches of one import.
pub(super) struct Pipeline<'w> {
    watch: &'w mut dyn FnMut(u64),
    flying: VecDeque<Flying>,
    flying_bytes: u64,
    /// Lines of the input, from its first, that were submitted or stored before.
    submitted: u64,
    /// Lines of the input, from its first, that are durable.
    acknowledged: u64,
}

impl<'w> Pipeline<'w> {
    /// A pipeline for an input of which the first lines are durable; `watch` is told of each more.
    pub(super) fn new(acknowledged: u64, watch: &'w mut dyn FnMut(u64)) -> Self {
        let flying = VecDeque::new();
        Pipeline { watch, flying, flying_bytes: 0, submitted: acknowledged, acknowledged }
    }

    /// Lines of the input, from its first, that are durable.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Submits the next lines as one commit, and waits for earlier ones if there are too many.
    pub(super) fn submit(
        &mut self,
        batch: Commit<'_, '_>,
        lines: u64,
        bytes: u64,
    ) -> Result<(), Failure> {
        while self.flying.len() >= BATCHES_MAX || self.flying_bytes > BYTES_MAX {
            self.settle_first()?;
        }
        let ticket = batch.submit()?;
        self.flying_bytes += bytes;
        self.submitted += lines;
        self.flying.push_back(Flying { ticket, lines: self.submitted, bytes });
        while self.flying.front().is_some_and(|first| first.ticket.is_settled()) {
            self.settle_first()?;
        }
        Ok(())
    }

    /// Waits for all batches in flight. After a failure the later ones are not asked: a batch counts only
    /// where all before it do.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        while !self.flying.is_empty() {
            self.settle_first()?;
        }
        Ok(())
    }

    fn settle_first(&mut self) -> Result<(), Failure> {
        let Some(first) = self.flying.pop_front() else { return Ok(()) };
        self.flying_bytes -= first.bytes;
        if let Err(error) = first.ticket.wait() {
            self.flying.clear();
            return Err(error.into());
        }
        self.acknowledged = first.lines;
        (self.watch)(first.lines);
        Ok(())
    }
}
