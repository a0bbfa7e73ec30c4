//! The names of codecs.

use quipu::Codec;

/// Those that have one.
const NAMED: [Codec; 5] =
    [Codec::Bytes, Codec::Json, Codec::Rkyv, Codec::Protobuf, Codec::MessagePack];

/// The name of a codec that has one.
pub(crate) fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::Bytes => "bytes",
        Codec::Json => "json",
        Codec::Rkyv => "rkyv",
        Codec::Protobuf => "protobuf",
        Codec::MessagePack => "messagepack",
        Codec::Other(_) => "other",
    }
}

/// The codec that has this name.
pub(crate) fn named(text: &str) -> Option<Codec> {
    NAMED.into_iter().find(|codec| name(*codec) == text)
}

/// The codec that has this number instead.
pub(crate) fn numbered(number: u64) -> Option<Codec> {
    let codec = Codec::Other(u8::try_from(number).ok()?);
    codec.is_storable().then_some(codec)
}
