//! The bytes of an index file: of one segment (`.idx`), or the heads of a range of segments (`.run`).
//!
//! An index file is derived from the log and never evidence about it. It has a header page, seven
//! sections, and a checksum for each page behind the header, so that any page can be verified alone.
//!
//! | module | what it lays out |
//! |---|---|
//! | [`checks`] | the checksum of each page |
//! | [`filter`] | where a key leaves its trace in the filter |
//! | [`directory`] | from the top bits of a key to the entries that may hold it |
//! | [`entry`] | one key of a segment or of a run |
//! | [`postings`], [`bitmap`] | the ordinals of a key's events |
//! | [`offsets`] | from an ordinal to the place of its record |
//! | [`names`] | the streams born in the segment |
//! | [`packed`] | numbers of a few bits each |
//!
//! Readers hold a part of a file at a time. So most of this says which bytes are needed next, as a range
//! within a section ([`Span::part`] makes it one of the file), and reads what it wants from them.
//!
//! An *ordinal* is an event's number in its segment: its position less the segment's base position.

pub mod bitmap;
mod build;
pub mod checks;
pub mod directory;
pub mod entry;
pub mod filter;
mod header;
pub mod names;
pub mod offsets;
pub mod packed;
pub mod postings;
mod read;
mod span;

pub use build::{Draft, Parts, build};
pub use entry::{Entry, HeadEntry, Scope};
pub use header::{Contents, Covered, IndexHeader, Sections};
pub use span::Span;
