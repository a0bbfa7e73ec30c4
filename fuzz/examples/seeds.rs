//! Adds the first inputs of every target to its corpus, made of real encodings.
//!
//! ```sh
//! cargo run --manifest-path fuzz/Cargo.toml --example seeds
//! ```

use std::path::Path;

use quipu_fuzz::{OF_THE_COMMAND, seeds};
use quipu_tests::fuzzing::TARGETS;

fn main() -> std::io::Result<()> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in TARGETS.iter().chain(OF_THE_COMMAND) {
        let folder = corpora.join(target.name);
        std::fs::create_dir_all(&folder)?;
        let seeds = seeds(target.name);
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:03}")), seed)?;
        }
        println!("{}: {} inputs", target.name, seeds.len());
    }
    Ok(())
}
