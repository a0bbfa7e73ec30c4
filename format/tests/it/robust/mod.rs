//! What holds for any bytes: nothing panics, no damage passes, nothing is read beyond its end.

mod alone;
mod arbitrary;
mod damage;
mod domains;
mod index_damage;
mod index_hostile;
mod index_postings;
mod index_roundtrip;
mod limits;
mod mended;
mod parts;
mod roundtrip;
mod structures;
