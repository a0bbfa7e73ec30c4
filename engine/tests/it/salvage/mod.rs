//! What is left of damaged stores: exactly the commits that are whole.

mod checker;
mod copies;
mod ends;
mod flips;
mod lost;
mod sectors;
pub(crate) mod store;
