//! What is exported is imported again as the same event.

use proptest::collection::vec;
use proptest::prelude::*;
use quipu::limits::{
    METADATA_BYTES_MAX, STREAM_BYTES_MAX, TAG_BYTES_MAX, TAGS_MAX, TYPE_BYTES_MAX,
};
use quipu::{Codec, ExpectedVersion, NewEvent, Store, Timestamp};
use serde_json::value::RawValue;

use super::event;
use crate::print;
use crate::time::Finer;

/// An event that a store takes.
#[derive(Clone, Debug)]
struct Made {
    stream: String,
    kind: String,
    tags: Vec<String>,
    codec: Codec,
    payload: Vec<u8>,
    metadata: Vec<u8>,
    occurred: Option<i64>,
}

/// As many letters of a text as fit into so many bytes.
fn cut(text: &str, bytes_max: usize) -> String {
    let end = text.floor_char_boundary(bytes_max);
    text[..end].to_owned()
}

fn name(bytes_max: usize) -> impl Strategy<Value = String> {
    let long = Just("\u{1f9f6}".repeat(bytes_max)).prop_map(move |text| cut(&text, bytes_max));
    prop_oneof![
        9 => "[^$]\\PC{0,12}".prop_map(move |text| cut(&text, bytes_max)),
        1 => any::<char>().prop_filter("reserved", |letter| *letter != '$').prop_map(String::from),
        1 => long,
    ]
}

/// JSON of all layouts, what looks like it, what an older export made of bytes, and any bytes.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    let json = prop_oneof![
        Just("{\n \"a\" : [1.50, null]\r\n}\n"),
        Just("{\"base64\":\"Zm9v\"}"),
        Just("null"),
        Just("\"\\ud800 \\n\""),
        Just("{\"a\":1"),
        Just(""),
    ];
    let sizes = vec![METADATA_BYTES_MAX - 1, METADATA_BYTES_MAX];
    prop_oneof![
        8 => json.prop_map(|text| text.as_bytes().to_vec()),
        8 => vec(any::<u8>(), 0..40),
        1 => (proptest::sample::select(sizes), any::<u8>()).prop_map(|(n, byte)| vec![byte; n]),
    ]
}

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(Codec::Json),
        Just(Codec::Bytes),
        Just(Codec::Rkyv),
        Just(Codec::Protobuf),
        Just(Codec::MessagePack),
        (5u8..=15).prop_map(Codec::Other),
    ]
}

fn made() -> impl Strategy<Value = Made> {
    let ends = vec![i64::MIN, i64::MAX, 253_402_300_800_000_000, -62_167_219_200_000_001];
    let time = prop_oneof![any::<i64>(), proptest::sample::select(ends)];
    let names = (name(STREAM_BYTES_MAX), name(TYPE_BYTES_MAX));
    let tags = vec(name(TAG_BYTES_MAX), 0..=TAGS_MAX);
    let bytes = (contents(), contents());
    (names, tags, codec(), bytes, proptest::option::of(time)).prop_map(
        |((stream, kind), tags, codec, (payload, metadata), occurred)| Made {
            stream,
            kind,
            tags,
            codec,
            payload,
            metadata,
            occurred,
        },
    )
}

/// JSON loses what stands around it, and between its values line ends become spaces.
fn on_one_line(bytes: &[u8]) -> Vec<u8> {
    match serde_json::from_slice::<&RawValue>(bytes) {
        Ok(json) => json.get().replace(['\r', '\n'], " ").into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

impl Made {
    fn event(&self) -> NewEvent<'_> {
        let event = NewEvent::new(&*self.kind, &*self.payload).codec(self.codec);
        let event = event.metadata(&*self.metadata).tags(&self.tags);
        match self.occurred {
            Some(time) => event.occurred(Timestamp(time)),
            None => event,
        }
    }

    /// What comes of it.
    fn on_one_line(&self) -> Made {
        let is_json = self.codec == Codec::Json;
        let payload = if is_json { on_one_line(&self.payload) } else { self.payload.clone() };
        Made { payload, metadata: on_one_line(&self.metadata), ..self.clone() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_a_store_takes_is_exported_as_a_line_that_is_imported_as_the_same_event(
        made in vec(made(), 1..8)
    ) {
        let store = Store::builder("s").in_memory().open().unwrap();
        for one in &made {
            store.append(&one.stream, ExpectedVersion::Any, [one.event()]).unwrap();
        }
        let mut events = store.all().events().unwrap();
        for one in &made {
            let event = events.next().unwrap().unwrap();
            let mut line = Vec::new();
            print::portable(&mut line, &event);
            let line = line.strip_suffix(b"\n").unwrap();
            prop_assert!(!line.contains(&b'\n'));
            let parsed = event::parse(line, Finer::Refused);
            let parsed = parsed.map_err(|why| TestCaseError::fail(format!("{one:?}: {why}")))?;
            let mut expected = one.on_one_line();
            expected.occurred.get_or_insert(event.recorded().0);
            prop_assert_eq!(parsed.stream(), &expected.stream);
            prop_assert_eq!(parsed.event(), expected.event());
        }
    }
}
