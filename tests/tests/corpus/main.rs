//! What fuzzers have found worth keeping, run again: a program of its own, because its allocator counts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod twins;

use std::path::{Path, PathBuf};

use quipu_tests::fuzzing::{Counted, TARGETS, replay};

#[global_allocator]
static COUNTED: Counted = Counted;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

#[test]
fn every_input_of_every_corpus_is_answered_as_it_has_to_be() {
    let mut wrong = Vec::new();
    for target in TARGETS {
        match replay(target, &corpora()) {
            Ok(replayed) => println!("{}: {} inputs", target.name, replayed.inputs),
            Err(finding) => wrong.push(finding),
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
