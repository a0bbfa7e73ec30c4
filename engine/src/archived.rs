//! Payloads as rkyv archives: written once, read in place.

use std::borrow::Cow;

use quipu_format::record::Codec;
use rkyv::api::high::{HighSerializer, HighValidator, to_bytes_in};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::{Archive, Serialize};

use crate::{Error, Event, NewEvent, Result};

impl<'a> NewEvent<'a> {
    /// An event of this type whose payload is `value` as an rkyv archive: little-endian, aligned, with
    /// pointers of 32 bits. Needs the feature `rkyv`.
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
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the payload's codec is another, or it is no archive
    /// of a `T`.
    pub fn archived<T>(&self) -> Result<&'a T::Archived>
    where
        T: Archive,
        T::Archived: for<'c> CheckBytes<HighValidator<'c, rancor::Error>>,
    {
        if self.codec() != Codec::Rkyv {
            return Err(Error::invalid("the payload is no rkyv archive"));
        }
        rkyv::access::<T::Archived, rancor::Error>(self.payload())
            .map_err(|error| Error::invalid(format!("payload as an rkyv archive: {error}")))
    }
}
