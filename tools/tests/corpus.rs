//! What fuzzers have found worth keeping for the command, run again: a program of its own, because its allocator
//! counts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use quipu_tests::fuzzing::{Bound, Counted, Target, replay};
use quipu_tools::fuzzing::{arguments, import};

#[global_allocator]
static COUNTED: Counted = Counted;

/// As in `fuzz/src/lib.rs`.
const TARGETS: [Target; 2] = [
    Target { name: "import", run: import, bound: Bound::Store },
    Target { name: "arguments", run: arguments, bound: Bound::Store },
];

#[test]
fn every_input_of_the_corpora_of_the_command_is_answered_as_it_has_to_be() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for target in &TARGETS {
        let replayed = replay(target, &corpora).unwrap();
        println!("{}: {} inputs", target.name, replayed.inputs);
    }
}
