//! The process that serves the failing disk. It is one of its own: who waits for a disk that is served by itself may
//! wait for ever.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;

use quipu_tests::random::Random;

use crate::Failure;
use crate::fuse::Mounted;
use crate::medium::{Delivered, Fault, Honesty, Medium};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The file that stands for the disk
    #[arg(long)]
    at: PathBuf,
    /// Its size
    #[arg(long)]
    bytes: u64,
    /// Succeed at flushes and do nothing
    #[arg(long)]
    lying: bool,
}

/// Serves a disk, and does what the lines of its input say, until they end.
pub(crate) fn serve(arguments: &Arguments) -> ExitCode {
    let honesty = if arguments.lying { Honesty::FlushIgnored } else { Honesty::Honest };
    let medium = Arc::new(Medium::new(arguments.bytes, honesty));
    let mounted = match Mounted::new(&arguments.at, medium.clone()) {
        Ok(mounted) => mounted,
        Err(failure) => {
            println!("failed {failure}");
            return ExitCode::FAILURE;
        }
    };
    println!("done");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match carry_out(&medium, &line) {
            Some(answer) => println!("done {answer}"),
            None => println!("failed not understood: {line}"),
        }
    }
    drop(mounted);
    ExitCode::SUCCESS
}

fn carry_out(medium: &Medium, line: &str) -> Option<String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "fail" => medium.fail(Fault::parse(rest)?),
        "heal" => return Some(medium.heal().to_line()),
        "off" => medium.switch_off(),
        "on" => medium.switch_on(&mut Random::new(rest.parse().ok()?)),
        _ => return None,
    }
    Some(String::new())
}

/// The process, as who started it sees it. It ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts one. Its disk is the file at a path, which is made for that.
    ///
    /// # Errors
    /// The disk cannot be served here.
    pub(crate) fn start(at: &Path, bytes: u64, honesty: Honesty) -> Result<Server, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--bytes", &bytes.to_string(), "--at"]).arg(at);
        if honesty == Honesty::FlushIgnored {
            command.arg("--lying");
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().ok_or("no pipe")?);
        let mut server = Server { process, input, output };
        server.answer()?;
        Ok(server)
    }

    /// Has the disk fail from now on.
    ///
    /// # Errors
    /// The process is gone. So for all others.
    pub(crate) fn fail(&mut self, fault: Fault) -> Result<(), Failure> {
        self.ask(&format!("fail {fault}")).map(drop)
    }

    /// Has it work again. Says what failed meanwhile.
    pub(crate) fn heal(&mut self) -> Result<Delivered, Failure> {
        let line = self.ask("heal")?;
        Ok(Delivered::parse(&line).ok_or("the server cannot count")?)
    }

    /// The power goes off.
    pub(crate) fn switch_off(&mut self) -> Result<(), Failure> {
        self.ask("off").map(drop)
    }

    /// The power is back. What was not flushed is there or not, as the seed says.
    pub(crate) fn switch_on(&mut self, seed: u64) -> Result<(), Failure> {
        self.ask(&format!("on {seed}")).map(drop)
    }

    fn ask(&mut self, line: &str) -> Result<String, Failure> {
        let input = self.input.as_mut().ok_or("no pipe")?;
        input.write_all(format!("{line}\n").as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let answer = line.trim_end().strip_prefix("done").ok_or_else(|| format!("disk: {line}"))?;
        Ok(answer.trim_start().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.input = None;
        let _ended = self.process.wait();
    }
}
