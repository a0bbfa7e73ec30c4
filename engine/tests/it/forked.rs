//! A process that forks while it has a store open.

#![allow(unsafe_code, reason = "only so can a test do something between a fork and an exec")]

use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use quipu::{ErrorKind, ExpectedVersion, NewEvent, Store};

use crate::reading::count;
use crate::small::options;

/// Larger than half of a segment.
const LARGE: usize = 5 << 10;

/// Runs in a child what answers with a number, and gives the number: 0 is for what went as it should.
fn in_child(mut act: impl FnMut() -> i32 + Send + Sync + 'static) -> i32 {
    let mut command = Command::new("true");
    // SAFETY: the store of these tests is at rest as the process forks, so none of its locks is held by a thread that the
    // child does not have; memory can be allocated in children of this system's C library.
    unsafe {
        command.pre_exec(move || match act() {
            0 => Ok(()),
            wrong => Err(io::Error::from_raw_os_error(wrong)),
        });
    }
    match command.status() {
        Ok(status) => status.code().unwrap_or(-1),
        Err(error) => error.raw_os_error().unwrap_or(-1),
    }
}

struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn append(store: &Store) -> quipu::Result<()> {
    store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![7; LARGE])]).map(drop)
}

/// The child has all that the parent has: descriptors, the lock, and what would remove the prepared segment.
#[test]
fn a_forked_child_neither_writes_its_parents_store_nor_harms_it_by_dropping_it() {
    let place = Place(std::env::temp_dir().join(format!("quipu-forked-{}", std::process::id())));
    let open = || Store::builder(&place.0).options(options()).open().unwrap();
    let store = open();
    append(&store).unwrap();
    let shared = Arc::new(Mutex::new(Some(store)));
    let childs = Arc::clone(&shared);
    let answer = in_child(move || {
        let Some(store) = childs.lock().ok().and_then(|mut store| store.take()) else { return 1 };
        if count(&store) != 1 {
            return 2;
        }
        if append(&store).map_err(|error| error.kind()) != Err(ErrorKind::InUse) {
            // Dropping it could wait for threads that are not there.
            std::mem::forget(store);
            return 3;
        }
        let closed = store.close().map_err(|error| error.kind());
        if closed == Err(ErrorKind::InUse) { 0 } else { 4 }
    });
    assert_eq!(answer, 0);
    let store = shared.lock().unwrap().take().expect("only the child's copy was taken");
    assert_eq!(Store::open(&place.0).map(drop).unwrap_err().kind(), ErrorKind::InUse);
    for _ in 0..3 {
        append(&store).unwrap();
    }
    store.close().unwrap();
    let store = open();
    assert_eq!(count(&store), 4);
    assert_eq!(store.opening().recovered, None);
}
