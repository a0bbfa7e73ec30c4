//! A process that writes or reads a store, and what it says.

use std::io::{BufRead, BufReader, PipeReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use quipu_disk::{Disk, RealDisk};

use crate::Failure;
use crate::child::Told;

/// How often it is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(1);

/// The process.
pub(crate) struct Writer {
    process: Child,
    lines: Option<JoinHandle<Vec<String>>>,
}

/// What it said, and how it ended.
pub(crate) struct Said {
    pub(crate) lines: Vec<String>,
    pub(crate) status: ExitStatus,
}

impl Writer {
    /// Starts this program with other arguments.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn start(store: &Path, arguments: &[&str]) -> Result<Writer, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        let (output, end) = std::io::pipe()?;
        command.args(arguments).arg("--store").arg(store).stdout(end);
        Writer::spawn(command, output)
    }

    /// Starts any command, and listens to what it says and complains of.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn listen(mut command: Command) -> Result<Writer, Failure> {
        let (output, end) = std::io::pipe()?;
        command.stdout(end.try_clone()?).stderr(end);
        Writer::spawn(command, output)
    }

    fn spawn(mut command: Command, output: PipeReader) -> Result<Writer, Failure> {
        let process = command.stdin(Stdio::null()).spawn()?;
        // With it goes the end of the pipe that is open here.
        drop(command);
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        let lines = thread::spawn(move || lines.collect());
        Ok(Writer { process, lines: Some(lines) })
    }

    /// Waits so long, or until it ends by itself. Says whether it has.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn wait(&mut self, most: Duration) -> Result<bool, Failure> {
        let clock = RealDisk::new();
        let began = clock.elapsed();
        while self.process.try_wait()?.is_none() {
            if clock.elapsed() - began >= most {
                return Ok(false);
            }
            thread::sleep(LOOK);
        }
        Ok(true)
    }

    /// Kills it if it has not ended.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn end(mut self) -> Result<Said, Failure> {
        self.process.kill()?;
        let status = self.process.wait()?;
        let lines = self.lines.take().ok_or("it was ended before")?;
        let lines = lines.join().map_err(|_| "the thread that reads the pipe panicked")?;
        Ok(Said { lines, status })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _ended = self.process.wait();
    }
}

impl Said {
    /// What was acknowledged. The last line may have been cut off.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.lines.iter().filter_map(|line| Told::parse(line)).collect()
    }

    /// The lines that tell of something else, and how it ended.
    pub(crate) fn other(&self) -> (Vec<&str>, ExitStatus) {
        let tells = |line: &&String| Told::parse(line).is_none();
        (self.lines.iter().filter(tells).map(String::as_str).collect(), self.status)
    }

    /// What stands behind a word on the lines that begin with it.
    pub(crate) fn after<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter_map(move |line| line.strip_prefix(word)?.strip_prefix(' '))
    }

    /// The signal that ended it.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}
