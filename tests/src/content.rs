//! Events that are made from a number: whoever reads one can tell which it is and whether every byte
//! of it is as it was written.

use std::sync::OnceLock;

use quipu::{AppendCondition, Codec, Event, NewEvent, Position, Query, QueryItem, Timestamp, Uuid};

use crate::history::{Condition, Item, Seen, Stream, Written};
use crate::random::Random;

/// All streams that tests write to.
pub const STREAMS: [&str; 12] = [
    "order-1",
    "order-2",
    "account-17",
    "a",
    "Ärger-7",
    "inventory-0000000000000000000000000000000000000000000000000000000000000001",
    "session-x",
    "session-y",
    "結び目-3",
    "limit",
    "b",
    "c-",
];

/// Streams that a test may write to: those above, and more that have numbers.
pub const STREAMS_MAX: usize = 2000;

/// The name of a stream.
#[must_use]
pub fn stream_name(stream: Stream) -> &'static str {
    static MORE: OnceLock<Vec<String>> = OnceLock::new();
    let at = usize::from(stream) % STREAMS_MAX;
    STREAMS.get(at).copied().unwrap_or_else(|| {
        let name = |at: usize| format!("{MANY}{at}");
        &MORE.get_or_init(|| (STREAMS.len()..STREAMS_MAX).map(name).collect())[at - STREAMS.len()]
    })
}

/// What the names of streams with numbers begin with.
const MANY: &str = "many-";

/// The stream of a name, if it has one that a test gave.
#[must_use]
pub fn stream_of(name: &str) -> Option<Stream> {
    let numbered = || name.strip_prefix(MANY).and_then(|number| number.parse().ok());
    let known = STREAMS.iter().position(|&known| known == name);
    known.map_or_else(numbered, |at| Stream::try_from(at).ok())
}

/// All types of events.
pub const TYPES: [&str; 4] = ["Noted", "Moved", "OrderPlaced", "MoneyWithdrawn"];
/// All tags; an event carries the first few of them.
pub const TAGS: [&str; 3] = ["customer:7", "region:eu", "k"];
const CODECS: [Codec; 4] = [Codec::Bytes, Codec::Json, Codec::Rkyv, Codec::MessagePack];

/// Set in the number of an event that is sent without an id. The store gives it one; the number stands in its metadata.
pub const UNNAMED: u64 = 1 << 63;

/// What no stream has.
pub const UNKNOWN_STREAM: Stream = Stream::MAX;

/// What an event of a test looks like, all of it determined by its id and the size of its payload.
struct Content {
    kind: &'static str,
    codec: Codec,
    tags: &'static [&'static str],
    metadata: Vec<u8>,
    occurred: Option<Timestamp>,
    payload: Vec<u8>,
}

/// What an event is found by, beside its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels {
    /// Its type, by the place among [`TYPES`].
    pub event_type: usize,
    /// How many of [`TAGS`] it carries.
    pub tags: usize,
}

impl Labels {
    /// The labels of the event with this id.
    #[must_use]
    pub fn of(id: u64) -> Labels {
        Labels::draw(&mut Random::new(id))
    }

    /// All labels that an event can have.
    pub fn all() -> impl Iterator<Item = Labels> {
        let tagged = |event_type| (0..=TAGS.len()).map(move |tags| Labels { event_type, tags });
        (0..TYPES.len()).flat_map(tagged)
    }

    fn draw(random: &mut Random) -> Labels {
        Labels { event_type: random.below(TYPES.len()), tags: random.below(TAGS.len() + 1) }
    }
}

impl Content {
    fn of(id: u64, payload_bytes: usize) -> Content {
        let mut random = Random::new(id);
        let Labels { event_type, tags } = Labels::draw(&mut random);
        let kind = TYPES[event_type];
        let codec = CODECS[random.below(CODECS.len())];
        let tags = &TAGS[..tags];
        let metadata_bytes = if random.percent(25) { random.below(40) } else { 0 };
        let occurred = random.percent(25).then(|| Timestamp(i64::from(random.number() as u32)));
        let drawn = bytes(&mut random, metadata_bytes);
        let metadata = if id & UNNAMED == 0 { drawn } else { id.to_le_bytes().to_vec() };
        Content {
            kind,
            codec,
            tags,
            metadata,
            occurred,
            payload: bytes(&mut random, payload_bytes),
        }
    }
}

fn bytes(random: &mut Random, count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count.next_multiple_of(8));
    while bytes.len() < count {
        bytes.extend_from_slice(&random.number().to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// The event with this id, or of this [`UNNAMED`] number, and what the checker needs to know of it. The id is not 0.
#[must_use]
pub fn event(id: u64, payload_bytes: usize) -> (NewEvent<'static>, Written) {
    let Content { kind, codec, tags, metadata, occurred, payload } = Content::of(id, payload_bytes);
    let digest = Digest::default()
        .text(kind)
        .bytes(&metadata)
        .bytes(&payload)
        .texts(tags.iter().copied())
        .number(occurred.map_or(i64::MIN, |at| at.0))
        .word(number_of(codec))
        .0;
    let mut event = NewEvent::new(kind, payload).codec(codec).metadata(metadata);
    if id & UNNAMED == 0 {
        event = event.id(Uuid::from_u128(u128::from(id)));
    }
    for &tag in tags {
        event = event.tag(tag);
    }
    if let Some(at) = occurred {
        event = event.occurred(at);
    }
    (event, Written { id, digest })
}

/// A query of these items.
#[must_use]
pub fn query(items: &[Item]) -> Query {
    items.iter().fold(Query::new(), |query, item| {
        let types = item.types.iter().map(|&at| TYPES[at]);
        let tags = item.tags.iter().map(|&at| TAGS[at]);
        let own = types.fold(QueryItem::new(), QueryItem::event_type);
        query.item(tags.fold(own, QueryItem::tag))
    })
}

/// A condition as the store takes it.
#[must_use]
pub fn condition(condition: &Condition) -> AppendCondition {
    let after = condition.after.map(Position);
    AppendCondition { fail_if: query(&condition.items), after }
}

/// What the checker needs to know of an event that was read.
#[must_use]
pub fn seen(event: &Event<'_>) -> Seen {
    let digest = Digest::default()
        .text(event.event_type())
        .bytes(event.metadata())
        .bytes(event.payload())
        .texts(event.tags())
        .number(event.occurred().map_or(i64::MIN, |at| at.0))
        .word(number_of(event.codec()))
        .0;
    Seen {
        position: event.position().0,
        stream: stream_of(event.stream()).unwrap_or(UNKNOWN_STREAM),
        version: event.version().0,
        id: number(event).unwrap_or(0),
        digest,
        recorded: event.recorded().0,
    }
}

/// The number that an event was made from.
fn number(event: &Event<'_>) -> Option<u64> {
    let named = event.id().and_then(|id| u64::try_from(id.as_u128()).ok());
    named.or_else(|| {
        let told = u64::from_le_bytes(event.metadata().try_into().ok()?);
        (told & UNNAMED != 0).then_some(told)
    })
}

fn number_of(codec: Codec) -> u64 {
    let known = CODECS.iter().position(|&known| known == codec);
    known.map_or(u64::MAX, |at| at as u64)
}

/// Words that are summed side by side.
const LANES: usize = 4;

/// A sum over fields, each with its length, so that no byte can move from one to the next.
#[derive(Default)]
struct Digest(u64);

impl Digest {
    fn word(self, word: u64) -> Digest {
        Digest((self.0 ^ word).wrapping_mul(0x9FB2_1C65_1E98_DF25).rotate_left(29))
    }

    fn bytes(self, bytes: &[u8]) -> Digest {
        let (words, rest) = bytes.as_chunks::<8>();
        let (blocks, words) = words.as_chunks::<LANES>();
        let digest = self.word(bytes.len() as u64);
        let digest = if blocks.is_empty() { digest } else { digest.blocks(blocks) };
        let digest = words.iter().fold(digest, |sum, word| sum.word(u64::from_le_bytes(*word)));
        rest.iter().fold(digest, |sum, &byte| sum.word(u64::from(byte)))
    }

    /// Each lane is a sum of its own, so that none waits for the multiplication of another.
    fn blocks(self, blocks: &[[[u8; 8]; LANES]]) -> Digest {
        let lanes = blocks.iter().fold([0; LANES], |lanes, block| {
            std::array::from_fn(|at| Digest(lanes[at]).word(u64::from_le_bytes(block[at])).0)
        });
        lanes.into_iter().fold(self, Digest::word)
    }

    fn text(self, text: &str) -> Digest {
        self.bytes(text.as_bytes())
    }

    fn texts<'t>(self, texts: impl Iterator<Item = &'t str>) -> Digest {
        texts.fold(self, Digest::text).word(u64::MAX)
    }

    fn number(self, number: i64) -> Digest {
        self.bytes(&number.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_tells_bytes_and_their_places_apart() {
        let bytes: [u8; 100] = std::array::from_fn(|at| at as u8);
        let digest = |bytes: &[u8]| Digest::default().bytes(bytes).0;
        let changed = (0..100).map(|at| {
            let mut bytes = bytes;
            bytes[at] ^= 1;
            digest(&bytes)
        });
        let moved = [1, 8, 32, 40].map(|by| {
            let mut bytes = bytes;
            bytes.rotate_left(by);
            digest(&bytes)
        });
        let mut digests: Vec<u64> = changed.chain(moved).chain([digest(&bytes)]).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 105);
    }

    #[test]
    fn the_digest_tells_fields_apart() {
        let digest = |fields: [&str; 2]| Digest::default().text(fields[0]).text(fields[1]).0;
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
        assert_ne!(event(1, 8).1.digest, event(1, 9).1.digest);
        assert_eq!(event(1, 8).1, event(1, 8).1);
        assert_ne!(event(UNNAMED | 1, 0).1.digest, event(UNNAMED | 2, 0).1.digest);
    }
}
