//! Reading events by what they are about, compared with a plain list.

mod bounds;
mod concurrent;
mod damaged;
mod model;
mod selections;
mod store;
