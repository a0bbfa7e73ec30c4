//! The pieces of a JSON line, written into bytes.

use quipu::{Codec, Event, Timestamp};
use serde_json::value::RawValue;

use crate::{base64, codec, time};

/// A field whose value is a string. `before` is what separates it from what stands before.
pub(super) fn text(line: &mut Vec<u8>, before: &str, name: &str, value: &str) {
    key(line, before, name);
    string(line, value);
}

/// A field whose value is a whole number.
pub(super) fn number(line: &mut Vec<u8>, name: &str, value: u64) {
    key(line, ",", name);
    line.extend_from_slice(value.to_string().as_bytes());
}

/// A field whose value is a time.
pub(super) fn moment(line: &mut Vec<u8>, name: &str, value: Timestamp) {
    key(line, ",", name);
    line.push(b'"');
    time::write(line, value);
    line.push(b'"');
}

/// The tags, if there are any.
pub(super) fn tags(line: &mut Vec<u8>, event: &Event<'_>) {
    let mut before = &b",\"tags\":["[..];
    for tag in event.tags() {
        line.extend_from_slice(before);
        string(line, tag);
        before = b",";
    }
    if before == b"," {
        line.push(b']');
    }
}

/// The payload, and the metadata if there is any. Gives the codec that the payload is taken to be in where nothing is
/// said.
pub(super) fn contents(line: &mut Vec<u8>, event: &Event<'_>) -> Codec {
    let payload = event.payload();
    let text = json(payload).filter(|_| event.codec() == Codec::Json);
    value(line, "data", text, payload);
    if !event.metadata().is_empty() {
        value(line, "metadata", json(event.metadata()), event.metadata());
    }
    if text.is_some() { Codec::Json } else { Codec::Bytes }
}

/// What a payload is in: a name, or a number.
pub(super) fn codec(line: &mut Vec<u8>, codec: Codec) {
    match codec {
        Codec::Other(number) => self::number(line, "codec", number.into()),
        named => text(line, ",", "codec", codec::name(named)),
    }
}

/// JSON under this name; bytes that are none as base64 under another.
fn value(line: &mut Vec<u8>, name: &str, json: Option<&RawValue>, bytes: &[u8]) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    match json {
        Some(value) => {
            line.extend_from_slice(b"\":");
            on_one_line(line, value);
        }
        None => {
            line.extend_from_slice(b"_base64\":\"");
            base64::write(line, bytes);
            line.push(b'"');
        }
    }
}

fn key(line: &mut Vec<u8>, before: &str, name: &str) {
    line.extend_from_slice(before.as_bytes());
    line.push(b'"');
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
}

/// A string, escaped where it has to be.
fn string(line: &mut Vec<u8>, text: &str) {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    line.push(b'"');
    if plain {
        line.extend_from_slice(text.as_bytes());
    } else {
        escaped(line, text);
    }
    line.push(b'"');
}

fn escaped(line: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
            0..0x20 => line.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => line.push(byte),
        }
    }
}

/// Bytes as JSON, if they are.
fn json(bytes: &[u8]) -> Option<&RawValue> {
    let text = std::str::from_utf8(bytes).ok()?;
    serde_json::from_str(text).ok()
}

/// JSON as it stands: between the values line ends are space, within strings they are escaped.
fn on_one_line(line: &mut Vec<u8>, json: &RawValue) {
    let ends = |byte: u8| if byte == b'\n' || byte == b'\r' { b' ' } else { byte };
    line.extend(json.get().bytes().map(ends));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut line = Vec::new();
        write(&mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn strings_are_escaped_as_a_reader_expects() {
        for text in
            ["", "plain", "quo\"te", "back\\slash", "tab\tnewline\n\u{1}", "Zoë 🧶", "\u{7f}"]
        {
            let line = written(|line| string(line, text));
            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }

    #[test]
    fn json_stays_as_it_is_but_for_line_ends() {
        for (bytes, expected) in [
            (&b"{\"a\" : 1.0e2}"[..], ",\"d\":{\"a\" : 1.0e2}"),
            (b"{\n  \"a\":\r\n1}", ",\"d\":{   \"a\":  1}"),
            (b"null", ",\"d\":null"),
            (b"nul", ",\"d_base64\":\"bnVs\""),
            (b"\xff", ",\"d_base64\":\"/w==\""),
            (b"", ",\"d_base64\":\"\""),
        ] {
            assert_eq!(written(|line| value(line, "d", json(bytes), bytes)), expected);
        }
    }
}
