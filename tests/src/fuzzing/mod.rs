//! What fuzzers run: a function for each target, which takes any bytes and says what was wrong with the answer.
//!
//! An answer is a value or a typed error, never a panic, within a bound of memory. Beyond that each target knows what
//! has to hold: what was decoded is encoded to the same, what a salvage keeps verifies, a store that opens for writing
//! takes an event and gives it back.
//!
//! Most inputs begin with a byte of which one bit says that checksums are mended, so that a fuzzer gets behind them.
//! The folder `fuzz` runs these functions with a fuzzer; a test runs what that has found before (`corpus`).

mod changed;
mod corpus;
mod decode;
mod index_file;
mod input;
mod memory;
mod mend;
mod operations;
mod query;
mod seeds;
mod store;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use changed::Changed;
pub use corpus::{Replayed, replay};
pub use index_file::Bytes;
pub use memory::{Counted, peak_of};
pub use seeds::seeds;

/// `Ok`, or what was wrong.
pub type Judged = Result<(), String>;

/// Something that takes any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, that of its corpus too.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]) -> Judged,
    /// How much memory it may take.
    pub bound: Bound,
}

/// How much memory may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// By a decoder: 1 MiB and four times the input.
    Decoder,
    /// By a whole store: 64 MiB and four times the input.
    Store,
}

impl Bound {
    /// The bytes that an input of this size may take.
    #[must_use]
    pub const fn bytes(self, input: usize) -> usize {
        let fixed = match self {
            Bound::Decoder => 1 << 20,
            Bound::Store => 64 << 20,
        };
        fixed + 4 * input
    }
}

/// All targets that need no more than the store; those of the `quipu` command are in its own crate.
pub const TARGETS: &[Target] = &[
    decoder("frame", decode::frame),
    decoder("record", decode::record),
    decoder("seal", decode::seal),
    decoder("edit", decode::edit),
    decoder("header", decode::header),
    decoder("live", decode::live),
    decoder("index", index_file::segment),
    decoder("run", index_file::run),
    of_store("segment", store::segment),
    of_store("manifest", store::manifest),
    of_store("query", query::query),
    of_store("operations", operations::operations),
];

const fn decoder(name: &'static str, run: fn(&[u8]) -> Judged) -> Target {
    Target { name, run, bound: Bound::Decoder }
}

const fn of_store(name: &'static str, run: fn(&[u8]) -> Judged) -> Target {
    Target { name, run, bound: Bound::Store }
}

impl Target {
    /// The target of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Gives the target an input and judges what came of it. Memory is judged where [`Counted`] counts it.
    ///
    /// # Errors
    /// What was wrong.
    pub fn judge(&self, input: &[u8]) -> Judged {
        let (tried, peak) = peak_of(|| catch_unwind(AssertUnwindSafe(|| (self.run)(input))));
        tried.unwrap_or_else(|panic| Err(crate::simulator::panicked(&*panic).to_string()))?;
        let bound = self.bound.bytes(input.len());
        ensure(peak.is_none_or(|peak| peak <= bound), || {
            format!("{peak:?} bytes were held at once, of {bound} for an input of {}", input.len())
        })
    }
}

/// `Ok` if it holds, else what is wrong.
fn ensure(holds: bool, wrong: impl FnOnce() -> String) -> Judged {
    if holds { Ok(()) } else { Err(wrong()) }
}
