//! Made-up orders: the same in every run.

use std::sync::OnceLock;

use quipu::{Codec, NewEvent};

/// Bytes of a payload.
pub const PAYLOAD_BYTES: usize = 256;
/// Number of payloads that are appended again and again.
const PAYLOADS: usize = 4_096;

/// Numbers that look random: splitmix64, of which any seed is a good one.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers that belong to a seed.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }
}

const WORDS: [&str; 8] = ["amber", "basket", "copper", "drum", "ember", "flint", "garnet", "hazel"];

/// An order as JSON, of exactly so many bytes: as many as its fields take at least, about 120.
#[must_use]
pub fn payload(random: &mut Random, bytes: usize) -> Vec<u8> {
    let mut text = format!(
        "{{\"order\":\"{:016x}\",\"customer\":{},\"sku\":\"{}-{}\",\"quantity\":{},\"cents\":{},\"note\":\"",
        random.draw(),
        random.below(1_000_000),
        WORDS[random.below(8) as usize],
        random.below(10_000),
        1 + random.below(9),
        random.below(100_000)
    );
    let end = "\"}";
    while text.len() + end.len() < bytes {
        text.push_str(WORDS[random.below(8) as usize]);
        text.push(' ');
    }
    text.truncate(bytes - end.len());
    text.push_str(end);
    text.into_bytes()
}

/// The payloads of all benchmarks, of 256 bytes each.
pub fn payloads() -> &'static [Vec<u8>] {
    static MADE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut random = Random::new(1);
        (0..PAYLOADS).map(|_| payload(&mut random, PAYLOAD_BYTES)).collect()
    })
}

/// So many orders, with any of the payloads first.
pub fn events(random: &mut Random, number: usize) -> impl Iterator<Item = NewEvent<'static>> {
    let first = random.below(PAYLOADS as u64) as usize;
    let payloads = payloads().iter().cycle().skip(first).take(number);
    payloads.map(|payload| NewEvent::new("OrderPlaced", payload.as_slice()).codec(Codec::Json))
}

/// The name of a stream.
#[must_use]
pub fn stream(number: u64) -> String {
    format!("order-{number:08}")
}
