//! Events as JSON lines.

use quipu::Event;

use super::json;

/// Appends the line that `import` reads.
pub(crate) fn portable(line: &mut Vec<u8>, event: &Event<'_>) {
    json::text(line, "{", "stream", event.stream());
    json::text(line, ",", "type", event.event_type());
    json::moment(line, "time", super::time(event));
    json::tags(line, event);
    if json::contents(line, event) != event.codec() {
        json::codec(line, event.codec());
    }
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
    json::codec(line, event.codec());
    let _said = json::contents(line, event);
    line.extend_from_slice(b"}\n");
}
