//! Names as fixed-size keys.

use xxhash_rust::xxh3::Xxh3;

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
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Kind::Stream => 1,
            Kind::Category => 2,
            Kind::EventType => 3,
            Kind::Tag => 4,
        }
    }
}

/// The 128-bit hash of a kind and a name, seeded by the store's secret.
///
/// Two names are taken to be the same when their keys are. By the birthday bound, a billion names
/// collide with a probability of about 1.5 × 10⁻²¹; the secret keeps anyone from choosing names that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u128);

/// Makes keys for one store.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    secret: [u8; 16],
}

impl Keys {
    /// A maker of keys for the store with this secret.
    #[must_use]
    pub const fn new(secret: [u8; 16]) -> Keys {
        Keys { secret }
    }

    /// The key of a name.
    #[must_use]
    pub fn key(&self, kind: Kind, name: &str) -> Key {
        let mut hasher = Xxh3::new();
        hasher.update(&self.secret);
        hasher.update(&[kind.code()]);
        hasher.update(name.as_bytes());
        Key(hasher.digest128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_secret_kind_and_name() {
        let keys = Keys::new([1; 16]);
        let key = keys.key(Kind::Stream, "order-1");
        assert_eq!(key, keys.key(Kind::Stream, "order-1"));
        assert_ne!(key, keys.key(Kind::Stream, "order-2"));
        assert_ne!(key, keys.key(Kind::Tag, "order-1"));
        assert_ne!(key, Keys::new([2; 16]).key(Kind::Stream, "order-1"));
    }
}
