//! How full of keys the active segment's index is.

/// How many keys a segment's index holds, of those that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fullness {
    Few,
    /// Half as many as there may be: the next segment is prepared.
    Half,
    /// As many as there may be: the next commit goes into the next segment, if that is ready.
    Full,
}

impl Fullness {
    pub(super) fn of(keys: u32, most: u32) -> Fullness {
        match keys {
            _ if keys >= most => Fullness::Full,
            _ if keys >= most / 2 => Fullness::Half,
            _ => Fullness::Few,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_segment_is_prepared_from_half_on() {
        let fullness = [0, 511, 512, 1023, 1024, u32::MAX].map(|keys| Fullness::of(keys, 1024));
        use Fullness::{Few, Full, Half};
        assert_eq!(fullness, [Few, Few, Half, Half, Full, Full]);
    }
}
