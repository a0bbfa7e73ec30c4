//! What the machine does beside the load test, and what the load test takes of it: as `/proc` tells.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::failure::Failure;

/// How long the machine is watched before the load test.
const WATCHED: Duration = Duration::from_millis(250);
/// Ticks a second in what `/proc` counts, on all machines that Quipu runs on.
const TICKS: f64 = 100.0;

/// The machine as the load test found it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    /// Share of its processors that was at work.
    pub(super) busy: Option<f64>,
    /// How many wanted to be, in the last minute.
    pub(super) load: Option<f64>,
    pub(super) processors: usize,
}

impl Machine {
    /// Watches for a moment, which is short for a short load test.
    pub(super) fn look(seconds: Duration) -> Machine {
        let before = read("/proc/stat").as_deref().and_then(processors);
        std::thread::sleep(WATCHED.min(seconds / 2));
        let after = read("/proc/stat").as_deref().and_then(processors);
        let busy = before.zip(after).and_then(|(before, after)| share(before, after));
        let load = read("/proc/loadavg").and_then(|text| text.split(' ').next()?.parse().ok());
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Machine { busy, load, processors }
    }
}

/// Ticks of all processors together: at work, and in all.
type Ticks = (u64, u64);

/// The first line of `/proc/stat`: user, nice, system, idle, waiting for a disk, and other kinds of work. Guests are
/// counted under user already.
fn processors(stat: &str) -> Option<Ticks> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [_, _, _, idle, waiting, ..] = *ticks else { return None };
    let all: u64 = ticks.iter().take(8).sum();
    Some((all.checked_sub(idle + waiting)?, all))
}

fn share(before: Ticks, after: Ticks) -> Option<f64> {
    let busy = after.0.checked_sub(before.0)?;
    let all = after.1.checked_sub(before.1).filter(|all| *all > 0)?;
    Some(busy as f64 / all as f64)
}

/// What was spent on the store: by all threads of the process but the one that asks, which writes to the raw disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) cpu_seconds: f64,
    /// Bytes sent to the disk, as the system counts them: whole pages. Unknown where it does not tell.
    pub(super) written: Option<u64>,
}

impl Spent {
    /// Since the process began.
    pub(super) fn now() -> Result<Spent, Failure> {
        let of_process = cpu_seconds("/proc/self/stat")?;
        let of_thread = cpu_seconds("/proc/thread-self/stat")?;
        let written = written("/proc/self/io").zip(written("/proc/thread-self/io"));
        Ok(Spent {
            cpu_seconds: of_process - of_thread,
            written: written.map(|(process, thread)| process.saturating_sub(thread)),
        })
    }

    /// From then to now.
    pub(super) fn until_now(self) -> Result<Spent, Failure> {
        let now = Spent::now()?;
        let written = now.written.zip(self.written);
        Ok(Spent {
            cpu_seconds: (now.cpu_seconds - self.cpu_seconds).max(0.0),
            written: written.map(|(now, then)| now.saturating_sub(then)),
        })
    }
}

fn cpu_seconds(path: &str) -> Result<f64, Failure> {
    let text = read(path);
    text.as_deref().and_then(ticks).map(|ticks| ticks as f64 / TICKS).ok_or_else(|| {
        let message = format!("cannot see in {path} how much CPU is used");
        Failure::new("system", message, "mount the file system `proc`")
    })
}

/// Ticks as user and in the system. The name in the second field may hold anything, and ends with the last `)`.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    Some(user.parse::<u64>().ok()? + system.parse::<u64>().ok()?)
}

fn written(path: &str) -> Option<u64> {
    let text = read(path)?;
    text.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.parse().ok()
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The type of the file system that a folder is on.
pub(super) fn file_system(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(folder).ok()?;
    mounted(&read("/proc/self/mountinfo")?, &folder)
}

/// The mount point that is the longest beginning of the path, and of those the one mounted last.
fn mounted(mountinfo: &str, folder: &Path) -> Option<String> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?.replace("\\040", " ");
        Some((point, kind.split(' ').next()?))
    });
    let below = mounts.filter(|(point, _)| folder.starts_with(point));
    below.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_work_is_what_is_neither_idle_nor_waiting() {
        let before = processors("cpu  10 0 10 100 30 0 0 0 0 0\ncpu0 1 2 3\n");
        let after = processors("cpu  20 5 20 120 60 0 0 5 9 9\n");
        assert_eq!((before, after), (Some((20, 150)), Some((50, 230))));
        assert_eq!(share((20, 150), (50, 230)), Some(0.375));
        assert_eq!(share((20, 150), (20, 150)), None);
        assert_eq!(processors("intr 1"), None);
    }

    #[test]
    fn ticks_stand_behind_a_name_that_may_hold_anything() {
        let stat = "7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("7 (short) R 1"), None);
    }

    #[test]
    fn a_folder_is_on_the_innermost_mount() {
        let mountinfo = "\
            21 1 8:1 / / rw,noatime shared:1 - ext4 /dev/sda1 rw\n\
            22 21 0:20 / /tmp rw - tmpfs tmpfs rw\n\
            23 21 0:21 / /mnt/a\\040b rw - xfs /dev/sdb rw\n\
            24 21 0:22 / /tmp rw - btrfs /dev/sdc rw\n";
        for (folder, kind) in [("/tmp/x", "btrfs"), ("/tmpx", "ext4"), ("/mnt/a b/c", "xfs")] {
            assert_eq!(mounted(mountinfo, Path::new(folder)).as_deref(), Some(kind), "{folder}");
        }
    }

    #[test]
    fn this_machine_tells_what_is_asked() {
        let before = Spent::now().unwrap();
        assert!(before.until_now().unwrap().cpu_seconds >= 0.0);
        assert!(file_system(Path::new("/proc")).is_some_and(|kind| kind == "proc"));
        assert!(Machine::look(Duration::from_millis(100)).busy.is_some());
    }
}
