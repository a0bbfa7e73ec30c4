//! Which index files there are, by their names alone.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use quipu_format::SegmentId;

/// The index files of a store, as its directory lists them. Whether they can be used is another question.
#[derive(Clone, Debug, Default)]
pub(crate) struct IndexNames {
    /// Segments that have an index file.
    pub(crate) segments: BTreeSet<SegmentId>,
    /// Ranges of segments whose heads are in one file.
    pub(crate) runs: Vec<RangeInclusive<SegmentId>>,
    /// Whether room is set aside for times without.
    pub(crate) ballast: bool,
}

impl IndexNames {
    /// The runs that begin with the first of these segments and end with one of them, the longest first;
    /// each with the number of segments that it covers. A run of one says no more than that one's index.
    pub(crate) fn runs_from<'n>(
        &'n self,
        segments: &'n [SegmentId],
    ) -> Vec<(&'n RangeInclusive<SegmentId>, usize)> {
        let Some(first) = segments.first() else { return Vec::new() };
        let begin_here = self.runs.iter().filter(|run| run.start() == first);
        let mut runs: Vec<_> = begin_here
            .filter_map(|run| Some((run, segments.binary_search(run.end()).ok()? + 1)))
            .collect();
        runs.retain(|(_, covered)| *covered > 1);
        runs.sort_unstable_by_key(|(_, covered)| std::cmp::Reverse(*covered));
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first: u32, last: u32) -> RangeInclusive<SegmentId> {
        SegmentId(first)..=SegmentId(last)
    }

    #[test]
    fn the_longest_run_that_fits_comes_first() {
        let runs = vec![run(1, 3), run(1, 9), run(1, 8), run(2, 8), run(1, 1)];
        let names = IndexNames { runs, ..IndexNames::default() };
        // Numbers that were given up leave gaps.
        let segments: Vec<SegmentId> = [1, 2, 3, 5, 8, 10].map(SegmentId).to_vec();
        assert_eq!(names.runs_from(&segments), [(&run(1, 8), 5), (&run(1, 3), 3)]);
        assert_eq!(names.runs_from(&segments[1..]), [(&run(2, 8), 4)]);
        assert!(names.runs_from(&segments[2..]).is_empty());
        assert!(names.runs_from(&[]).is_empty());
    }
}
