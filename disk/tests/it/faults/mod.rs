//! The adversary keeps its word: power cuts take what they may, and each planned fault does what it
//! says. Its lies are in `lies.rs`.

mod planned;
mod power_cut;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_disk::{Access, Disk, Fault, FaultDisk, FaultKind, File};

const SEEDS: u64 = if cfg!(miri) { 20 } else { 300 };

fn log_path() -> PathBuf {
    at("log")
}

fn at(name: &str) -> PathBuf {
    Path::new("/store").join(name)
}

/// A disk with one durable file, open for writing.
fn disk_with_log(seed: u64, bytes: &[u8]) -> (FaultDisk, Arc<dyn File>) {
    let disk = FaultDisk::new(seed);
    disk.create_directory(&at("")).unwrap();
    disk.put(&log_path(), bytes).unwrap();
    let file = disk.open(&log_path(), Access::Write).unwrap();
    (disk, file)
}

fn log(disk: &FaultDisk) -> Vec<u8> {
    disk.contents(&log_path()).unwrap()
}

/// Plans a fault for the next operation.
fn next(disk: &FaultDisk, kind: FaultKind) {
    disk.plan(Fault { at: disk.operations(), kind, sticky: false });
}

fn assert_off<T>(result: &io::Result<T>) {
    let error = result.as_ref().map(drop).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Other, "the power is off"));
}
