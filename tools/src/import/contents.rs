//! What a line says of payload and metadata: JSON, or bytes as base64.

use std::borrow::Cow;
use std::fmt;

use quipu::Codec;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{base64, codec};

/// What a payload is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoding(pub(super) Codec);

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Encoding, D::Error> {
        source.deserialize_any(NameOrNumber)
    }
}

struct NameOrNumber;

impl Visitor<'_> for NameOrNumber {
    type Value = Encoding;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes, json, rkyv, protobuf, messagepack, or a number from 5 to 15")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Encoding, E> {
        let known = codec::named(name).map(Encoding);
        known.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(name), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Encoding, E> {
        let known = codec::numbered(number).map(Encoding);
        known.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
    }
}

/// The bytes of a field, which is JSON, kept as it stands, or bytes as base64 under another name. Its bounds are those of
/// the bytes, however many letters stand for them.
pub(super) fn bytes<'a>(
    name: &str,
    (json, base64): (Option<&'a RawValue>, Option<&str>),
    bytes_max: usize,
) -> Result<Option<Cow<'a, [u8]>>, String> {
    let size = json.map(|json| json.get().len()).or(base64.map(base64::bytes));
    if size.is_some_and(|bytes| bytes > bytes_max) {
        return Err(format!("{name} of more than {bytes_max} bytes"));
    }
    match (json, base64) {
        (Some(_), Some(_)) => Err(format!("both `{name}` and `{name}_base64`")),
        (Some(json), None) => Ok(Some(Cow::Borrowed(json.get().as_bytes()))),
        (None, Some(text)) => match base64::read(text) {
            Some(bytes) => Ok(Some(Cow::Owned(bytes))),
            None => Err(format!("`{name}_base64` is no base64 with its padding")),
        },
        (None, None) => Ok(None),
    }
}
