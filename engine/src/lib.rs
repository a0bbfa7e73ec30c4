//! An embedded event store: a segmented, checksummed, append-only log, group commit, recovery that
//! never guesses, and reads that borrow from the log.

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

pub use commit::Commit;
pub use error::{Conflict, Damage, Error, ErrorKind, Result};
pub use event::{Event, NewEvent, OwnedEvent, Verify};
pub use expected::ExpectedVersion;
pub use options::{Durability, Mode, Options};
pub use quipu_format::record::{Codec, Tags};
pub use quipu_format::{ByteOffset, FORMAT_VERSION, Position, Timestamp, Version};
pub use read::{All, Events};
pub use recovery::{Opening, Recovered};
#[doc(hidden)]
pub mod stepping {
    //! A store driven one step at a time: for simulators. No part of the stable interface.
    pub use crate::stepper::{Answer, Copy, Part, Step, Stepper};
}
pub use store::{Builder, Stats, Store};
pub use ticket::{Appended, Ticket};
pub use uuid::Uuid;

