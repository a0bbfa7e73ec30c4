//! All index files of a store made anew from the log.

use std::path::Path;
use std::sync::Arc;

use quipu_disk::{Disk, RealDisk};
use quipu_index::{Covers, Layer, Layers, Part as IndexPart, Sealed};

use crate::directory::Directory;
use crate::index_files::{Merge, covers, index_on, make, segment, sweep, write};
use crate::open::lock_directory;
use crate::recovery::{Part, Survey};
use crate::segments::{Heads, Segments, Shelf, Table, View};
use crate::{Error, ErrorKind, Mode, Options, Result};

/// What was made.
#[derive(Clone, Debug, Default)]
pub struct RebuildReport {
    /// Segments whose index was made.
    pub segments: u64,
    /// Keys in them, those that several have counted for each.
    pub keys: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// Of each segment that has lost events the first damage: its index is left as it is, and so are all runs that cover
    /// it or a later one. The same of one that only a newer version can read, with [`ErrorKind::Unsupported`].
    pub damage: Vec<Error>,
    /// Further segments whose index is left: they come after one that has lost events and has no index that could
    /// be used, or read any more, so nobody knows what the segments before them hold.
    pub left_segments: u64,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RebuildProgress {
    /// Segments that are done.
    pub done_segments: u64,
    /// All of them.
    pub total_segments: u64,
}

/// Makes all index files of the store in this directory anew. Nobody needs to: a file that is missing or damaged
/// is made anew when it is needed. The store must not be open for writing.
///
/// Where a segment has lost events, its index and the runs may know more than the log, and only they may know the
/// last versions of streams. So the index of such a segment is left as it is, and so are all runs that cover it or a later
/// one. [`RebuildReport::damage`] says which these are; the indexes of the other segments are made.
///
/// An index that held the ids of events, see [`Options::id_segments`], holds them again.
///
/// ```
/// let rebuilt = quipu::rebuild_index("no-store".as_ref(), &mut |_| {});
/// assert_eq!(rebuilt.unwrap_err().kind(), quipu::ErrorKind::NoStore);
/// ```
///
/// # Errors
/// [`ErrorKind::InUse`], [`ErrorKind::NoStore`], [`ErrorKind::Unsupported`], [`ErrorKind::Full`], and what the
/// system refuses. [`ErrorKind::Damaged`] where the damage leaves it unknown which segments make up the log:
/// nothing is changed then.
pub fn rebuild_index(
    path: &Path,
    progress: &mut dyn FnMut(RebuildProgress),
) -> Result<RebuildReport> {
    rebuild_index_on(&(Arc::new(RealDisk::new()) as _), path, &Options::default(), progress)
}

/// As [`rebuild_index`], on another disk; of the options those count that are about reading and about ids.
///
/// # Errors
/// As [`rebuild_index`].
pub fn rebuild_index_on(
    disk: &Arc<dyn Disk>,
    path: &Path,
    options: &Options,
    progress: &mut dyn FnMut(RebuildProgress),
) -> Result<RebuildReport> {
    options.validate()?;
    let directory = Directory::new(path);
    let options = Options { mode: Mode::Existing, ..options.clone() };
    let _lock = lock_directory(&**disk, &directory, &options)?;
    let mut survey = Survey::take(&**disk, &directory, options.read_mode)?;
    let manifest = survey.take_to_write()?;
    let shelf = Shelf::new(disk, &directory, Some(&manifest.header), &options);
    Rebuilding::begin(shelf, &survey).run(&survey, progress)
}

/// Index files on their way.
///
/// What is on disk, whenever the power goes: indexes of segments, each the one of before or a new one; the runs of before,
/// and beside them, or in the place of such as cover the very same segments, new ones of segments that are done and have
/// lost nothing. All of them say what the log says, or more where it has lost something.
struct Rebuilding {
    segments: Arc<Segments>,
    /// The heads of all segments so far, newest first.
    layers: Vec<Layer>,
    report: RebuildReport,
}

impl Rebuilding {
    fn begin(shelf: Shelf, survey: &Survey) -> Rebuilding {
        let end = survey.end().unwrap_or_default();
        let segments = survey.parts.iter().map(|part| {
            let segment = segment(&shelf, part);
            if part.segment.id != end.segment() {
                segment.finish(part.end);
            }
            Arc::new(segment)
        });
        let loose = survey.parts.len();
        let table = Table { segments: segments.collect(), loose, ..Table::default() };
        let segments = Arc::new(Segments::new(shelf, table, end, survey.next_position));
        Rebuilding { segments, layers: Vec::new(), report: RebuildReport::default() }
    }

    fn run(
        mut self,
        survey: &Survey,
        progress: &mut dyn FnMut(RebuildProgress),
    ) -> Result<RebuildReport> {
        let view = self.segments.view();
        let total_segments = survey.parts.len() as u64;
        for (index, part) in survey.parts.iter().enumerate() {
            progress(RebuildProgress { done_segments: index as u64, total_segments });
            if !self.segment(&view, index, part)? {
                self.report.left_segments += total_segments - index as u64 - 1;
                break;
            }
            if part.sealed().is_some() {
                self.sum_up(index + 1)?;
            }
        }
        if self.report.damage.is_empty() && self.report.left_segments == 0 {
            sweep(&self.segments, &survey.index);
        }
        progress(RebuildProgress { done_segments: total_segments, total_segments });
        Ok(self.report)
    }

    /// Takes the heads of the first `until` segments for known, so that an index before that is made anew meanwhile is made
    /// whole; and sums them up as far as that is due, if nothing is lost. Were it left for the end, each key would be looked
    /// for in as many files as there are segments before it.
    fn sum_up(&mut self, until: usize) -> Result<()> {
        self.segments.set_heads(Layers::new(self.layers.clone()), until);
        while self.report.damage.is_empty()
            && let Some(merge) = Merge::due(&self.segments)
        {
            merge.carry_out(&self.segments)?;
        }
        self.layers = self.segments.view().table.heads.layers().newest_first().to_vec();
        Ok(())
    }

    /// Makes the index of a segment; of one that is not sealed, as much as its file covers. False if nobody knows
    /// what the segment holds: then none can be made of those that follow.
    fn segment(&mut self, view: &View, index: usize, part: &Part) -> Result<bool> {
        let shelf = &self.segments.shelf;
        let identity = shelf.identity(part.segment.id, part.segment.salt);
        let before = match part.unsealed() {
            Some(unsealed) => unsealed.index_below(part.end),
            None => index_on(&self.segments, &identity).map(Arc::new),
        };
        let Some(covered) = to_cover(part, before.as_deref()) else { return Ok(true) };
        let heads = Arc::new(Heads::new(Layers::new(self.layers.clone())));
        let made = make(view, index, Some(covered), heads)?;
        if let Some(lost) = made.lost {
            self.report.damage.push(lost);
            let whole = before.filter(|before| before.covers().end == covered.end);
            let Some(kept) = whole.filter(|kept| kept.verify().is_ok()) else { return Ok(false) };
            self.go_on(view, index, part, &kept);
            return Ok(true);
        }
        if !made.is_lasting {
            // Something before it turns out to be lost: it would lead past that.
            let lost = self.segments.upkeep.heads_are_known().err();
            self.report.damage.extend(lost.filter(|_| self.report.damage.is_empty()));
            self.report.left_segments += 1;
            return Ok(false);
        }
        let id = part.segment.id;
        write(shelf, &shelf.directory.index(id), &made.bytes)?;
        let sealed = index_on(&self.segments, &identity);
        let Some(sealed) = sealed.map(Arc::new) else {
            let detail = format!("the index of segment {id} cannot be read back");
            return Err(Error::new(ErrorKind::Io, detail));
        };
        self.report.segments += 1;
        self.report.keys += u64::from(sealed.entries());
        self.report.bytes += made.bytes.len() as u64;
        self.go_on(view, index, part, &sealed);
        Ok(true)
    }

    /// Notes the index of a segment for those that follow.
    fn go_on(&mut self, view: &View, index: usize, part: &Part, sealed: &Arc<Sealed>) {
        if part.sealed().is_some() {
            view.table.segments[index].set_parts([IndexPart::File(Arc::clone(sealed))]);
            self.layers.insert(0, Layer::Index(Arc::clone(sealed)));
        }
    }
}

/// How much the index of a segment is to cover, with the ids that it has held so far; nothing of one that is not
/// sealed and has no index.
fn to_cover(part: &Part, before: Option<&Sealed>) -> Option<Covers> {
    let before = before.map(Sealed::covers);
    let Some(whole) = covers(part) else { return before.copied() };
    Some(Covers { ids: before.map_or(0, |before| before.ids), ..whole })
}
