//! What cannot be read of the store under test.

use std::path::Path;

use quipu_disk::{Access, Disk, FaultDisk, read_exact_at};

use super::{PATH, Subject};

impl Subject {
    /// Whether some bytes of its files cannot be read.
    #[must_use]
    pub fn is_spoiled(&self) -> bool {
        self.disk.has_bad_sectors()
    }

    /// What a device did not give back it gives back again. A process that has read around it goes: what it has lost at
    /// its opening stays lost to it, and it says so.
    pub fn restore(&mut self) {
        if self.is_spoiled() {
            self.disk.restore();
            self.elsewhere = None;
        }
    }

    /// Whether an error names a file of which something cannot be read. One that is gone may have been that: what an
    /// opening has made that fails it removes, and who has a file open reads it after that.
    pub(super) fn is_of_bad_sector(&self, error: &quipu::Error) -> bool {
        let (said, twin) = (error.to_string(), self.disk.twin());
        let mut named = said.split([' ', ':']).map(Path::new).filter(|it| it.starts_with(PATH));
        named.any(|file| !is_readable(&twin, file))
    }

    /// Whether damage is told of a file of which something cannot be read, or of a segment before it. It ought to be that
    /// very file: where the first page of a segment cannot be read, the end of the one before is named.
    pub(super) fn is_up_to_bad_sector(&self, error: &quipu::Error) -> bool {
        let (Some(damage), twin) = (error.damage(), self.disk.twin()) else { return false };
        twin.files().iter().any(|file| *file >= damage.file && !is_readable(&twin, file))
    }
}

fn is_readable(disk: &FaultDisk, file: &Path) -> bool {
    let Ok(mut bytes) = disk.contents(file) else { return false };
    let opened = disk.open(file, Access::Read);
    opened.and_then(|file| read_exact_at(&*file, &mut bytes, 0)).is_ok()
}
