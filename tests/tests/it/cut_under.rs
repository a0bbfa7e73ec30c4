//! A file that is cut short under the process which reads it. Only a real file has maps that a cut takes away, and only a
//! process of its own can be ended by that.
#![allow(clippy::disallowed_methods, reason = "the test cuts a file behind the store's back")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use quipu::{ExpectedVersion, Mode, NewEvent, Options, ReadMode, Store};

const SIGBUS: i32 = 7;
const EVENTS: u64 = 200;
const CUT: &str = "0000000003.seg";

/// Tells the process that is to read which store, and how.
const STORE: &str = "QUIPU_CUT_STORE";
const READ_MODE: &str = "QUIPU_CUT_READ_MODE";

/// A directory that goes when this does.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A closed store of some segments.
fn closed(name: &str) -> Directory {
    let path = std::env::temp_dir().join(format!("quipu-cut-{name}-{}", std::process::id()));
    let options = Options {
        mode: Mode::Create,
        segment_bytes_min: 32 << 10,
        segment_bytes_max: 32 << 10,
        ..Options::default()
    };
    let store = Store::builder(&path).options(options).open().unwrap();
    let directory = Directory(path);
    for _ in 0..EVENTS {
        store.append("a", ExpectedVersion::Any, [NewEvent::new("T", vec![7; 1000])]).unwrap();
    }
    store.close().unwrap();
    directory
}

/// How many events are served, and how many errors told.
fn read(store: &Store) -> (u64, u64) {
    let mut events = store.all().events().unwrap();
    let (mut served, mut told) = (0, 0);
    for _ in 0..2 * EVENTS {
        match events.next() {
            Ok(Some(_)) => served += 1,
            Ok(None) => break,
            Err(_) => told += 1,
        }
    }
    (served, told)
}

/// What the process does that reads: all of the store, and again once its input says so.
#[test]
fn reads_a_store_for_another_test() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let read_mode = match std::env::var(READ_MODE).as_deref() {
        Ok("pread") => ReadMode::Pread,
        _ => ReadMode::Map,
    };
    let options = Options { mode: Mode::ReadOnly, read_mode, ..Options::default() };
    let store = Store::builder(Path::new(&path)).options(options).open().unwrap();
    println!("\nread {:?}", read(&store));
    std::io::stdin().lines().next().unwrap().unwrap();
    println!("\nread {:?}", read(&store));
}

/// Another process that reads a store.
struct Reader {
    child: Child,
    says: BufReader<ChildStdout>,
    hears: ChildStdin,
}

impl Reader {
    fn start(store: &Directory, read_mode: &str) -> Reader {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "cut_under::reads_a_store_for_another_test", "--nocapture"]);
        command.env(STORE, &store.0).env(READ_MODE, read_mode);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        let hears = child.stdin.take().unwrap();
        Reader { child, says, hears }
    }

    /// What it has read, unless it has ended.
    fn read(&mut self) -> Option<String> {
        let mut lines = (&mut self.says).lines().map_while(Result::ok);
        lines.find_map(|line| line.strip_prefix("read ").map(str::to_owned))
    }

    /// Has it read again, and end: what it has read then.
    fn again(mut self) -> (Option<String>, ExitStatus) {
        writeln!(self.hears, "on").unwrap();
        let read = self.read();
        (read, self.child.wait().unwrap())
    }
}

/// What comes of reading a store again of which a segment was cut in between, if it was.
fn cut(read_mode: &str, is_cut: Option<u64>) -> (Option<String>, ExitStatus) {
    let name = format!("{read_mode}-{}", is_cut.is_some());
    let store = closed(&name);
    let mut reader = Reader::start(&store, read_mode);
    assert_eq!(reader.read().as_deref(), Some("(200, 0)"), "{name}");
    if let Some(bytes) = is_cut {
        let file = std::fs::File::options().write(true).open(store.0.join(CUT)).unwrap();
        file.set_len(bytes).unwrap();
    }
    reader.again()
}

#[test]
fn a_segment_that_is_cut_under_its_reader_is_told_without_maps_and_with_them_ends_the_process() {
    for read_mode in ["map", "pread"] {
        let (read, status) = cut(read_mode, None);
        assert_eq!((read.as_deref(), status.code()), (Some("(200, 0)"), Some(0)), "{read_mode}");
    }
    let (read, status) = cut("pread", Some(8192));
    let read = read.unwrap_or_else(|| panic!("it has ended: {status}"));
    let counts = read.trim_matches(['(', ')']).split_once(", ").unwrap();
    let (served, told): (u64, u64) = (counts.0.parse().unwrap(), counts.1.parse().unwrap());
    assert!(served < EVENTS && told > 0 && status.success(), "{read}: {status}");
    let (read, status) = cut("map", Some(8192));
    assert_eq!((read, status.signal()), (None, Some(SIGBUS)), "{status}");
}
