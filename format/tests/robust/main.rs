//! What holds for any bytes: nothing panics, no damage passes, nothing is read beyond its end.

#[path = "../samples/mod.rs"]
mod samples;

mod arbitrary;
mod damage;
mod domains;
mod limits;
mod mended;
mod roundtrip;
mod structures;
