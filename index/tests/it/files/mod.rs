//! What the index answers, from memory and from files, held against plain maps.

mod bounds;
mod check;
mod concurrent;
mod damage;
mod events;
mod hostile;
mod identity;
mod large;
mod layers;
mod segments;
mod source;
