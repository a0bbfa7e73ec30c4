//! Names as fixed-size keys.

use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_secret};

/// What a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stream.
    Stream,
    /// The category of streams: what stands before the first `-` of their names.
    Category,
    /// The type of events.
    EventType,
    /// A tag of events.
    Tag,
    /// The id of an event.
    EventId,
    /// Events that were found damaged, whose names nobody can read.
    Lost,
}

impl Kind {
    /// All of them, in the order of their codes.
    const ALL: [Kind; 6] =
        [Kind::Stream, Kind::Category, Kind::EventType, Kind::Tag, Kind::EventId, Kind::Lost];

    const fn code(self) -> u8 {
        match self {
            Kind::Stream => 1,
            Kind::Category => 2,
            Kind::EventType => 3,
            Kind::Tag => 4,
            Kind::EventId => 5,
            Kind::Lost => 6,
        }
    }
}

/// The 128-bit hash of a kind and a name, made with the store's secret.
///
/// Two names are taken to be the same when their keys are. By the birthday bound, a billion names
/// collide with a probability of about 1.5 × 10⁻²¹; the secret keeps anyone from choosing names that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u128);

/// Bytes of the secret that a kind's hash takes.
const SECRET_BYTES: usize = 192;

/// Makes keys for one store. A clone shares the secrets.
#[derive(Clone)]
pub struct Keys {
    /// One for each kind, in the order of their codes: names of different kinds are hashed by
    /// functions that have nothing in common.
    secrets: Arc<[[u8; SECRET_BYTES]; Kind::ALL.len()]>,
}

impl fmt::Debug for Keys {
    /// Shows nothing: whoever knows the secret can choose names whose keys collide.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    /// A maker of keys for the store with this secret.
    #[must_use]
    pub fn new(secret: [u8; 16]) -> Keys {
        Keys { secrets: Arc::new(Kind::ALL.map(|kind| stretch(secret, kind))) }
    }

    /// The key of a name.
    #[must_use]
    pub fn key(&self, kind: Kind, name: &str) -> Key {
        self.bytes(kind, name.as_bytes())
    }

    /// The key of a name that is no text, such as an event's id.
    #[must_use]
    pub fn bytes(&self, kind: Kind, name: &[u8]) -> Key {
        let secret = &self.secrets[usize::from(kind.code() - 1)];
        Key(xxh3_128_with_secret(name, secret))
    }
}

/// The secret of a kind: block `i` of 16 bytes is the hash, little-endian, of the store's secret, the
/// kind's code and `i`.
fn stretch(secret: [u8; 16], kind: Kind) -> [u8; SECRET_BYTES] {
    let mut stretched = [0; SECRET_BYTES];
    let mut seed = [0; 18];
    seed[..16].copy_from_slice(&secret);
    seed[16] = kind.code();
    for (number, block) in stretched.chunks_exact_mut(16).enumerate() {
        seed[17] = number as u8;
        block.copy_from_slice(&xxh3_128(&seed).to_le_bytes());
    }
    stretched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_secret_kind_and_name() {
        let keys = Keys::new([1; 16]);
        let key = keys.key(Kind::Stream, "order-1");
        assert_eq!(key, keys.key(Kind::Stream, "order-1"));
        assert_eq!(key, keys.bytes(Kind::Stream, b"order-1"));
        assert_ne!(key, keys.key(Kind::Stream, "order-2"));
        assert_ne!(key, Keys::new([2; 16]).key(Kind::Stream, "order-1"));
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(kind.code()), number + 1);
            for other in Kind::ALL.into_iter().skip(number + 1) {
                assert_ne!(keys.key(kind, "order-1"), keys.key(other, "order-1"));
                assert_ne!(keys.key(kind, ""), keys.key(other, ""));
            }
        }
    }

    #[test]
    fn a_key_does_not_change_from_one_version_to_the_next() {
        let keys = Keys::new(*b"a store's secret");
        let long = "x".repeat(512);
        let key = |name: &str| keys.key(Kind::Stream, name).0;
        assert_eq!(
            [key(""), key("order-1"), key(&long)],
            [
                0xba10_500b_a5ee_e720_a2a0_79a0_3a8a_85b4,
                0xd766_1fba_dd0e_04a6_9857_b353_0161_03db,
                0x061e_77ea_e989_796a_0cf5_8d67_7675_67cf,
            ],
        );
    }

    /// The table in docs/FORMAT.md, where there is one: it is no part of a published package.
    #[test]
    fn the_document_says_what_each_code_stands_for() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/FORMAT.md");
        let Ok(document) = std::fs::read_to_string(path) else { return };
        let table = document.split_once("\n### Keys\n").unwrap().1;
        let table = table.split_once("\n### ").unwrap().0;
        let rows = table.lines().filter(|line| line.starts_with("| ") && !line.contains("code"));
        let rows: Vec<(u8, &str)> = rows
            .map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>())
            .map(|cells| (cells[0].parse().unwrap(), cells[1]))
            .collect();
        let name = |kind| match kind {
            Kind::Stream => "stream",
            Kind::Category => "category",
            Kind::EventType => "event type",
            Kind::Tag => "tag",
            Kind::EventId => "event id",
            Kind::Lost => "lost",
        };
        assert_eq!(rows, Kind::ALL.map(|kind| (kind.code(), name(kind))));
        let example = Keys::new(*b"a store's secret").key(Kind::Stream, "order-1").0;
        assert!(table.contains(&format!("`{example:#034x}`")));
    }

    #[test]
    fn the_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Keys::new([7; 16])), "Keys { .. }");
    }
}
