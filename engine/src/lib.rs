//! An embedded event store: streams of events with versions, in one append-only log.
//!
//! [`Store::open`] opens or creates a store; [`Store::append`] appends with an [`ExpectedVersion`] and
//! returns once the commit is durable; [`Store::commit`] spans several streams. [`Store::stream`],
//! [`Store::category`], [`Store::query`] and their like read what is asked for, [`Store::all`] everything, both
//! ways, and lend each [`Event`] from the log without a copy. [`Selection::subscribe`] goes on with what comes
//! after, in the same order, without a gap. A store opened with [`Mode::ReadOnly`] does all this beside a writer in
//! another process. [`verify`] looks at every byte, [`salvage`] makes a sound store of a damaged one.
//!
//! ```
//! use quipu::{ExpectedVersion, NewEvent, Store};
//!
//! let store = Store::builder("orders.quipu").in_memory().open()?;
//! let done = store.append("order-42", ExpectedVersion::NoStream, [NewEvent::new("Placed", b"".as_slice())])?;
//! assert_eq!((done.version.0, done.position.0), (0, 0));
//! # Ok::<(), quipu::Error>(())
//! ```
//!
//! A [`Subscription`] can be moved into a thread of its own, and ends when the store is closed:
//!
//! ```
//! # use quipu::{ExpectedVersion, NewEvent, Store};
//! # let store = Store::builder("orders.quipu").in_memory().open()?;
//! let orders = store.category("order").subscribe()?;
//! let printer = std::thread::spawn(move || {
//!     for event in orders {
//!         let event = event?;
//!         println!("{} {}", event.stream, event.event_type);
//!     }
//!     Ok::<(), quipu::Error>(())
//! });
//! store.append("order-42", ExpectedVersion::NoStream, [NewEvent::new("Placed", b"".as_slice())])?;
//! store.close()?;
//! printer.join().expect("it does not panic")?;
//! # Ok::<(), quipu::Error>(())
//! ```
//!
//! Every [`Error`] has a [kind](ErrorKind) that says what to do next, and a stable [code](Error::code).
//!
//! What is absent: this crate opens no file and reads no clock but through `quipu-disk`, and knows no async
//! runtime; a [`Ticket`] is a plain future, and a subscription can be polled.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(feature = "rkyv")]
mod archived;
mod bad_sectors;
mod ballast;
mod commit;
mod create;
mod directory;
mod draft;
mod error;
mod event;
mod expected;
mod find;
mod follow;
mod frames;
mod header;
mod ids;
mod index_files;
mod keys;
mod late;
mod layout;
mod live;
mod log;
mod manifest;
mod open;
mod opened;
mod options;
mod outline;
mod panics;
mod pipeline;
#[cfg(not(quipu_plant))]
mod plant;
#[cfg(quipu_plant)]
#[doc(hidden)]
pub mod plant;
mod positions;
mod query;
mod read;
mod rebuild;
mod recovery;
mod reindex;
mod salvage;
mod seal;
mod segments;
mod stats;
mod stepper;
mod store;
mod threads;
mod ticket;
mod verify;
mod wakers;
mod worker;
mod writer;
mod zeros;

pub use bad_sectors::Unreadable;
pub use commit::Commit;
pub use error::{Conflict, Damage, Error, ErrorKind, Result};
pub use event::{Event, NewEvent, OwnedEvent, Verify};
pub use expected::ExpectedVersion;
pub use follow::{Delivery, OwnedEvents, Subscription};
pub use layout::{
    Depth, FileBytes, Layout, LayoutProgress, RecordBytes, Standing, layout, layout_on,
};
pub use options::{Durability, Mode, Options, ReadMode};
pub use query::{AppendCondition, Query, QueryItem};
pub use quipu_disk::raise_open_files;
pub use quipu_format::record::{Codec, Tags};
pub use quipu_format::{ByteOffset, FORMAT_VERSION, Position, Timestamp, Version, limits};
pub use quipu_index::StreamHead;
pub use read::{Events, Selection, Streams};
pub use rebuild::{RebuildProgress, RebuildReport, rebuild_index, rebuild_index_on};
pub use recovery::{Opening, Recovered};
#[cfg(feature = "rkyv")]
pub use rkyv;
#[doc(hidden)]
pub mod stepping {
    //! A store driven one step at a time: for simulators. No part of the stable interface.
    pub use crate::stepper::{Answer, Copy, Part, Step, Stepper, Waiting};
}
pub use open::Builder;
pub use salvage::{
    Lost, Renumbered, SalvageProgress, SalvageReport, SalvageStep, salvage, salvage_on,
    salvageable, salvageable_on,
};
pub use stats::Stats;
pub use store::Store;
pub use ticket::{Appended, Ticket};
pub use uuid::Uuid;
pub use verify::{Finding, Severity, VerifyProgress, VerifyReport, verify, verify_on};
