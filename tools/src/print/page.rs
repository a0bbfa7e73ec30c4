//! Events as text, for people.
//!
//! Whatever a store holds, no byte of it reaches a terminal as a control character.

use std::borrow::Cow;

use quipu::{Codec, Event};
use serde_json::value::RawValue;

use super::time;
use crate::codec;
use crate::output::{Look, Output};
use crate::time::show;

/// Columns where nobody says how many there are.
const WIDTH: usize = 80;
/// Fewer columns are not made use of.
const WIDTH_MIN: usize = 40;
/// What stands before the lines below an event's first.
const INDENT: usize = 5;
/// Bytes of a JSON text that are shown at most.
const JSON_BYTES_MAX: usize = 4 << 10;
/// Bytes of anything else that are shown at most.
const BYTES_MAX: usize = 32;

/// How events are laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    shape: Shape,
    width: usize,
    output: Output,
}

/// How much of an event is shown.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// All of it, but for the stream's name.
    History,
    /// Two lines.
    News,
}

impl Page {
    /// For the events of one stream.
    pub(crate) fn history(output: &Output) -> Page {
        Page { shape: Shape::History, width: width(), output: *output }
    }

    /// For the events of many streams.
    pub(crate) fn news(output: &Output) -> Page {
        Page { shape: Shape::News, width: width(), output: *output }
    }

    /// Appends the event's lines.
    pub(super) fn write(&self, page: &mut Vec<u8>, event: &Event<'_>) {
        let lines = match self.shape {
            Shape::History => self.whole(event),
            Shape::News => self.brief(event),
        };
        for line in lines {
            page.extend_from_slice(line.as_bytes());
            page.push(b'\n');
        }
    }

    fn whole(&self, event: &Event<'_>) -> Vec<String> {
        let version = self.output.paint(Look::Bold, format_args!("{:>3}", event.version()));
        let kind = self.output.paint(Look::Bold, printable(event.event_type()));
        let (time, position) = (show(time(event)), event.position());
        let mut lines = vec![format!("{version}  {time}  {kind}  position {position}")];
        let tags: Vec<Cow<'_, str>> = event.tags().map(printable).collect();
        let metadata = match event.metadata() {
            [] => String::new(),
            bytes => format!("metadata {}", contents(Codec::Json, bytes)),
        };
        let payload = contents(event.codec(), event.payload());
        for text in [tags.join(" "), payload, metadata] {
            let wrapped = wrap(&text, self.width - INDENT - 1);
            let indents = [INDENT].into_iter().chain(std::iter::repeat(INDENT + 1));
            let parts = indents.zip(wrapped).map(|(indent, part)| format!("{:indent$}{part}", ""));
            lines.extend(parts);
        }
        lines
    }

    fn brief(&self, event: &Event<'_>) -> Vec<String> {
        let stream = self.output.paint(Look::Bold, printable(event.stream()));
        let (time, kind) = (show(time(event)), printable(event.event_type()));
        let (position, version) = (event.position(), event.version());
        let payload = contents(event.codec(), event.payload());
        let payload = shorten(&payload, self.width - INDENT);
        vec![
            format!("{position}  {time}  {stream} v{version}  {kind}"),
            format!("{:INDENT$}{payload}", ""),
        ]
    }
}

/// Columns of the terminal, as far as the shell tells.
fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    columns.unwrap_or(WIDTH).clamp(WIDTH_MIN, 1_000)
}

/// Text without control characters: those are shown as escapes.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let shown = |letter: char| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    Cow::Owned(text.chars().map(shown).collect())
}

/// A payload or metadata on one line: JSON as it is, the beginning of anything else.
fn contents(codec: Codec, bytes: &[u8]) -> String {
    let json = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| codec == Codec::Json && serde_json::from_str::<&RawValue>(text).is_ok());
    match json {
        Some(text) if text.len() <= JSON_BYTES_MAX => printable(&one_line(text)).into_owned(),
        Some(text) => {
            let start = text.floor_char_boundary(JSON_BYTES_MAX);
            let shown = one_line(&text[..start]);
            format!("{}… ({} bytes; --json shows all)", printable(&shown), text.len())
        }
        None => {
            let shown = &bytes[..bytes.len().min(BYTES_MAX)];
            let more = if shown.len() < bytes.len() { "…" } else { "" };
            let codec = codec::name(codec);
            format!("{codec}, {} bytes: \"{}\"{more}", bytes.len(), shown.escape_ascii())
        }
    }
}

/// JSON without its line ends and what indents the lines.
fn one_line(json: &str) -> String {
    let (mut in_string, mut escaped, mut indenting) = (false, false, false);
    let mut text = String::with_capacity(json.len());
    for letter in json.trim().chars() {
        let at_end = matches!(letter, '\n' | '\r' | '\t');
        indenting = !in_string && (at_end || (indenting && letter == ' '));
        if indenting {
            continue;
        }
        in_string ^= letter == '"' && !escaped;
        escaped = in_string && letter == '\\' && !escaped;
        text.push(letter);
    }
    text
}

/// Lines of at most `width` letters, broken behind spaces and behind commas that stand in no string, where
/// that is possible.
fn wrap(text: &str, width: usize) -> Vec<&str> {
    let (mut lines, mut start, mut columns) = (Vec::new(), 0, 0);
    for (at, piece) in pieces(text) {
        let letters = piece.chars().count();
        if columns > 0 && columns + letters > width {
            lines.push(text[start..at].trim_end());
            (start, columns) = (at, 0);
        }
        columns += letters;
    }
    if start < text.len() {
        lines.push(&text[start..]);
    }
    lines
}

/// The pieces between which a line may end, each with where it begins.
fn pieces(text: &str) -> Vec<(usize, &str)> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    let (mut in_string, mut escaped) = (false, false);
    for (at, letter) in text.char_indices() {
        in_string ^= letter == '"' && !escaped;
        escaped = in_string && letter == '\\' && !escaped;
        if !in_string && matches!(letter, ',' | ' ') {
            let end = at + letter.len_utf8();
            pieces.push((start, &text[start..end]));
            start = end;
        }
    }
    if start < text.len() {
        pieces.push((start, &text[start..]));
    }
    pieces
}

/// At most so many letters.
fn shorten(text: &str, width: usize) -> Cow<'_, str> {
    match text.char_indices().nth(width) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(text.chars().take(width - 1).chain(['…']).collect()),
    }
}

/// At most so many letters: its beginning and its end.
pub(crate) fn shorten_within(text: &str, letters: usize) -> Cow<'_, str> {
    if text.char_indices().nth(letters).is_none() {
        return Cow::Borrowed(text);
    }
    let half = letters / 2;
    let end = text.char_indices().rev().nth(half.saturating_sub(1)).map_or(0, |(at, _)| at);
    let beginning = text.chars().take(letters.saturating_sub(half + 1));
    Cow::Owned(beginning.chain(['…']).chain(text[end..].chars()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        for text in ["\u{1b}[31mred", "bell\u{7}", "line\nend", "\u{9b}31m", "del\u{7f}"] {
            assert!(!printable(text).contains(char::is_control), "{text:?}");
            let json = format!("\"{text}\"");
            for codec in [Codec::Json, Codec::Bytes] {
                let shown = contents(codec, json.as_bytes());
                assert!(!shown.contains(char::is_control), "{shown:?}");
            }
        }
        assert_eq!(printable("Zoë 🧶"), "Zoë 🧶");
    }

    #[test]
    fn json_stands_on_one_line_and_its_strings_stay() {
        for (json, expected) in [
            ("{\n  \"a\": 1,\n  \"b\": [ 2 ]\n}\n", "{\"a\": 1,\"b\": [ 2 ]}"),
            (r#"{"a":"x  \" \\"}"#, r#"{"a":"x  \" \\"}"#),
            ("[1,\t2]", "[1,2]"),
        ] {
            assert_eq!(one_line(json), expected);
        }
    }

    #[test]
    fn lines_break_behind_commas_outside_of_strings() {
        let json = r#"{"a":"x, y","b":2,"c":"long long long"}"#;
        let lines = wrap(json, 14);
        assert_eq!(lines, [r#"{"a":"x, y","#, r#""b":2,"#, r#""c":"long long long"}"#]);
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("", 8), [""; 0]);
    }

    #[test]
    fn long_contents_are_cut_and_say_so() {
        let json = format!("\"{}\"", "é".repeat(JSON_BYTES_MAX));
        let shown = contents(Codec::Json, json.as_bytes());
        assert!(shown.ends_with(&format!("… ({} bytes; --json shows all)", json.len())), "{shown}");
        let shown = contents(Codec::Bytes, &[b'a'; 40]);
        assert_eq!(shown, format!("bytes, 40 bytes: \"{}\"…", "a".repeat(32)));
        assert_eq!(contents(Codec::Json, b"{"), "json, 1 bytes: \"{\"");
        assert_eq!(shorten("twelve letters", 6), "twelv…");
        assert_eq!(shorten("twelve", 6), "twelve");
        assert_eq!(shorten_within("twelve letters", 6), "tw…ers");
        assert_eq!(shorten_within("zwölf", 4), "z…lf");
        assert_eq!(shorten_within("zwölf", 5), "zwölf");
    }
}
