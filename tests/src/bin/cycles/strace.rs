//! The `quipu` command whose calls to the system fail, one at a time.

mod import;
mod trace;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use quipu_disk::{Disk, RealDisk};

use crate::Failure;
use crate::ground::{Ground, Kind};
use crate::writer::Said;

use import::{Bench, Work};
use trace::{injected, is_of, is_of_the_log};

/// What is asked of the files of a store. Not `close`: what it could tell of a file has been asked for by a sync
/// before, and of a directory it cannot fail.
const CALLS: [&str; 15] = [
    "openat",
    "statx",
    "newfstatat",
    "fstatfs",
    "getdents64",
    "flock",
    "mkdir",
    "fcntl",
    "mmap",
    "pread64",
    "pwrite64",
    "fdatasync",
    "fsync",
    "rename",
    "unlink",
];
/// What is tried again where it is interrupted, so that nobody notices.
const RETRIED: [&str; 2] = ["pread64", "pwrite64"];
const ERRORS: [&str; 3] = ["error=EIO", "error=ENOSPC", INTERRUPTED];
const INTERRUPTED: &str = "error=EINTR";
/// A write that does nothing, and says that it has written more than any is asked to.
const LIE: &str = "retval=2097152";
/// The fewest injections of which it is asked that something comes of them.
const INJECTIONS_ENOUGH: u64 = 10;
/// What every import asks. A trace without one of these has not seen it.
const TRACED: [&str; 3] = ["openat", "pwrite64", "fdatasync"];
/// An injection that never comes.
const NOTHING: &str = "fdatasync:error=EIO:when=60000";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many calls fail, spread over all that are made; all of them unless given
    #[arg(long)]
    cycles: Option<usize>,
    /// The command; the one that was built with --release unless given
    #[arg(long)]
    quipu: Option<PathBuf>,
    /// Have writes succeed and do nothing instead; the checks must show it then
    #[arg(long)]
    lying: bool,
}

impl Arguments {
    fn quipu(&self) -> PathBuf {
        self.quipu.clone().unwrap_or_else(|| released(&std::env::current_exe().unwrap_or_default()))
    }
}

/// The command as it is shipped, in the target directory in which this program lies.
fn released(program: &Path) -> PathBuf {
    let target = program.ancestors().nth(2).unwrap_or(Path::new(""));
    target.join("release").join("quipu")
}

/// What is not here that this needs, if anything is.
pub(crate) fn wants(arguments: &Arguments) -> Option<String> {
    let traced = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).status();
    let quipu = arguments.quipu();
    match traced {
        Err(_) => Some("there is no strace".to_owned()),
        Ok(status) if !status.success() => Some("strace may not trace here".to_owned()),
        Ok(_) if !quipu.exists() => {
            Some(format!("there is no {}: cargo build --release -p quipu-tools", quipu.display()))
        }
        Ok(_) => None,
    }
}

/// What is done to a call.
struct Injection {
    call: &'static str,
    /// As strace puts it.
    harm: &'static str,
    /// The number of the call, of those of its kind that a thread makes.
    at: usize,
}

impl Injection {
    /// Whether nobody may go on after this, which was done to a call that begins on this line of a trace. Of a full
    /// disk the manifest and the making of files know how to help themselves.
    fn ends_writing(&self, line: &str) -> bool {
        match self.harm {
            "error=EIO" => is_of_the_log(line),
            "error=ENOSPC" => is_of(line, "fdatasync") && line.contains(".seg>"),
            INTERRUPTED => is_of(line, "fdatasync") && is_of_the_log(line),
            _ => false,
        }
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:when={}", self.call, self.harm, self.at)
    }
}

/// What came of the injections.
#[derive(Default)]
struct Sum {
    /// How many of each made the import fail, and how many were not noticed.
    kinds: BTreeMap<(&'static str, &'static str), [u64; 2]>,
    not_reached: u64,
    acknowledged: usize,
}

impl Sum {
    /// How many of all made the import fail, and how many were not noticed.
    fn all(&self) -> [u64; 2] {
        let add = |[failed, not]: [u64; 2], each: &[u64; 2]| [failed + each[0], not + each[1]];
        self.kinds.values().fold([0, 0], add)
    }

    /// Whether calls have failed, at imports that had something to lose.
    ///
    /// # Errors
    /// What has not happened.
    fn is_enough(&self) -> Result<(), String> {
        let [failed, unnoticed] = self.all();
        let reached = failed + unnoticed;
        let few = reached + self.not_reached < INJECTIONS_ENOUGH;
        let nothing = match self {
            // No thread makes as many calls as all together.
            _ if reached < (self.not_reached / 4).max(1) => {
                "hardly any call was made that was to fail"
            }
            _ if few => return Ok(()),
            _ if failed == 0 => "no import failed",
            Sum { acknowledged: 0, .. } => "nothing was acknowledged",
            _ => return Ok(()),
        };
        Err(format!("{nothing}: {self}"))
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sum { kinds, not_reached, acknowledged } = self;
        for ((call, harm), [failed, unnoticed]) in kinds {
            let all = failed + unnoticed;
            writeln!(f, "{call:>12} {harm:<13} {all:>5}: {failed} imports failed")?;
        }
        let [failed, unnoticed] = self.all();
        write!(
            f,
            "{} calls failed: {failed} imports failed, {unnoticed} did not notice, {not_reached} made no such call; \
             {acknowledged} lines had been acknowledged, nothing lost",
            failed + unnoticed
        )
    }
}

/// Has one call after the other fail.
///
/// # Errors
/// The first promise that was broken, or what could not be done here.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let clock = RealDisk::new();
    let began = clock.elapsed();
    let bench = Bench { ground: Ground::prepare(Kind::Plain)?, quipu: arguments.quipu() };
    let (mut all, mut sum) = (Vec::new(), Sum::default());
    let works = bench.works()?;
    for work in &works {
        let injections = bench.injections(work, arguments.lying)?;
        all.extend(injections.into_iter().map(|injection| (work, injection)));
    }
    // Each call is injected with three errors in turn: by a multiple of that it would be the same one each time.
    let step = (all.len() / arguments.cycles.unwrap_or(all.len()).max(1)).max(1);
    let step = if step.is_multiple_of(3) { step - 1 } else { step };
    for (work, injection) in all.iter().step_by(step) {
        bench
            .inject(work, injection, &mut sum)
            .map_err(|why| format!("{}, {injection}: {why}", work.name))?;
    }
    // What has a bug planted is to fail because of that.
    if !arguments.lying {
        sum.is_enough()?;
    }
    let seconds = (clock.elapsed() - began).as_secs_f64();
    println!("{sum}, in {seconds:.0} s, by {}", bench.quipu.display());
    Ok(())
}

impl Bench {
    /// Each error for each call that an import makes.
    fn injections(&self, work: &Work, lying: bool) -> Result<Vec<Injection>, Failure> {
        self.begin(work)?;
        self.import(work, NOTHING)?;
        let trace = self.trace()?;
        let missing = TRACED.iter().find(|call| !trace.lines().any(|line| is_of(line, call)));
        if let Some(call) = missing.filter(|_| !lying) {
            return Err(format!("{}: the trace shows no {call}", work.name).into());
        }
        let (calls, harms): (&[_], &[_]) =
            if lying { (&["pwrite64"], &[LIE]) } else { (&CALLS, &ERRORS) };
        let mut injections = Vec::new();
        for &call in calls {
            let made = trace.lines().filter(|line| is_of(line, call)).count();
            let each = (1..=made).flat_map(|at| harms.iter().map(move |&harm| (at, harm)));
            injections.extend(each.map(|(at, harm)| Injection { call, harm, at }));
        }
        Ok(injections)
    }

    /// Has one call of an import fail, and looks at what it says and leaves.
    fn inject(&self, work: &Work, injection: &Injection, sum: &mut Sum) -> Result<(), Failure> {
        self.begin(work)?;
        let said = self.import(work, &injection.to_string())?;
        let trace = self.trace()?;
        let injected = injected(&trace);
        let failed = said.is_honest(injection)?;
        let lost = injected.iter().find(|line| injection.ends_writing(line));
        if let Some(line) = lost.filter(|_| !failed) {
            return Err(format!("the import did not notice that this failed: {line}").into());
        }
        let acknowledged = said.after("acknowledged").filter_map(|count| count.parse().ok());
        let acknowledged: usize = acknowledged.last().unwrap_or(0);
        sum.add(injection, Outcome::of(!injected.is_empty(), failed), acknowledged);
        if self.ground.store().join("manifest").exists() {
            self.succeed(&["verify"])?;
            is_prefix(&self.export()?, work, acknowledged)?;
        } else if acknowledged > 0 {
            return Err(format!("{acknowledged} lines acknowledged without a store").into());
        }
        self.succeed(&["import", "--resume", &work.input.display().to_string()])?;
        self.succeed(&["verify"])?;
        is_prefix(&self.export()?, work, work.whole.len())?;
        Ok(())
    }
}

/// What came of one injection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Failed,
    Unnoticed,
    /// No thread made so many calls.
    NotReached,
}

impl Outcome {
    fn of(injected: bool, failed: bool) -> Outcome {
        match (injected, failed) {
            (false, _) => Outcome::NotReached,
            (true, true) => Outcome::Failed,
            (true, false) => Outcome::Unnoticed,
        }
    }
}

impl Sum {
    fn add(&mut self, injection: &Injection, outcome: Outcome, acknowledged: usize) {
        self.acknowledged += acknowledged;
        let [failed, unnoticed] = self.kinds.entry((injection.call, injection.harm)).or_default();
        match outcome {
            Outcome::Failed => *failed += 1,
            Outcome::Unnoticed => *unnoticed += 1,
            Outcome::NotReached => self.not_reached += 1,
        }
    }
}

impl Said {
    /// The import succeeded, or failed as a command does: with a line that says why. Says whether it failed.
    fn is_honest(&self, injection: &Injection) -> Result<bool, String> {
        let told = || format!("{}: {:?}", self.status, self.other());
        if self.lines.iter().any(|line| line.contains("panicked")) {
            return Err(told());
        }
        match self.status.code() {
            Some(0) => Ok(false),
            Some(1 | 2) => {
                let invisible = injection.harm == INTERRUPTED && RETRIED.contains(&injection.call);
                let says = self.lines.iter().any(|line| line.starts_with("error: "));
                if says && !invisible { Ok(true) } else { Err(told()) }
            }
            _ => Err(told()),
        }
    }
}

/// What is stored is the beginning of what was to be stored, with at least so many lines.
fn is_prefix(stored: &[String], work: &Work, least: usize) -> Result<(), String> {
    if !work.whole.starts_with(stored) {
        return Err(format!("{} lines stored, which are not those of the input", stored.len()));
    }
    if stored.len() < least {
        return Err(format!("{least} lines acknowledged, {} stored", stored.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn injections_that_never_came_or_lost_nothing_are_not_enough() {
        let sum = |failed, unnoticed, not_reached, acknowledged| {
            let kinds = [(("fsync", "error=EIO"), [failed, unnoticed])].into();
            Sum { kinds, not_reached, acknowledged }.is_enough().is_ok()
        };
        assert!(sum(10, 3, 3, 100));
        assert!(!sum(10, 3, 3, 0));
        assert!(!sum(0, 8, 3, 100));
        assert!(sum(2, 3, 20, 100));
        assert!(!sum(2, 3, 24, 100));
        assert!(!sum(0, 0, 15, 100));
        assert!(!sum(0, 0, 1, 0));
        assert!(sum(1, 0, 1, 0));
        assert!(Sum { acknowledged: 100, ..Sum::default() }.is_enough().is_err());
    }

    fn work(lines: &[&str]) -> Work {
        let whole = lines.iter().map(|line| (*line).to_owned()).collect();
        Work { name: "", input: PathBuf::new(), batch: "1", left: None, whole }
    }

    #[test]
    fn the_command_that_is_shipped_is_meant_by_a_harness_of_any_profile() {
        for profile in ["debug", "release", "long"] {
            let program = Path::new("/t/target").join(profile).join("cycles");
            assert_eq!(released(&program), Path::new("/t/target/release/quipu"));
        }
    }

    #[test]
    fn a_store_from_which_an_acknowledged_line_is_missing_or_in_which_one_is_changed_is_found() {
        let work = work(&["a", "b", "c"]);
        let stored =
            |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        is_prefix(&stored(&["a", "b"]), &work, 2).unwrap();
        is_prefix(&stored(&["a", "b", "c"]), &work, 0).unwrap();
        for (wrong, least) in [
            (stored(&["a"]), 2),
            (stored(&["a", "c"]), 1),
            (stored(&["b"]), 0),
            (stored(&["a", "b", "c", "c"]), 3),
        ] {
            assert!(is_prefix(&wrong, &work, least).is_err(), "{wrong:?}");
        }
    }
}
