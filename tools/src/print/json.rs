//! The pieces of a JSON line, written into bytes.

use quipu::{Codec, Event, Timestamp};
use serde_json::value::RawValue;

use crate::time;

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

/// The payload, and the metadata if there is any.
pub(super) fn contents(line: &mut Vec<u8>, event: &Event<'_>) {
    key(line, ",", "data");
    match event.codec() {
        Codec::Json => json(line, event.payload()),
        _ => base64(line, event.payload()),
    }
    if !event.metadata().is_empty() {
        key(line, ",", "metadata");
        json(line, event.metadata());
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

/// JSON as it stands, on one line; bytes that are none as base64.
fn json(line: &mut Vec<u8>, bytes: &[u8]) {
    let valid = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    match valid {
        // Between the values line ends are space; within strings they are escaped.
        Some(value) => {
            let ends = |byte: u8| if byte == b'\n' || byte == b'\r' { b' ' } else { byte };
            line.extend(value.get().bytes().map(ends));
        }
        None => base64(line, bytes),
    }
}

/// `{"base64":"…"}`, with padding, after RFC 4648.
fn base64(line: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    line.extend_from_slice(b"{\"base64\":\"");
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS[(bits >> shift) as usize & 63];
            line.push(if at <= chunk.len() { digit } else { b'=' });
        }
    }
    line.extend_from_slice(b"\"}");
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
            (&b"{\"a\" : 1.0e2}"[..], "{\"a\" : 1.0e2}"),
            (b"{\n  \"a\":\r\n1}", "{   \"a\":  1}"),
            (b"null", "null"),
            (b"nul", "{\"base64\":\"bnVs\"}"),
            (b"\xff", "{\"base64\":\"/w==\"}"),
            (b"", "{\"base64\":\"\"}"),
        ] {
            assert_eq!(written(|line| json(line, bytes)), expected);
        }
    }

    #[test]
    fn base64_agrees_with_the_examples_of_rfc_4648() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let line = written(|line| base64(line, bytes.as_bytes()));
            assert_eq!(line, format!("{{\"base64\":\"{expected}\"}}"));
        }
    }
}
