//! A folder with a store in it, and the command to work on it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// A line whose data and metadata are null.
const PLAIN: &str = r#"{"stream":"plain","type":"T","time":"1969-12-31T23:59:59.25Z","data":null,"metadata":null,"tags":["t"]}"#;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder that goes with the test.
pub(crate) struct Bench {
    pub(crate) folder: PathBuf,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("quipu-cli-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Bench { folder }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("test.quipu")
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Runs the command on the store.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.run_with_input(arguments, b"")
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Said {
        let mut command = quipu();
        command.arg("--store").arg(self.store()).args(arguments);
        said(command, input)
    }

    /// Runs the command and expects it to succeed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
        said
    }

    pub(crate) fn exported(&self) -> Vec<Value> {
        self.ok(&["export"]).objects()
    }

    /// The first file of the store's log.
    pub(crate) fn segment(&self) -> PathBuf {
        self.files("seg").remove(0)
    }

    /// The files of the store whose names end so, sorted.
    pub(crate) fn files(&self, extension: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.store()).unwrap().map(|entry| entry.unwrap().path());
        let is_meant = |path: &PathBuf| path.extension().is_some_and(|name| name == extension);
        let mut files: Vec<PathBuf> = entries.filter(is_meant).collect();
        files.sort();
        files
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.folder);
    }
}

impl Said {
    /// Each line of standard output as JSON.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Each line of standard error as JSON.
    pub(crate) fn errors(&self) -> Vec<Value> {
        self.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Standard error as one JSON object.
    pub(crate) fn error(&self) -> Value {
        serde_json::from_str(&self.stderr).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

pub(crate) fn quipu() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quipu"));
    command.env_remove("QUIPU_STORE").env_remove("QUIPU_LOG").env("NO_COLOR", "1");
    command
}

pub(crate) fn said(mut command: Command, input: &[u8]) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || {
        // A command that does not read its input is fine.
        let _refused = stdin.write_all(&input);
    });
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// Lines of a made input: interleaved streams, all the fields, all the shapes.
pub(crate) fn lines(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let line = match number % 4 {
            0 => format!(
                r#"{{"stream":"cord-{}","type":"Tied","time":"2013-01-01T05:{:02}:00-05:00","tags":["knot:{number}","a\"b"],"data":{{"n": {number}, "f":1.50}},"metadata":{{"by":"x"}}}}"#,
                number % 7,
                number % 60
            ),
            1 => format!(r#"{{"type":"Cut","stream":"cord-{}","data":[{number}]}}"#, number % 5),
            2 => format!(r#"{{"stream":"l\u00e9a","type":"Ünïcode","data":"{number}","tags":[]}}"#),
            _ => PLAIN.to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

pub(crate) fn flip(file: &Path, offset: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[offset] ^= 0x40;
    fs::write(file, bytes).unwrap();
}
