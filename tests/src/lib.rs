//! What tests the Quipu event store from outside.
//!
//! | module | what it is |
//! |---|---|
//! | [`attended`] | a disk beside which somebody stands, who comes between two of its calls |
//! | [`history`] | what a store was asked and what it answered, as data |
//! | [`checker`] | judges a history by the store's promises; knows no store |
//! | [`content`] | events that are made from a number, so that each can be recognised |
//! | [`subject`] | a store under test on a fault disk, every answer told to the checker |
//! | `interleaving` | scenes of threads, played in many interleavings; in builds with `--cfg quipu_shuttle` |
//! | [`segments`] | what lies in a store's segments, read without the engine |
//! | [`flips`] | small stores of which one thing is damaged |
//! | [`running`] | small stores that are harmed while they are written and read |
//! | [`fuzzing`] | what fuzzers run, and a replay of what they found |
//! | [`model`] | lives of stores that proptest makes up, compared with a list of events |
//! | `plants` | bugs that are put in, and who must find them; in builds with `--cfg quipu_plant` |
//! | [`simulator`] | from one seed: writers, readers, a committer, faults and crashes |
//!
//! Everything but `model` is deterministic and runs on one thread: a seed that fails once fails every time.

pub mod attended;
pub mod checker;
pub mod content;
pub mod flips;
pub mod fuzzing;
pub mod history;
#[cfg(quipu_shuttle)]
pub mod interleaving;
pub mod model;
#[cfg(quipu_plant)]
pub mod plants;
pub mod random;
pub mod running;
pub mod segments;
pub mod simulator;
pub mod subject;
