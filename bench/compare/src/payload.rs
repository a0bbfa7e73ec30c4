//! Payloads: JSON as an order would have, from a seed, 256 bytes each.
//!
//! A pool is made once, so that no time of a measurement goes into making JSON. A payload is one of the pool with its
//! stream and version written into it: whoever knows these two can tell what the payload must be. LZ4 makes 64 KiB of
//! them 2.7 times smaller, zstd at level 1 4.5 times, deflate one alone 1.4 times.

use crate::random::{Random, mix};

/// Bytes of a payload.
pub(crate) const PAYLOAD_BYTES: usize = 256;
/// A payload.
pub(crate) type Payload = [u8; PAYLOAD_BYTES];

const POOL: u64 = 4_096;
/// Where the hexadecimal digits of stream and version stand.
const ORDER_AT: usize = 10;
const LINE_AT: usize = 28;
const DIGITS: usize = 8;

const NAMES: [&str; 12] = [
    "Maria Jensen",
    "Bo Li",
    "Aisha Khan",
    "Tomas Novak",
    "Ines Silva",
    "Olu Adeyemi",
    "Kenji Sato",
    "Eva Lindqvist",
    "Noah Weber",
    "Lucia Rossi",
    "Pavel Orlov",
    "Ruth Cohen",
];
const CITIES: [&str; 8] =
    ["Aarhus", "Porto", "Lagos", "Osaka", "Graz", "Lyon", "Tampere", "Valparaiso"];
const WORDS: [&str; 16] = [
    "leave",
    "at",
    "the",
    "door",
    "gift",
    "wrap",
    "please",
    "call",
    "before",
    "delivery",
    "fragile",
    "second",
    "floor",
    "ring",
    "twice",
    "neighbour",
];

/// The pool that payloads are made from.
pub(crate) struct Payloads {
    seed: u64,
    pool: Vec<Payload>,
}

impl Payloads {
    pub(crate) fn new(seed: u64) -> Payloads {
        Payloads { seed, pool: (0..POOL).map(|number| template(seed, number)).collect() }
    }

    /// The payload of this version of this stream.
    pub(crate) fn payload(&self, stream: u64, version: u64) -> Payload {
        let which = mix(self.seed ^ mix(stream) ^ version) % POOL;
        let mut payload = self.pool[which as usize];
        write_digits(&mut payload[ORDER_AT..ORDER_AT + DIGITS], stream);
        write_digits(&mut payload[LINE_AT..LINE_AT + DIGITS], version);
        payload
    }
}

fn write_digits(place: &mut [u8], number: u64) {
    for (index, digit) in place.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * index)) as usize & 15];
    }
}

fn template(seed: u64, number: u64) -> Payload {
    let mut random = Random::numbered(seed, number);
    let mut pick = |list: &[&'static str]| list[random.below(list.len() as u64) as usize];
    let (name, city) = (pick(&NAMES), pick(&CITIES));
    let mut note: Vec<&str> = (0..40).map(|_| pick(&WORDS)).collect();
    let mut digits = |bound| random.below(bound);
    let start = format!(
        r#"{{"order":"00000000","line":"00000000","customer":"{name}","city":"{city}","sku":"{:08X}","quantity":{},"price":{}.{:02},"placed":"2026-{:02}-{:02}T{:02}:{:02}:{:02}Z","note":""#,
        digits(1 << 32),
        1 + digits(9),
        digits(900),
        digits(100),
        1 + digits(12),
        1 + digits(28),
        digits(24),
        digits(60),
        digits(60),
    );
    let end = r#""}"#;
    let room = PAYLOAD_BYTES - start.len() - end.len();
    while note.join(" ").len() > room {
        note.pop();
    }
    let text = format!("{start}{:room$}{end}", note.join(" "));
    let mut payload = [b' '; PAYLOAD_BYTES];
    payload.copy_from_slice(text.as_bytes());
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_json_that_says_which_it_is() {
        let payloads = Payloads::new(1);
        for (stream, version) in [(0, 0), (7, 3), (0x00ab_cdef, 0x1234)] {
            let payload = payloads.payload(stream, version);
            let json: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!(json["order"], format!("{stream:08x}"));
            assert_eq!(json["line"], format!("{version:08x}"));
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_payloads_and_another_seed_others() {
        let payload = |seed| Payloads::new(seed).payload(5, 6);
        assert_eq!(payload(1), payload(1));
        assert_ne!(payload(1), payload(2));
    }
}
