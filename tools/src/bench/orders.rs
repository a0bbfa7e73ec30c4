//! Made-up payloads: the same in every run.

/// Numbers that look random: splitmix64, of which any seed is a good one.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not zero.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

const WORDS: [&str; 16] = [
    "amber", "basket", "copper", "drum", "ember", "flint", "garnet", "hazel", "indigo", "juniper",
    "kettle", "linen", "maple", "needle", "olive", "parcel",
];

/// An order as JSON, of exactly so many bytes; two at least.
pub(super) fn payload(random: &mut Random, bytes: usize) -> Vec<u8> {
    let order = order(random);
    let note = ",\"note\":\"";
    let mut text = match bytes.checked_sub(order.len() + note.len() + "\"}".len()) {
        Some(_) => order + note,
        None => "\"".to_owned(),
    };
    let end = if text.starts_with('{') { "\"}" } else { "\"" };
    while text.len() + end.len() < bytes {
        text.push_str(WORDS[random.below(16) as usize]);
        text.push(' ');
    }
    text.truncate(bytes - end.len());
    text.push_str(end);
    text.into_bytes()
}

/// An order that is not ended yet.
fn order(random: &mut Random) -> String {
    let mut text = format!(
        "{{\"order\":\"{:016x}\",\"customer\":{},\"items\":[",
        random.next(),
        random.below(1_000_000)
    );
    for item in 0..=random.below(2) {
        let comma = if item > 0 { "," } else { "" };
        let word = WORDS[random.below(16) as usize];
        text.push_str(&format!(
            "{comma}{{\"sku\":\"{word}-{}\",\"quantity\":{},\"cents\":{}}}",
            random.below(10_000),
            1 + random.below(9),
            random.below(100_000)
        ));
    }
    text + "]"
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn payloads_are_json_of_the_size_that_was_asked_for() {
        let mut random = Random::new(1);
        for bytes in (2..600).chain([4_096, 1 << 20]) {
            let payload = payload(&mut random, bytes);
            assert_eq!(payload.len(), bytes);
            let value: Value = serde_json::from_slice(&payload).unwrap();
            assert!(value.is_object() || bytes < 256, "{value}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_payloads() {
        let first = payload(&mut Random::new(7), 256);
        assert_eq!(first, payload(&mut Random::new(7), 256));
        assert_ne!(first, payload(&mut Random::new(8), 256));
    }
}
