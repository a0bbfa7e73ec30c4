//! One line as an event, read in place.

use std::borrow::Cow;
use std::fmt;

use quipu::limits::{
    METADATA_BYTES_MAX, PAYLOAD_BYTES_MAX, STREAM_BYTES_MAX, TAG_BYTES_MAX, TAGS_MAX,
    TYPE_BYTES_MAX,
};
use quipu::{Codec, NewEvent, Timestamp};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::contents::{self, Encoding};
use crate::time::{self, Finer};

/// The fields of a line. Text without escapes, and all JSON, is borrowed from it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields<'a> {
    #[serde(borrow)]
    stream: Text<'a>,
    #[serde(borrow, rename = "type")]
    event_type: Text<'a>,
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow, default)]
    tags: Tags<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_base64: Option<Text<'a>>,
    codec: Option<Encoding>,
    #[serde(borrow, default, deserialize_with = "present")]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata_base64: Option<Text<'a>>,
}

/// A string that borrows where it can. In a newtype, because the items of a `Vec<Cow<str>>` never do.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// At most as many tags as a store takes: a list that goes on is refused there, and not read to its end first.
#[derive(Debug, Default)]
struct Tags<'a>(Vec<Text<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Tags<'a> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Tags<'a>, D::Error> {
        source.deserialize_seq(ListOfTags).map(Tags)
    }
}

struct ListOfTags;

impl<'de> Visitor<'de> for ListOfTags {
    type Value = Vec<Text<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tags")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut tags = Vec::new();
        while let Some(tag) = list.next_element()? {
            if tags.len() == TAGS_MAX {
                return Err(A::Error::custom(format_args!("more than {TAGS_MAX} tags")));
            }
            tags.push(tag);
        }
        Ok(tags)
    }
}

/// A value that is there, also where it is `null`.
fn present<'de, D: Deserializer<'de>>(source: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(source).map(Some)
}

/// A line that can be stored.
#[derive(Debug)]
pub(super) struct Parsed<'a> {
    fields: Fields<'a>,
    payload: Cow<'a, [u8]>,
    codec: Codec,
    metadata: Option<Cow<'a, [u8]>>,
    occurred: Option<Timestamp>,
}

impl Parsed<'_> {
    /// Name of the stream.
    pub(super) fn stream(&self) -> &str {
        &self.fields.stream.0
    }

    /// The event to be appended to it.
    pub(super) fn event(&self) -> NewEvent<'_> {
        let Fields { event_type, tags, .. } = &self.fields;
        let mut event = NewEvent::new(&*event_type.0, &*self.payload).codec(self.codec);
        event = event.tags(tags.0.iter().map(|tag| &*tag.0));
        if let Some(metadata) = &self.metadata {
            event = event.metadata(&**metadata);
        }
        if let Some(time) = self.occurred {
            event = event.occurred(time);
        }
        event
    }
}

/// Reads a line and checks that the store will take it.
pub(super) fn parse(line: &[u8], finer: Finer) -> Result<Parsed<'_>, String> {
    let fields = read(line)?;
    check_names(&fields)?;
    let data = (fields.data, fields.data_base64.as_ref().map(|text| &*text.0));
    let payload = contents::bytes("data", data, PAYLOAD_BYTES_MAX)?;
    let payload = payload.ok_or("missing field `data`")?;
    let metadata = (fields.metadata, fields.metadata_base64.as_ref().map(|text| &*text.0));
    let metadata = contents::bytes("metadata", metadata, METADATA_BYTES_MAX)?;
    let assumed = if fields.data.is_some() { Codec::Json } else { Codec::Bytes };
    let codec = fields.codec.map_or(assumed, |Encoding(codec)| codec);
    let occurred = match &fields.time {
        Some(text) => Some(occurred(&text.0, finer)?),
        None => None,
    };
    Ok(Parsed { fields, payload, codec, metadata, occurred })
}

fn occurred(text: &str, finer: Finer) -> Result<Timestamp, String> {
    time::parse(text, finer).map_err(|why| match time::parse(text, Finer::Cut) {
        Ok(_) => format!("{why}: --cut-times cuts that off"),
        Err(_) => why,
    })
}

/// Reads the fields of a line.
pub(super) fn read(line: &[u8]) -> Result<Fields<'_>, String> {
    let text = std::str::from_utf8(line)
        .map_err(|error| format!("not in UTF-8 from its byte {} on", error.valid_up_to() + 1))?;
    // An array of the fields' values, without their names, would pass for a struct.
    if text.trim_ascii_start().starts_with('[') {
        return Err("an array, not an object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| explain(text, &error))
}

fn explain(text: &str, error: &serde_json::Error) -> String {
    if text.trim().is_empty() {
        return "blank".to_owned();
    }
    // The line within the line is always the first.
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match message.strip_suffix(&place) {
        Some(what) => format!("{what}, at its byte {}", error.column()),
        None => message,
    }
}

/// The store's own bounds of names, checked here so that the line can be named.
fn check_names(fields: &Fields<'_>) -> Result<(), String> {
    within("the name of the stream", &fields.stream.0, STREAM_BYTES_MAX)?;
    within("the type", &fields.event_type.0, TYPE_BYTES_MAX)?;
    for tag in &fields.tags.0 {
        within("a tag", &tag.0, TAG_BYTES_MAX)?;
    }
    if fields.stream.0.starts_with('$') {
        return Err("names of streams that begin with $ are reserved".to_owned());
    }
    Ok(())
}

fn within(what: &str, name: &str, bytes_max: usize) -> Result<(), String> {
    if (1..=bytes_max).contains(&name.len()) {
        return Ok(());
    }
    Err(format!("{what} has {} bytes, not 1 to {bytes_max}", name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_escapes_and_all_json_is_borrowed() {
        let line = br#"{"stream":"a-1","type":"T","tags":["x:1","y\"2"],"data": {"k" : 1.0} }"#;
        let fields = read(line).unwrap();
        assert!(matches!(fields.stream.0, Cow::Borrowed("a-1")));
        assert!(matches!(fields.tags.0[0].0, Cow::Borrowed("x:1")));
        assert_eq!(fields.tags.0[1].0, "y\"2");
        assert_eq!(fields.data.map(RawValue::get), Some(r#"{"k" : 1.0}"#));
    }

    #[test]
    fn only_stream_type_and_data_have_to_be_there() {
        assert!(parse(br#"{"stream":"a","type":"T","data":null}"#, Finer::Refused).is_ok());
        for line in [
            &br#"{"type":"T","data":1}"#[..],
            br#"{"stream":"a","data":1}"#,
            br#"{"stream":"a","type":"T"}"#,
        ] {
            assert!(parse(line, Finer::Refused).unwrap_err().starts_with("missing field"));
        }
    }

    /// The place that the reason names is where parsing has stopped: right behind the first tag that is too many, with
    /// one that is not even text behind it. So memory is bounded, whatever follows.
    #[test]
    fn a_list_of_tags_is_read_no_further_than_to_the_first_that_is_too_many() {
        let head = r#"{"stream":"a","type":"T","data":1,"tags":["#;
        let list = |count: usize, rest: &str| format!("{head}{}{rest}", r#""t","#.repeat(count));
        let taken = list(31, r#""t"]}"#);
        assert_eq!(read(taken.as_bytes()).unwrap().tags.0.len(), TAGS_MAX);
        for rest in [r#""t"]}"#, "7]}", &r#""t","#.repeat(1 << 20)] {
            let why = read(list(33, rest).as_bytes()).unwrap_err();
            let place = head.len() + 33 * r#""t","#.len();
            assert_eq!(why, format!("more than 32 tags, at its byte {place}"));
        }
    }

    #[test]
    fn metadata_that_is_null_is_there() {
        let line = br#"{"stream":"a","type":"T","data":1,"metadata":null}"#;
        assert_eq!(
            parse(line, Finer::Refused).unwrap().fields.metadata.map(RawValue::get),
            Some("null")
        );
    }

    #[test]
    fn what_cannot_be_stored_is_refused_with_a_reason() {
        let long = format!(r#"{{"stream":"{}","type":"T","data":1}}"#, "a".repeat(513));
        let tags =
            format!(r#"{{"stream":"a","type":"T","data":1,"tags":["t"{}]}}"#, r#","t""#.repeat(32));
        for (line, reason) in [
            (&b""[..], "blank"),
            (b" \t\r", "blank"),
            (b"{\"stream\":\"\xff\"}", "not in UTF-8 from its byte 12 on"),
            (br#"{"stream":"a","type":"T","data":1,"x":1}"#, "unknown field `x`"),
            (br#"{"stream":"a","type":"T","data":1} {}"#, "trailing characters"),
            (br#"{"stream":"a","type":"T","data":1,"data":2}"#, "duplicate field"),
            (br#"{"stream":"","type":"T","data":1}"#, "the name of the stream has 0 bytes"),
            (br#"{"stream":"$a","type":"T","data":1}"#, "reserved"),
            (br#"{"stream":"a","type":"T","data":1,"tags":[""]}"#, "a tag has 0 bytes"),
            (br#"{"stream":"a","type":"T","data":1,"time":"noon"}"#, "no RFC 3339 time"),
            (
                br#"{"stream":"a","type":"T","data":1,"time":"2013-01-01T05:17:00.1234567Z"}"#,
                "is finer than a microsecond: --cut-times cuts that off",
            ),
            (br#"{"stream":"a","type":"T","data_base64":"Zg"}"#, "`data_base64` is no base64"),
            (br#"{"stream":"a","type":"T","data":1,"data_base64":"Zg=="}"#, "both `data` and"),
            (br#"{"stream":"a","type":"T","data":1,"codec":"xml"}"#, "expected bytes, json"),
            (br#"{"stream":"a","type":"T","data":1,"codec":4}"#, "expected bytes, json"),
            (br#"{"stream":"a","type":"T","data":1,"codec":16}"#, "expected bytes, json"),
            (br#" ["a","T",null,[],1,1]"#, "not an object"),
            (br#""a""#, "invalid type"),
            (long.as_bytes(), "513 bytes"),
            (tags.as_bytes(), "more than 32 tags"),
            (br#"{"stream":"a","type":"T","data":1,"tags":"t"}"#, "expected a list of tags"),
        ] {
            let why = parse(line, Finer::Refused).err().unwrap_or_else(|| "taken".to_owned());
            assert!(why.contains(reason), "{}: {why}", String::from_utf8_lossy(line));
        }
    }
}
