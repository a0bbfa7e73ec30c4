//! An embedded event store: streams of events with versions, in one append-only log.
//!
//! [`Store::open`] opens or creates a store; [`Store::append`] appends with an [`ExpectedVersion`] and
//! returns once the commit is durable; [`Store::commit`] spans several streams; [`Store::all`] reads
//! everything in order, and lends each [`Event`] from the log without a copy. [`verify`] looks at every
//! byte.
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
//! Every [`Error`] has a [kind](ErrorKind) that says what to do next, and a stable [code](Error::code).
//!
//! What is absent: this crate opens no file and reads no clock but through `quipu-disk`, and knows no async
//! runtime; a [`Ticket`] is a plain future.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

mod commit;
mod create;
mod directory;
mod draft;
mod error;
mod event;
mod expected;
mod frames;
mod ids;
mod log;
mod manifest;
mod open;
mod options;
mod pipeline;
mod read;
mod recovery;
mod seal;
mod segments;
mod stepper;
mod store;
mod threads;
mod ticket;
mod verify;
mod writer;

pub use commit::Commit;
pub use error::{Conflict, Damage, Error, ErrorKind, Result};
pub use event::{Event, NewEvent, OwnedEvent, Verify};
pub use expected::ExpectedVersion;
pub use options::{Durability, Mode, Options};
pub use quipu_format::record::{Codec, Tags};
pub use quipu_format::{ByteOffset, FORMAT_VERSION, Position, Timestamp, Version, limits};
pub use read::{All, Events};
pub use recovery::{Opening, Recovered};
#[doc(hidden)]
pub mod stepping {
    //! A store driven one step at a time: for simulators. No part of the stable interface.
    pub use crate::stepper::{Answer, Copy, Part, Step, Stepper, Waiting};
}
pub use open::Builder;
pub use store::{Stats, Store};
pub use ticket::{Appended, Ticket};
pub use uuid::Uuid;
pub use verify::{Finding, Severity, VerifyProgress, VerifyReport, verify, verify_on};
