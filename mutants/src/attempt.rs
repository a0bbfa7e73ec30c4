//! Tries changes: which tests come to one, and whether any of them notices.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

/// Memory that a test may have with a change switched on, in KiB.
const MEMORY_KIB: u64 = 8 << 20;
/// Beside four times what it takes otherwise.
const PATIENCE: Duration = Duration::from_secs(10);
/// Tests that are run at once before the next are, in seconds: most changes are noticed by the first.
const ROUNDS: [f32; 3] = [0.3, 3.0, f32::INFINITY];

/// A test, as it goes with no change switched on.
pub struct Test {
    program: PathBuf,
    name: String,
    took: Duration,
    /// The changes that it comes to.
    reaches: BTreeSet<u32>,
    /// It does not panic on purpose, so that its first panic settles it.
    quick: bool,
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A test failed.
    Caught,
    /// The tests took too long.
    Late,
    /// The tests passed.
    Missed,
    /// No test comes to it.
    Unreached,
}

impl Outcome {
    /// The outcome in a word.
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Caught => "caught",
            Outcome::Late => "late",
            Outcome::Missed => "missed",
            Outcome::Unreached => "unreached",
        }
    }
}

/// Runs each test alone and notes which changes it comes to.
///
/// # Errors
/// A test that fails with no change switched on; errors of the system.
pub fn look(
    programs: &[PathBuf],
    folder: &Path,
    leave_out: &[String],
    below: &Path,
) -> Result<Vec<Test>, String> {
    let mut tests = Vec::new();
    let noted = below.join("reached");
    for program in programs {
        let output = Command::new(program).arg("--list").current_dir(folder).output();
        let list = output.map_err(|error| error.to_string())?.stdout;
        for line in String::from_utf8_lossy(&list).lines() {
            let Some(name) = line.strip_suffix(": test") else { continue };
            if leave_out.iter().any(|left| left == name) {
                continue;
            }
            let alone = |quick| {
                let _ = fs::remove_file(&noted);
                let mut command = tester(program, folder, &[name], quick);
                let began = Instant::now();
                let status = command.env("MUTANTS_REACHED", &noted).status();
                let status = status.map_err(|error| error.to_string())?;
                Ok::<_, String>((status.success(), began.elapsed()))
            };
            let (quick, mut took) = alone(true)?;
            if !quick {
                let passes;
                (passes, took) = alone(false)?;
                if !passes {
                    return Err(format!("{name} fails although nothing is changed"));
                }
            }
            let reached = fs::read_to_string(&noted).unwrap_or_default();
            let reaches = reached.lines().filter_map(|number| number.parse().ok()).collect();
            let (program, name) = (program.clone(), name.to_owned());
            tests.push(Test { program, name, took, reaches, quick });
        }
    }
    tests.sort_by_key(|test| test.took);
    Ok(tests)
}

/// Switches a change on and runs the tests that come to it, the quickest first, so many seconds of them at most.
///
/// # Errors
/// Those of the system.
pub fn attempt(change: u32, tests: &[Test], folder: &Path, seconds: f32) -> io::Result<Outcome> {
    let mut left = seconds;
    let mut asked: Vec<&Test> =
        tests.iter().filter(|test| test.reaches.contains(&change)).collect();
    if asked.is_empty() {
        return Ok(Outcome::Unreached);
    }
    let mut first = true;
    asked.retain(|test| {
        left -= test.took.as_secs_f32();
        std::mem::take(&mut first) || left >= 0.0
    });
    for round in ROUNDS {
        let mut sum = 0.0;
        let many = asked.iter().take_while(|test| {
            let taken = sum <= round;
            sum += test.took.as_secs_f32();
            taken
        });
        let rest = asked.split_off(many.count());
        match run(change, &asked, folder)? {
            Outcome::Missed => asked = rest,
            noticed => return Ok(noticed),
        }
    }
    Ok(Outcome::Missed)
}

fn run(change: u32, tests: &[&Test], folder: &Path) -> io::Result<Outcome> {
    let kinds: BTreeSet<(&Path, bool)> =
        tests.iter().map(|test| (test.program.as_path(), !test.quick)).collect();
    for (program, slow) in kinds {
        let of_kind =
            tests.iter().filter(|test| (test.program.as_path(), !test.quick) == (program, slow));
        let (names, took): (Vec<&str>, Vec<Duration>) =
            of_kind.map(|test| (test.name.as_str(), test.took)).unzip();
        let limit = took.into_iter().sum::<Duration>() * 4 + PATIENCE;
        let mut child =
            tester(program, folder, &names, !slow).env("MUTANT", change.to_string()).spawn()?;
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if began.elapsed() > limit {
                child.kill()?;
                child.wait()?;
                return Ok(Outcome::Late);
            }
            thread::sleep(Duration::from_millis(5));
        };
        if !status.success() {
            return Ok(Outcome::Caught);
        }
    }
    Ok(Outcome::Missed)
}

fn tester(program: &Path, folder: &Path, names: &[&str], quick: bool) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\"")]);
    command.arg(program).arg("--exact").args(names).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if quick {
        command.env("MUTANTS_QUICK", "1");
    }
    command
}
