//! Reading events: by position, and by what they are about.

mod bytes;
mod events;
mod found;
mod frame;
mod locate;
mod names;
mod picks;
mod search;
mod selected;
mod selection;
mod store;
mod stream;
mod times;
mod versions;
mod walk;

pub use events::Events;
pub use names::Streams;
pub use selection::Selection;

pub(crate) use events::Source;
pub(crate) use found::Found;
pub(crate) use locate::Locator;
pub(crate) use picks::Picks;
pub(crate) use search::Search;
pub(crate) use selected::Selected;
pub(crate) use stream::Stream;
pub(crate) use walk::Walk;
