//! Where the store lies: a folder, or a file system of its own whose power can be cut.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use quipu_disk::{Access, Disk, RealDisk, write_all_at};

use crate::Failure;

/// Size of a file system; what it takes on disk is what was written.
pub(crate) const IMAGE_BYTES: u64 = 512 << 20;
/// How often unmounting is tried, a hundredth of a second apart.
const UNMOUNT_TRIES: u32 = 500;
/// The number of the capability, as in `linux/capability.h`.
const CAP_SYS_ADMIN: u32 = 21;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// A folder: what is ended is the process.
    #[value(skip)]
    Plain,
    Ext4,
    Xfs,
}

impl Kind {
    /// What is not here that such a place needs, if anything is.
    pub(crate) fn wants(self) -> Option<String> {
        let make = match self {
            Kind::Plain => return None,
            Kind::Ext4 => "mkfs.ext4",
            Kind::Xfs => "mkfs.xfs",
        };
        let is_here = |program: &str| Command::new(program).arg("-V").output().is_ok();
        if let Some(missing) =
            [make, "mount", "umount", "xfs_io"].into_iter().find(|program| !is_here(program))
        {
            return Some(format!("there is no {missing}"));
        }
        if !may_mount() {
            return Some("this process may not mount file systems".to_owned());
        }
        (!Path::new("/dev/loop-control").exists()).then(|| "there are no loop devices".to_owned())
    }
}

impl Kind {
    pub(crate) fn file_system(self) -> &'static str {
        match self {
            Kind::Plain => "a folder",
            Kind::Ext4 => "ext4",
            Kind::Xfs => "xfs",
        }
    }
}

/// Whether the kernel lets this process administrate the system.
fn may_mount() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    effective.is_some_and(|bits| bits & (1 << CAP_SYS_ADMIN) != 0)
}

/// A place for a store, removed when dropped.
pub(crate) struct Ground {
    kind: Kind,
    folder: PathBuf,
}

impl Ground {
    /// Makes the place.
    pub(crate) fn prepare(kind: Kind) -> Result<Ground, Failure> {
        let ground = Ground::empty(kind)?;
        if kind != Kind::Plain {
            let file = RealDisk::new().open(&ground.image(), Access::Create)?;
            write_all_at(&*file, &[0], IMAGE_BYTES - 1)?;
            ground.make_file_system()?;
        }
        Ok(ground)
    }

    /// The place without a file system, and without the image for one.
    pub(crate) fn empty(kind: Kind) -> Result<Ground, Failure> {
        let folder = std::env::temp_dir().join(format!("quipu-cycles-{}", std::process::id()));
        let ground = Ground { kind, folder };
        RealDisk::new().create_directory(&ground.mounted())?;
        Ok(ground)
    }

    /// Makes the file system in its image, and mounts it.
    pub(crate) fn make_file_system(&self) -> Result<(), Failure> {
        let image = self.image();
        match self.kind {
            Kind::Ext4 => run(Command::new("mkfs.ext4").arg("-q").arg(image))?,
            _ => run(Command::new("mkfs.xfs").arg("-q").arg(image))?,
        }
        self.mount()?;
        // Better here than in the first cycle.
        self.cut()?;
        self.restore()
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Plain => "kill -9",
            Kind::Ext4 => "power cuts on ext4",
            Kind::Xfs => "power cuts on xfs",
        }
    }

    /// Whether what was written is still there after the end, synced or not.
    pub(crate) fn keeps_unsynced(&self) -> bool {
        self.kind == Kind::Plain
    }

    /// Where all of it lies.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the file system's image is.
    pub(crate) fn image(&self) -> PathBuf {
        self.folder.join("image")
    }

    fn mounted(&self) -> PathBuf {
        self.folder.join("mounted")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.mounted().join("store.quipu")
    }

    /// Removes the store, for good.
    pub(crate) fn clear(&self) -> Result<(), Failure> {
        if self.store().exists() {
            std::fs::remove_dir_all(self.store())?;
        }
        Ok(RealDisk::new().sync_directory(&self.mounted())?)
    }

    pub(crate) fn mount(&self) -> Result<(), Failure> {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.mounted()))
    }

    /// Cuts the power: what is not on its way to the disk never gets there. Nothing can be written any more.
    pub(crate) fn cut(&self) -> Result<(), Failure> {
        if self.kind == Kind::Plain {
            return Ok(());
        }
        run(Command::new("xfs_io").args(["-F", "-x", "-c", "shutdown"]).arg(self.mounted()))
    }

    /// Has the file system as it is found after the power came back.
    pub(crate) fn restore(&self) -> Result<(), Failure> {
        if self.kind == Kind::Plain {
            return Ok(());
        }
        self.unmount()?;
        self.mount()
    }

    pub(crate) fn unmount(&self) -> Result<(), Failure> {
        // Files of a process that was just killed may still be open.
        for _ in 0..UNMOUNT_TRIES {
            if run(Command::new("umount").arg(self.mounted())).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err("the file system cannot be unmounted".into())
    }

    /// Unmounts the file system, if it is mounted.
    pub(crate) fn give_up(&self) {
        if self.kind != Kind::Plain {
            // It may never have been mounted.
            let _unmounted = run(Command::new("umount").arg("-l").arg(self.mounted()));
        }
    }

    /// Leaves everything where it is, and says where.
    pub(crate) fn keep(self) -> PathBuf {
        let folder = self.folder.clone();
        std::mem::forget(self);
        folder
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.give_up();
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs a command of the system.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let program = Path::new(command.get_program()).display().to_string();
    let failed = |why: &dyn Display| -> Failure { format!("{program}: {why}").into() };
    let output = command.output().map_err(|error| failed(&error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(&String::from_utf8_lossy(&output.stderr).trim()))
}
