//! Events as JSON lines.

use quipu::{Codec, Event};

use super::json;

/// Appends the line that `import` reads.
pub(crate) fn portable(line: &mut Vec<u8>, event: &Event<'_>) {
    json::text(line, "{", "stream", event.stream());
    json::text(line, ",", "type", event.event_type());
    json::moment(line, "time", super::time(event));
    json::tags(line, event);
    json::contents(line, event);
    line.extend_from_slice(b"}\n");
}

/// Appends a line with all that there is to know of the event. What it does not have is left out.
pub(super) fn complete(line: &mut Vec<u8>, event: &Event<'_>) {
    json::text(line, "{", "stream", event.stream());
    json::number(line, "version", event.version().0);
    json::number(line, "position", event.position().0);
    json::text(line, ",", "type", event.event_type());
    if let Some(id) = event.id() {
        json::text(line, ",", "id", &id.to_string());
    }
    json::moment(line, "recorded", event.recorded());
    if let Some(occurred) = event.occurred() {
        json::moment(line, "occurred", occurred);
    }
    json::tags(line, event);
    match event.codec() {
        Codec::Other(number) => json::number(line, "codec", number.into()),
        named => json::text(line, ",", "codec", codec(named)),
    }
    json::contents(line, event);
    line.extend_from_slice(b"}\n");
}

/// The name of a codec that has one.
pub(super) fn codec(codec: Codec) -> &'static str {
    match codec {
        Codec::Bytes => "bytes",
        Codec::Json => "json",
        Codec::Rkyv => "rkyv",
        Codec::Protobuf => "protobuf",
        Codec::MessagePack => "messagepack",
        Codec::Other(_) => "other",
    }
}
