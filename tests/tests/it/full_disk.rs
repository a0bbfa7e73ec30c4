//! A file system that is really full: a small tmpfs. Needs the right to mount; says so where it has none.

#![allow(clippy::disallowed_methods, reason = "the test fills the disk with files of its own")]

use std::path::PathBuf;
use std::process::Command;

use quipu::{ErrorKind, ExpectedVersion, Mode, NewEvent, Result, Store, verify};

/// A mounted tmpfs, unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(megabytes: u32) -> Option<Small> {
        let path = std::env::temp_dir().join(format!("quipu-full-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Small(path));
        }
        let _ = std::fs::remove_dir(&path);
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn append(store: &Store) -> Result<quipu::Appended> {
    store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![7; 4000])])
}

fn count(store: &Store) -> u64 {
    let mut events = store.all().events().unwrap();
    let mut count = 0;
    while events.next().unwrap().is_some() {
        count += 1;
    }
    count
}

#[test]
fn a_store_on_a_full_file_system_loses_nothing_and_goes_on_once_there_is_room() {
    let Some(small) = Small::mount(6) else {
        println!("SKIPPED: no right to mount a tmpfs here");
        return;
    };
    let path = small.0.join("s.quipu");
    let filler = small.0.join("filler");
    std::fs::write(&filler, vec![1; 2 << 20]).unwrap();
    let store = Store::open(&path).unwrap();
    let appended = (0..10_000).take_while(|_| append(&store).is_ok()).count() as u64;
    let error = append(&store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    assert_eq!(count(&store), appended, "reads go on");
    store.close().unwrap();

    let store = Store::open(&path).unwrap();
    assert_eq!(count(&store), appended, "it opens while the disk is full");
    let refused = (0..10_000).find_map(|_| append(&store).err()).unwrap();
    assert_eq!(refused.kind(), ErrorKind::Full);
    let held = count(&store);
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(append(&store).unwrap().position.0, held, "and goes on without a restart");
    store.close().unwrap();

    let report = verify(&path, &mut |_| {}).unwrap();
    assert!(report.findings.is_empty() && report.closed_cleanly, "{:?}", report.findings);
    let reader = Store::builder(&path).mode(Mode::ReadOnly).open().unwrap();
    assert_eq!(count(&reader), held + 1);
}
