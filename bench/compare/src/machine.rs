//! On what the figures were taken.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// On what the figures were taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    pub(crate) file_system: FileSystem,
    /// Of the last minute, before the run began.
    pub(crate) load: f64,
}

/// Where the stores lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileSystem {
    pub(crate) kind: String,
    pub(crate) device: String,
}

/// A load from which on something else is at work.
const LOAD_IDLE_MAX: f64 = 0.3;

impl Machine {
    pub(crate) fn look(folder: &Path) -> Machine {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Machine {
            cpu: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: kibibytes(&field(&read("/proc/meminfo"), "MemTotal")) << 10,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/self/mounts"), &folder),
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or(0.0),
        }
    }

    /// In one line.
    pub(crate) fn line(&self) -> String {
        let Machine { cpu, cores, kernel, file_system, load, .. } = self;
        let gibibytes = self.memory_bytes as f64 / f64::from(1 << 30);
        let FileSystem { kind, device } = file_system;
        format!(
            "{cpu}, {cores} cores, {gibibytes:.0} GiB, Linux {kernel}, {kind} on {device}, load {load:.2}"
        )
    }

    /// What is to be said against the figures, if anything.
    pub(crate) fn warning(&self) -> Option<String> {
        (self.load > LOAD_IDLE_MAX).then(|| {
            format!(
                "WARNING: the machine is not idle (load {:.2} before the run). Durable figures, above all, are then \
                 those of the scheduler.",
                self.load
            )
        })
    }
}

fn field(text: &str, name: &str) -> String {
    let line =
        text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    line.unwrap_or("unknown").trim().to_owned()
}

fn kibibytes(words: &str) -> u64 {
    words.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Of the mounts, the last one whose place a path begins with, and of those the deepest.
fn file_system(mounts: &str, path: &Path) -> FileSystem {
    let mut found = FileSystem { kind: "unknown".into(), device: "unknown".into() };
    let mut depth = 0;
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (Some(device), Some(place), Some(kind)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let place = Path::new(place);
        if path.starts_with(place) && place.components().count() >= depth {
            depth = place.components().count();
            found = FileSystem { kind: kind.to_owned(), device: device.to_owned() };
        }
    }
    found
}

impl FileSystem {
    /// Whether it keeps everything in memory, where a sync does nothing.
    pub(crate) fn is_memory(&self) -> bool {
        ["tmpfs", "ramfs", "devtmpfs"].contains(&self.kind.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_deepest_mount() {
        let mounts =
            "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/data xfs rw 0 0\n";
        let kind = |path| file_system(mounts, Path::new(path)).kind;
        assert_eq!(kind("/home/me"), "ext4");
        assert_eq!(kind("/tmp/other"), "tmpfs");
        assert_eq!(kind("/tmp/data/stores"), "xfs");
        assert_eq!(kind("/tmpfile"), "ext4");
        assert!(file_system(mounts, Path::new("/tmp")).is_memory());
    }

    #[test]
    fn a_busy_machine_is_warned_of() {
        let idle = Machine { load: 0.1, ..Machine::look(Path::new("/")) };
        assert_eq!(idle.warning(), None);
        let busy = Machine { load: 2.5, ..idle };
        assert!(busy.warning().unwrap().contains("load 2.50"));
    }
}
