//! What becomes of the manifest between two openings: nothing of this may be noticed.

use std::path::Path;

use quipu_disk::{Access, Disk, write_all_at};
use quipu_format::ByteOffset;
use quipu_format::checksum::Place;
use quipu_format::manifest::{Edit, FIRST_EDIT, ManifestHeader};

use super::World;
use crate::subject::PATH;

/// The next opening finds so often, in a hundred, an edit that was never finished.
const TORN_PERCENT: usize = 10;
/// Bytes of it.
const TORN_BYTES: usize = 24;

impl World {
    /// Leaves behind the last edit what a power cut leaves of another, so that the next opening writes the manifest
    /// anew: few stores get old enough for that. The store is not open.
    pub(super) fn tear_manifest(&mut self) {
        let disk = self.subject.disk().clone();
        if self.subject.faults.is_armed(disk.operations()) || !self.random.percent(TORN_PERCENT) {
            return;
        }
        let path = Path::new(PATH).join("manifest");
        let Ok(bytes) = disk.contents(&path) else { return };
        let Some(end) = edits_end(&bytes) else { return };
        let torn: Vec<u8> = (0..TORN_BYTES).map(|_| self.random.number() as u8 | 1).collect();
        let rest = bytes.get(end..end + torn.len()).unwrap_or(&[1]);
        if rest.iter().all(|&byte| byte == 0) {
            // Where this fails, nothing is torn.
            let _ = disk
                .open(&path, Access::Write)
                .and_then(|file| write_all_at(&*file, &torn, end as u64));
        }
    }
}

/// Where the next edit would stand.
fn edits_end(bytes: &[u8]) -> Option<usize> {
    let salt = ManifestHeader::decode(bytes).ok()?.salt;
    let mut at = FIRST_EDIT;
    while let Ok((_, _, len)) = Edit::decode(bytes.get(at.0 as usize..)?, Place::new(salt, at)) {
        at = ByteOffset(at.0 + len);
    }
    usize::try_from(at.0).ok()
}
