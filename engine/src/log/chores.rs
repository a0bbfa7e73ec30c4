//! The work behind the committer: segments are prepared before they are needed and sealed once they are
//! full.

use std::io;
use std::sync::Arc;

use quipu_disk::Access;
use quipu_format::features::Features;
use quipu_format::manifest::{Edit, Ending};
use quipu_format::segment::SegmentHeader;
use quipu_format::{Lsn, Salt, Seal, SegmentId};
use quipu_index::Sealed;

use super::jobs::Remark;
use super::{Log, count};
use crate::live::warn;
use crate::manifest::{Manifest, draw};
use crate::panics::undisturbed;
use crate::pipeline::{Pipeline, Prepare, Rolled, SegmentRef, Wakes};
use crate::plant::{self, Bug};
use crate::recovery::{self, SegmentFile};
use crate::seal::{self, Extent};
use crate::segments::View;
use crate::{Error, ErrorKind, Result};

/// A rolled segment that was read once more, with its index.
struct Summed {
    view: View,
    /// Where in the table it stands.
    index: usize,
    seal: Seal,
    sealed: Arc<Sealed>,
}

impl Log {
    /// Prepares the next segment or seals a rolled one. True if it did, or tried.
    pub(super) fn log_chore(&self) -> bool {
        let (prepare, rolled) = {
            let mut pipeline = self.pipeline();
            let prepare = pipeline.take_prepare();
            let rolled = if prepare.is_none() { pipeline.take_rolled() } else { None };
            (prepare, rolled)
        };
        if let Some(mut prepare) = prepare {
            let result = self.prepare(&mut prepare);
            let prepared = result.as_ref().ok().copied();
            let spare = prepare.spare;
            self.settle_chore(result, |pipeline, result| pipeline.prepared(result, spare));
            if let Some(SegmentRef { id, capacity, .. }) = prepared {
                tracing::debug!(segment = id.0, capacity = capacity.0, "prepared the next segment");
            }
            return true;
        }
        if let Some(rolled) = rolled {
            self.seal_rolled(&rolled);
            return true;
        }
        false
    }

    /// Does one chore, of the log or, if there is none, of the index. True if it did, or tried.
    pub(crate) fn chore(&self) -> bool {
        self.log_chore() || self.index_chore()
    }

    /// Tells the pipeline how a chore went. What lacked room, or a descriptor, is retried once somebody needs it; any
    /// other failure of a file of the log poisons.
    fn settle_chore<T>(
        &self,
        result: Result<T>,
        settle: impl FnOnce(&mut Pipeline, std::result::Result<T, Error>),
    ) {
        if let Err(error) = &result {
            if !error.is_shortage() || plant::is_in(Bug::ShortagePoisons) {
                return self.give_up(error.clone());
            }
            tracing::warn!(%error, "appends fail as soon as they need what there was no room for");
        }
        self.settle(result, settle);
    }

    /// Seals a rolled segment, or leaves it as it is for now.
    fn seal_rolled(&self, rolled: &Rolled) {
        let sealed = {
            let _sealing = tracing::info_span!("seal", segment = rolled.segment.id.0).entered();
            let summed = self.segments.with_descriptors(|| self.sum_up(rolled));
            summed.map(|summed| self.seal(rolled, summed))
        };
        match sealed {
            Ok(sealed) => self.settle_chore(sealed, Pipeline::sealed),
            Err(error) => self.put_off(error),
        }
    }

    /// A segment cannot be sealed now, and nothing was written of that: it is tried again once somebody needs it, as
    /// where there was no room. What cannot be read may be an old segment, of which the index was to be made anew.
    fn put_off(&self, error: Error) {
        let planted = [Bug::IndexPoisons, Bug::ShortagePoisons].into_iter().any(plant::is_in);
        // The log is another one than was written.
        let is_changed = error.kind() == ErrorKind::Damaged;
        if is_changed || planted {
            return self.give_up(error);
        }
        tracing::warn!(%error, "a segment cannot be sealed: appends fail as soon as they need that");
        self.settle(Err(error), Pipeline::sealed);
    }

    fn settle<T>(
        &self,
        result: Result<T>,
        settle: impl FnOnce(&mut Pipeline, std::result::Result<T, Error>),
    ) {
        let published = {
            let mut pipeline = self.pipeline();
            settle(&mut pipeline, result);
            self.publish(&pipeline)
        };
        self.room.notify_all();
        self.tell(&Wakes::new(), published);
    }

    /// Prepares a segment: its file complete and durable under its name, then listed. Only then is it
    /// written. Those that are spare are retired first: their room may be needed.
    ///
    /// What is on disk, whenever the power goes: spare segments, retired or not; a file under another name, or one that
    /// is not listed; or the segment. All but the last are gone after the next opening.
    fn prepare(&self, prepare: &mut Prepare) -> Result<SegmentRef> {
        let mut manifest = self.manifest.lock();
        let segments = &self.segments;
        segments.with_descriptors(|| self.retire(&mut manifest, &mut prepare.spare))?;
        let header = SegmentHeader {
            features: Features::KNOWN,
            origin: manifest.header().store,
            segment: prepare.segment,
            salt: Salt(draw(&*self.disk)?),
            capacity: prepare.capacity,
        };
        let listing = [recovery::listing(&header)];
        segments.with_descriptors(|| {
            manifest.make_room(&listing)?;
            self.create(&header)
        })?;
        let path = self.directory.segment(header.segment);
        let open = || {
            let writer = self.disk.open(&path, Access::Write);
            writer.map_err(|error| Error::io("opening", &path, error))
        };
        let listed = manifest.add(&listing).and_then(|()| segments.with_descriptors(open));
        let writer = listed.inspect_err(|_| {
            // Nobody knows whether it is listed, or can write it: it is retired before another is prepared.
            prepare.spare.push(header.segment);
        })?;
        self.writers.lock().insert(header.segment, writer);
        let SegmentHeader { segment: id, salt, capacity, .. } = header;
        Ok(SegmentRef { id, salt, capacity })
    }

    /// Creates the file of a segment, complete and durable. Want of room leaves nothing.
    fn create(&self, header: &SegmentHeader) -> Result<()> {
        let created = recovery::create_segment(&*self.disk, &self.directory, header, &[]);
        if created.as_ref().is_err_and(Error::is_shortage) {
            // A rename that fails and is done all the same leaves the file under its name. It is not listed.
            let _ = self.disk.remove(&self.directory.segment(header.segment));
        }
        created.map(drop)
    }

    /// Retires segments that will not be written, and removes their files.
    fn retire(&self, manifest: &mut Manifest, spare: &mut Vec<SegmentId>) -> Result<()> {
        let edits: Vec<Edit> = spare.iter().map(|&segment| Edit::Retired { segment }).collect();
        manifest.add(&edits)?;
        self.writers.lock().retain(|segment, _| !spare.contains(segment));
        recovery::remove_segments(&*self.disk, &self.directory, spare)?;
        spare.clear();
        Ok(())
    }

    /// Reads a rolled segment once more, and makes its index complete under its name. What fails up to here has changed
    /// nothing.
    fn sum_up(&self, rolled: &Rolled) -> Result<Summed> {
        let file = SegmentFile::open(&*self.disk, &self.directory, rolled.segment)?;
        let view = self.segments.view();
        let (index, positions) = self.place_of(&view, rolled.segment.id)?;
        let chain = self.manifest.lock().listing().chain_before(rolled.segment.id);
        let extent = Extent { end: rolled.end, positions };
        let seal = seal::sum_up(&file, &extent, chain)?;
        let sealed = self.write_index(&view, index, rolled.end, seal.last_time)?;
        Ok(Summed { view, index, seal, sealed })
    }

    /// Seals a rolled segment, whose index is there: the seal frame durable behind its frames, then the manifest's edit.
    /// Everything that can fail comes before the edit.
    ///
    /// What is on disk, whenever the power goes before the edit is durable: a segment that is not sealed, with an
    /// index that covers all of it, a part, or that is missing, and perhaps a seal frame behind its end. The
    /// next opening finds its end in the link that follows, and seals it again. Afterwards: a sealed segment
    /// and its index, if nothing that the index says could be wrong.
    fn seal(&self, rolled: &Rolled, summed: Summed) -> Result<()> {
        let segment = rolled.segment.id.0;
        let Summed { view, index, seal, sealed } = summed;
        let end = Lsn::new(rolled.segment.id, rolled.end);
        let edit = [Edit::Sealed { end, seal, ending: rolled.ending }];
        if plant::is_in(Bug::SealedBeforeSync) {
            self.manifest.lock().add(&edit)?;
        }
        if rolled.ending == Ending::Framed {
            let writer = self.writer(rolled.segment);
            writer
                .and_then(|writer| {
                    let bytes = seal::write_frame(&*writer, rolled, &seal)?;
                    let mut remark = None;
                    let synced = self.sync(&*writer, (rolled.segment.id, bytes), &mut remark);
                    undisturbed(|| remark.iter().for_each(Remark::tell));
                    synced
                })
                // Whatever the system calls it: what was written or synced in vain is not tried again.
                .map_err(io::Error::other)
                .map_err(|error| Error::because(ErrorKind::Io, "sealing".into(), error))?;
        }
        if !plant::is_in(Bug::SealedBeforeSync) {
            self.manifest.lock().add(&edit)?;
        }
        self.writers.lock().remove(&rolled.segment.id);
        self.use_index(&view, index, sealed);
        warn(self.teller.tell_sealed());
        let forgotten = self.pipeline().forget_heads(seal.next_position);
        // Outside the lock: there may be a million of them.
        drop(forgotten);
        count(&self.counters.seals, 1);
        let (events, first_position) = (seal.events, seal.first_position.0);
        tracing::info!(segment, events, first_position, bytes = rolled.end.0, "sealed a segment");
        Ok(())
    }
}
