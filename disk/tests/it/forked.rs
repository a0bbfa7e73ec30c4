//! Processes that fork: who is who, and whose the locks are.

#![allow(unsafe_code, reason = "only so can a test do something between a fork and an exec")]

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use quipu_disk::{Disk, Process, RealDisk};

/// Has a child run this before it becomes another program. What it fails with is the error.
fn in_child(act: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> io::Result<()> {
    let mut command = Command::new("true");
    // SAFETY: what runs in the child allocates no memory, takes no lock and calls the system alone.
    unsafe { command.pre_exec(act) };
    command.status().map(drop)
}

fn must(what: bool) -> io::Result<()> {
    if what { Ok(()) } else { Err(io::Error::from_raw_os_error(1)) }
}

#[test]
fn a_child_is_another_process_and_so_is_its_child() {
    let parent = Process::this();
    assert!(parent.is_this());
    in_child(move || {
        let child = Process::this();
        must(!parent.is_this() && child.is_this() && child != parent)
    })
    .unwrap();
    assert!(parent.is_this());
    // It can fail.
    in_child(move || must(parent.is_this())).unwrap_err();
}

#[test]
fn a_lock_that_a_child_has_inherited_is_held_for_as_long_as_the_parent_holds_it() {
    let disk = RealDisk::new();
    let path: PathBuf =
        std::env::temp_dir().join(format!("quipu-disk-forked-{}", std::process::id()));
    let lock = disk.lock(&path).unwrap().expect("nobody holds it");
    assert!(!lock.is_inherited());
    let (mut begun, mut begin) = io::pipe().unwrap();
    let (mut go, mut end) = io::pipe().unwrap();
    let child = std::thread::spawn(move || {
        in_child(move || {
            begin.write_all(b"1")?;
            go.read_exact(&mut [0])
        })
    });
    begun.read_exact(&mut [0]).unwrap();
    assert!(disk.is_locked(&path).unwrap());
    drop(lock);
    // The child has the descriptor still.
    let again = disk.lock(&path).unwrap().expect("its parent has let it go");
    end.write_all(b"1").unwrap();
    child.join().unwrap().unwrap();
    drop(again);
    disk.remove(&path).unwrap();
}

#[test]
fn a_child_that_drops_its_copy_of_a_lock_does_not_free_it() {
    let disk = RealDisk::new();
    let path = std::env::temp_dir().join(format!("quipu-disk-kept-{}", std::process::id()));
    let mut lock = disk.lock(&path).unwrap();
    let (mut told, mut tell) = io::pipe().unwrap();
    let copy = std::sync::Arc::new(std::sync::Mutex::new(lock.take()));
    let childs = std::sync::Arc::clone(&copy);
    in_child(move || {
        let copy = childs.lock().ok().and_then(|mut lock| lock.take());
        tell.write_all(&[u8::from(copy.is_some_and(|copy| copy.is_inherited()))])
    })
    .unwrap();
    let mut inherited = [0];
    told.read_exact(&mut inherited).unwrap();
    assert_eq!(inherited, [1]);
    assert!(disk.is_locked(&path).unwrap());
    assert!(disk.lock(&path).unwrap().is_none());
    drop(copy.lock().unwrap().take());
    assert!(disk.lock(&path).unwrap().is_some());
    disk.remove(&path).unwrap();
}
