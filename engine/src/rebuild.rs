//! All index files of a store made anew from the log.

use std::path::Path;
use std::sync::Arc;

use quipu_disk::{Disk, RealDisk};
use quipu_format::features::Use;
use quipu_index::{Layer, Layers, Part as IndexPart, Sealed};

use crate::directory::Directory;
use crate::index_files::{IndexNames, Merge, covers, make, open_index, segment, write};
use crate::open::lock_directory;
use crate::recovery::{Part, Survey};
use crate::segments::{Heads, Segments, Shelf, Table, View};
use crate::{Error, ErrorKind, Mode, Options, Result};

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Segments whose index was made.
    pub segments: u64,
    /// Keys in them, those that several have counted for each.
    pub keys: u64,
    /// Bytes of their files.
    pub bytes: u64,
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
/// ```
/// let rebuilt = quipu::rebuild_index("no-store".as_ref(), &mut |_| {});
/// assert_eq!(rebuilt.unwrap_err().kind(), quipu::ErrorKind::NoStore);
/// ```
///
/// # Errors
/// [`ErrorKind::InUse`], [`ErrorKind::NoStore`], [`ErrorKind::Unsupported`], [`ErrorKind::Full`], and what the
/// system refuses. [`ErrorKind::Damaged`] at the first segment that has lost events: its index is left as it
/// is, because it may know more than the log.
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
    let survey = Survey::take(&**disk, &directory, options.read_mode)?;
    if let Some(damage) = survey.damage.first() {
        return Err(damage.clone());
    }
    let Some(manifest) = survey.manifest.as_ref().filter(|_| survey.permit() != Use::ReadOnly)
    else {
        let detail = "a newer version wrote something that this one must not write over";
        return Err(Error::new(ErrorKind::ReadOnly, detail));
    };
    let shelf = Shelf::new(disk, &directory, Some(&manifest.header), &options);
    Rebuilding::begin(shelf, &survey)?.run(&survey.parts, progress)
}

/// Index files on their way.
struct Rebuilding {
    segments: Arc<Segments>,
    /// The heads of all segments so far, newest first.
    layers: Vec<Layer>,
    report: RebuildReport,
}

impl Rebuilding {
    /// Removes all runs: they are made again from what they sum up.
    ///
    /// What is on disk, whenever the power goes: indexes of segments, some of them new, and some runs. All of
    /// them say what the log says.
    fn begin(shelf: Shelf, survey: &Survey) -> Result<Rebuilding> {
        let IndexNames { runs, .. } = &survey.index;
        for run in runs {
            let path = shelf.directory.run(run);
            shelf.disk.remove(&path).map_err(|error| Error::io("removing", &path, error))?;
        }
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
        Ok(Rebuilding { segments, layers: Vec::new(), report: RebuildReport::default() })
    }

    fn run(
        mut self,
        parts: &[Part],
        progress: &mut dyn FnMut(RebuildProgress),
    ) -> Result<RebuildReport> {
        let view = self.segments.view();
        let total_segments = parts.len() as u64;
        for (index, part) in parts.iter().enumerate() {
            progress(RebuildProgress { done_segments: index as u64, total_segments });
            self.segment(&view, index, part)?;
        }
        let sealed = parts.iter().take_while(|part| part.sealed().is_some()).count();
        self.segments.set_heads(Layers::new(self.layers), sealed);
        while let Some(merge) = Merge::due(&self.segments) {
            merge.carry_out(&self.segments)?;
        }
        progress(RebuildProgress { done_segments: total_segments, total_segments });
        Ok(self.report)
    }

    /// Makes the index of a segment; of one that is not sealed, as much as its file covers.
    fn segment(&mut self, view: &View, index: usize, part: &Part) -> Result<()> {
        let covered = match part.unsealed() {
            Some(unsealed) => match unsealed.index_below(part.end) {
                Some(file) => Some(*file.covers()),
                None => return Ok(()),
            },
            None => covers(part),
        };
        let heads = Arc::new(Heads::new(Layers::new(self.layers.clone())));
        let made = make(view, index, covered, heads)?;
        if let Some(lost) = made.lost {
            return Err(lost);
        }
        let shelf = &self.segments.shelf;
        let id = part.segment.id;
        write(shelf, &shelf.directory.index(id), &made.bytes)?;
        let identity = shelf.identity(id, part.segment.salt);
        let sealed = open_index(&*shelf.disk, &shelf.directory, shelf.mode, &identity);
        let Some(sealed) = sealed.map(Arc::new) else {
            let detail = format!("the index of segment {id} cannot be read back");
            return Err(Error::new(ErrorKind::Io, detail));
        };
        self.note(&sealed, made.bytes.len());
        if part.sealed().is_some() {
            view.table.segments[index].set_parts([IndexPart::File(Arc::clone(&sealed))]);
            self.layers.insert(0, Layer::Index(sealed));
        }
        Ok(())
    }

    fn note(&mut self, sealed: &Sealed, bytes: usize) {
        self.report.segments += 1;
        self.report.keys += u64::from(sealed.entries());
        self.report.bytes += bytes as u64;
    }
}
