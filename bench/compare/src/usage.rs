//! What a run costs the machine: CPU, bytes to the device, memory. From `/proc`, so on Linux only.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::failure::Result;

/// What a process has used between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Of all threads, in user and system mode.
    pub(crate) cpu_seconds: f64,
    /// What the process has had written to the device, or will: the kernel counts a page as it becomes dirty, and
    /// direct writes as they are made. What the file system's own journal takes is not in it.
    pub(crate) written_bytes: u64,
    /// What was read from the device, read-ahead included.
    pub(crate) read_bytes: u64,
    /// The most memory that is no file's, looked at ten times a second.
    pub(crate) anonymous_bytes: u64,
}

/// Measures from its start to its end.
pub(crate) struct Meter {
    cpu: Duration,
    io: (u64, u64),
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    sampler: JoinHandle<()>,
}

const SAMPLED_EVERY: Duration = Duration::from_millis(100);

impl Meter {
    pub(crate) fn start() -> Result<Meter> {
        let peak = Arc::new(AtomicU64::new(anonymous_bytes()));
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, ended) = (Arc::clone(&peak), Arc::clone(&stop));
        let sampler = std::thread::Builder::new().name("sampler".into()).spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                std::thread::park_timeout(SAMPLED_EVERY);
                seen.fetch_max(anonymous_bytes(), Ordering::Relaxed);
            }
        })?;
        Ok(Meter { cpu: cpu_time(), io: io_bytes(), peak, stop, sampler })
    }

    pub(crate) fn stop(self) -> Usage {
        let cpu = cpu_time().saturating_sub(self.cpu);
        let (written, read) = io_bytes();
        self.stop.store(true, Ordering::Relaxed);
        self.sampler.thread().unpark();
        // The sampler cannot panic; if it did, the peak is what it had seen.
        let _ = self.sampler.join();
        Usage {
            cpu_seconds: cpu.as_secs_f64(),
            written_bytes: written.saturating_sub(self.io.0),
            read_bytes: read.saturating_sub(self.io.1),
            anonymous_bytes: self.peak.load(Ordering::Relaxed),
        }
    }
}

/// CPU time of all threads of this process, those that have ended included.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}

/// The number behind a name in a file of `/proc`, as `name: 123 kB`.
fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

fn anonymous_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    field(&status, "RssAnon") << 10
}

fn io_bytes() -> (u64, u64) {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    (field(&io, "write_bytes"), field(&io, "read_bytes"))
}

/// Bytes that the files of a folder take on the disk: blocks, not lengths, as some are sparse.
pub(crate) fn kept_bytes(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for path in files(folder)? {
        bytes += fs::metadata(path)?.blocks() * 512;
    }
    Ok(bytes)
}

/// All files of a folder and of those in it.
pub(crate) fn files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => open.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let io = "rchar: 12\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n";
        assert_eq!(field(io, "write_bytes"), 4096);
        assert_eq!(field("RssAnon:\t  20 kB\n", "RssAnon"), 20);
        assert_eq!(field(io, "none"), 0);
    }

    #[test]
    fn work_is_measured() {
        let meter = Meter::start().unwrap();
        let began = cpu_time();
        let mut sum = 0_u64;
        while cpu_time() - began < Duration::from_millis(20) {
            sum = std::hint::black_box(sum + 1);
        }
        let usage = meter.stop();
        assert!(usage.cpu_seconds >= 0.02, "{usage:?}");
        assert!(usage.anonymous_bytes > 0);
    }
}
