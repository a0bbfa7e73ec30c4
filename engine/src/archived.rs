//! Payloads as rkyv archives: written once, read in place.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use quipu_format::record::Codec;
use rkyv::api::access_with_context;
use rkyv::api::high::{HighSerializer, HighValidator, to_bytes_in};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::validation::Validator;
use rkyv::validation::archive::ArchiveValidator;
use rkyv::validation::shared::SharedValidator;
use rkyv::{Archive, Serialize};

use crate::{Error, Event, NewEvent, Result};

/// So many values may lead to one another in a row, the outermost included. Checking an archive takes stack for each
/// of them, and the bytes of a payload may claim millions.
const DEPTH_MAX: usize = 256;

impl<'a> NewEvent<'a> {
    /// An event of this type whose payload is `value` as an rkyv archive: little-endian, aligned, with
    /// pointers of 32 bits. Needs the feature `rkyv`.
    ///
    /// What holds itself more than 256 deep, like a long list of boxes, is archived, but not read by
    /// [`Event::archived`].
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `value` cannot be archived.
    pub fn archived<T>(event_type: impl Into<Cow<'a, str>>, value: &T) -> Result<NewEvent<'a>>
    where
        T: for<'s> Serialize<HighSerializer<Vec<u8>, ArenaHandle<'s>, rancor::Error>>,
    {
        let payload = to_bytes_in(value, Vec::new())
            .map_err(|error| Error::invalid(format!("payload as an rkyv archive: {error}")))?;
        Ok(NewEvent::new(event_type, payload).codec(Codec::Rkyv))
    }
}

impl<'a> Event<'a> {
    /// The payload as an rkyv archive, checked and read in place: nothing is copied. Needs the feature
    /// `rkyv`.
    ///
    /// ```
    /// use quipu::rkyv::{self, Archive, Deserialize, Serialize};
    /// use quipu::{ExpectedVersion, NewEvent, Store};
    ///
    /// #[derive(Archive, Serialize, Deserialize)]
    /// #[rkyv(crate = rkyv)]
    /// struct Placed {
    ///     item: String,
    ///     amount: u32,
    /// }
    ///
    /// let store = Store::builder("orders.quipu").in_memory().open()?;
    /// let placed = Placed { item: "cord".to_owned(), amount: 3 };
    /// store.append("order-42", ExpectedVersion::NoStream, [NewEvent::archived("Placed", &placed)?])?;
    ///
    /// let mut events = store.stream("order-42").events()?;
    /// while let Some(event) = events.next()? {
    ///     let placed = event.archived::<Placed>()?;
    ///     assert_eq!((placed.item.as_str(), placed.amount.to_native()), ("cord", 3));
    /// }
    /// # Ok::<(), quipu::Error>(())
    /// ```
    ///
    /// Values behind pointers (boxes, vectors, maps) may stand 256 deep in one another, the outermost included, so
    /// that a forged payload of a type that holds itself cannot use up the stack. Whoever needs more checks
    /// [`Event::payload`] with a bound of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the payload's codec is another, or it is no archive
    /// of a `T`, or a deeper one.
    pub fn archived<T>(&self) -> Result<&'a T::Archived>
    where
        T: Archive,
        T::Archived: for<'c> CheckBytes<HighValidator<'c, rancor::Error>>,
    {
        if self.codec() != Codec::Rkyv {
            return Err(Error::invalid("the payload is no rkyv archive"));
        }
        // The validator refuses what reaches its number.
        let refused = NonZeroUsize::new(DEPTH_MAX + 1);
        let bounded = ArchiveValidator::with_max_depth(self.payload(), refused);
        let mut validator = Validator::new(bounded, SharedValidator::new());
        access_with_context::<T::Archived, _, rancor::Error>(self.payload(), &mut validator)
            .map_err(|error| Error::invalid(format!("payload as an rkyv archive: {error}")))
    }
}
