//! The versions of a stream, which must follow one another without gaps.

use std::ops::Range;

use quipu_format::Version;
use quipu_index::Way;

/// Follows the versions of a stream as they are read.
pub(crate) struct Versions {
    way: Way,
    /// Versions that are not asked for: below it reading forward, above it reading backward.
    bound: Version,
    next: Next,
    /// Events that were reported as damaged since the last version: each may have been one of this stream.
    excused: u64,
}

/// Which version must come next.
#[derive(Clone, Copy)]
enum Next {
    Any,
    Exactly(Version),
    /// Version 0 was read, going backward.
    Nothing,
}

/// What a version says of its event.
pub(crate) enum Verdict {
    Served,
    /// It is not asked for.
    Passed,
    /// These versions should have come before it.
    Missing(Range<u64>),
    /// It was there before.
    Repeated,
}

impl Versions {
    /// From a version on that is known to be the next.
    pub(crate) fn exactly(way: Way, from: Version) -> Versions {
        Versions { way, bound: from, next: Next::Exactly(from), excused: 0 }
    }

    /// From wherever the first event stands, if it is not before `bound` in the direction of reading.
    pub(crate) fn within(way: Way, bound: Version) -> Versions {
        Versions { way, bound, next: Next::Any, excused: 0 }
    }

    /// Says that so many events are damaged, some of which may belong to the stream.
    pub(crate) fn excuse(&mut self, events: u64) {
        self.excused = self.excused.saturating_add(events);
    }

    /// Judges the next event, and moves on to the one behind it if it is to be served.
    pub(crate) fn judge(&mut self, version: Version) -> Verdict {
        let wanted = match self.way {
            Way::Forward => version >= self.bound,
            Way::Backward => version <= self.bound,
        };
        if !wanted {
            return Verdict::Passed;
        }
        let missing = match self.next {
            Next::Any => 0..0,
            Next::Nothing => return Verdict::Repeated,
            Next::Exactly(next) => match self.way {
                Way::Forward if version >= next => next.0..version.0,
                // The last of all numbers is no version that any event has.
                Way::Backward if version <= next => version.plus(1).0..next.plus(1).0,
                _ => return Verdict::Repeated,
            },
        };
        if missing.end - missing.start > self.excused {
            self.next = Next::Exactly(version);
            return Verdict::Missing(missing);
        }
        self.excused = 0;
        self.next = match self.way {
            Way::Forward => Next::Exactly(version.plus(1)),
            Way::Backward => {
                version.0.checked_sub(1).map_or(Next::Nothing, |next| Next::Exactly(Version(next)))
            }
        };
        Verdict::Served
    }

    /// The versions that are missing where the stream has been read back to its beginning. Says so once.
    pub(crate) fn finish(&mut self) -> Option<Range<u64>> {
        match (self.way, self.next) {
            (Way::Backward, Next::Exactly(last)) if last.0 >= self.excused => {
                self.next = Next::Nothing;
                Some(0..last.plus(1).0)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads versions, and says of each what came of it: served, passed, repeated, or which were missing.
    fn read(mut versions: Versions, given: &[u64]) -> Vec<String> {
        let judged = given.iter().map(|&version| match versions.judge(Version(version)) {
            Verdict::Served => "served".to_owned(),
            Verdict::Passed => "passed".to_owned(),
            Verdict::Repeated => "repeated".to_owned(),
            Verdict::Missing(missing) => format!("{missing:?}"),
        });
        judged.collect()
    }

    #[test]
    fn a_gap_is_told_once_and_reading_goes_on_behind_it() {
        let forward = Versions::exactly(Way::Forward, Version(1));
        let said = read(forward, &[0, 1, 2, 5, 5, 5, 6]);
        assert_eq!(said, ["passed", "served", "served", "3..5", "served", "repeated", "served"]);
        let backward = Versions::within(Way::Backward, Version(8));
        let said = read(backward, &[9, 8, 5, 5, 4, 4]);
        assert_eq!(said, ["passed", "served", "6..8", "served", "served", "repeated"]);
    }

    #[test]
    fn a_version_that_is_as_high_as_can_be_is_read() {
        let last = Version(u64::MAX);
        assert_eq!(read(Versions::exactly(Way::Backward, last), &[u64::MAX]), ["served"]);
        assert_eq!(read(Versions::exactly(Way::Forward, last), &[u64::MAX]), ["served"]);
        let mut backward = Versions::exactly(Way::Backward, last);
        assert_eq!(backward.finish(), Some(0..u64::MAX));
    }

    #[test]
    fn damaged_events_explain_as_many_versions() {
        for (damaged, said) in [(2, "served"), (1, "1..3")] {
            let mut versions = Versions::exactly(Way::Forward, Version(0));
            versions.judge(Version(0));
            versions.excuse(damaged);
            assert_eq!(read(versions, &[3]), [said]);
        }
    }

    #[test]
    fn a_stream_read_back_must_come_to_its_beginning() {
        let mut versions = Versions::within(Way::Backward, Version(u64::MAX));
        assert_eq!(versions.finish(), None, "nothing was there");
        versions.judge(Version(2));
        assert_eq!(versions.finish(), Some(0..2));
        assert_eq!(versions.finish(), None, "told once");
    }
}
