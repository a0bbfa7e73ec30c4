//! Runs the arms: for each work, for each round, each runner once, each in a process of its own on a fresh folder.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::arm::{Outcome, Phase, Runner, Spec, absence, dies, fills};
use crate::failure::{Failure, Result};
use crate::folder::Folder;
use crate::scale::Scale;
use crate::summary::{Came, Round};
use crate::table::figure;
use crate::works::Work;

/// What an arm's answer begins with: some stores print lines of their own.
pub(crate) const ANSWER: &str = "@compare ";
/// Status of an arm that ended itself because something hung.
pub(crate) const HUNG: i32 = 124;
const SIGKILL: i32 = 9;
/// What an arm may take if there is no hurry: it fills, measures and checks.
const ARM_SECONDS_MAX: f64 = 3_600.0;

/// What is to be run.
pub(crate) struct Contest<'c> {
    pub(crate) works: Vec<&'static Work>,
    pub(crate) runners: Vec<Runner>,
    pub(crate) rounds: usize,
    pub(crate) scale: Scale,
    /// When the run has to be over, if it has to.
    pub(crate) deadline: Option<Duration>,
    pub(crate) folder: &'c Folder,
}

/// The order of a round: each begins one further than the last, so that nobody always comes first, or always behind the
/// same neighbour's leftovers at the same place.
pub(crate) fn rotated(runners: &[Runner], round: usize) -> Vec<Runner> {
    let mut order = runners.to_vec();
    if !order.is_empty() {
        order.rotate_left(round % runners.len());
    }
    order
}

impl Contest<'_> {
    /// Runs everything that there is time for.
    pub(crate) fn run(&self) -> Result<Vec<Round>> {
        let began = Instant::now();
        let mut rounds = Vec::new();
        for (number, work) in (1..).zip(&self.works) {
            for round in 0..self.rounds {
                for runner in rotated(&self.runners, round) {
                    let came = match absence(work, runner) {
                        Some(_) if matches!(runner, Runner::Control(_)) => continue,
                        Some(why) => Came::Absent(why.to_owned()),
                        None => {
                            let Some(left) = self.left(began) else {
                                eprintln!(
                                    "\rout of time: {} works were not finished",
                                    self.works.len() - number + 1
                                );
                                return Ok(rounds);
                            };
                            self.announce(number, work, round, runner);
                            self.arm(work, runner, left)?
                        }
                    };
                    tell(work, runner, &came);
                    rounds.push(Round { work: work.name.to_owned(), round, runner, came });
                }
            }
        }
        eprint!("\r\x1b[K");
        Ok(rounds)
    }

    /// Seconds that an arm may take; nothing if there are too few left.
    fn left(&self, began: Instant) -> Option<f64> {
        let Some(deadline) = self.deadline else { return Some(ARM_SECONDS_MAX) };
        let left = deadline.saturating_sub(began.elapsed()).as_secs_f64();
        (left > 1.0).then_some(left)
    }

    fn announce(&self, number: usize, work: &Work, round: usize, runner: Runner) {
        let (works, rounds) = (self.works.len(), self.rounds);
        let line = format!(
            "work {number}/{works} {}, round {}/{rounds}: {}",
            work.name,
            round + 1,
            runner.name()
        );
        eprint!("\r\x1b[K{line}");
        let _ = std::io::stderr().flush();
    }

    fn arm(&self, work: &Work, runner: Runner, limit_seconds: f64) -> Result<Came> {
        let folder = self.folder.fresh("arm")?;
        let spec = Spec {
            runner,
            work: work.name.to_owned(),
            phase: Phase::Fill,
            folder: folder.clone(),
            scale: self.scale,
            limit_seconds,
        };
        let outcome = both_phases(work, &spec);
        std::fs::remove_dir_all(&folder)?;
        Ok(match outcome {
            Ok(outcome) => Came::Ran(outcome),
            Err(failure) => Came::Failed(failure.to_string()),
        })
    }
}

fn tell(work: &Work, runner: Runner, came: &Came) {
    match came {
        Came::Ran(outcome) => {
            eprint!(
                "\r\x1b[K{}: {}: {} {}",
                work.name,
                runner.name(),
                figure(outcome.value),
                work.unit.words()
            );
        }
        Came::Failed(how) => eprintln!("\r\x1b[K{}: {}: FAILED: {how}", work.name, runner.name()),
        Came::Absent(_) => {}
    }
}

fn both_phases(work: &Work, spec: &Spec) -> Result<Outcome> {
    if fills(work, spec.runner, &spec.scale) {
        let output = process(spec)?;
        if dies(work) {
            expect_killed(&output)?;
        } else {
            answer(&output).map_err(|failure| failure.during("filling the store"))?;
        }
    }
    answer(&process(&Spec { phase: Phase::Measure, ..spec.clone() })?)
}

/// Runs an arm in a process of its own.
fn process(spec: &Spec) -> Result<Output> {
    let program = std::env::current_exe()?;
    let child = Command::new(program)
        .arg("arm")
        .arg(serde_json::to_string(spec)?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .current_dir(spec.folder.parent().unwrap_or(Path::new("/")))
        .spawn()?;
    Ok(child.wait_with_output()?)
}

fn expect_killed(output: &Output) -> Result<()> {
    if output.status.signal() == Some(SIGKILL) {
        return Ok(());
    }
    Err(answer(output)
        .err()
        .unwrap_or(Failure::Refused)
        .during("the process should have been killed"))
}

/// What an arm has answered: the line that says so, or what it said as it failed.
fn answer(output: &Output) -> Result<Outcome> {
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().rev().find_map(|line| line.strip_prefix(ANSWER));
    match (line, output.status.success()) {
        (Some(line), true) => Ok(serde_json::from_str(line)?),
        _ if output.status.code() == Some(HUNG) => Err(Failure::new("it took longer than it may")),
        _ => {
            let complaint = String::from_utf8_lossy(&output.stderr);
            let last = complaint
                .lines()
                .rfind(|line| !line.trim().is_empty())
                .unwrap_or("it said nothing");
            Err(Failure::Failed(format!("{last} ({})", output.status)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::contestants::Contestant;

    #[test]
    fn each_runner_comes_first_once_and_every_round_has_all() {
        let all = [Contestant::Quipu, Contestant::Tephra, Contestant::Lmdb].map(Runner::Store);
        let orders: Vec<_> = (0..3).map(|round| rotated(&all, round)).collect();
        let firsts: BTreeSet<_> = orders.iter().map(|order| order[0]).collect();
        assert_eq!(firsts, BTreeSet::from(all));
        assert!(
            orders
                .iter()
                .all(|order| BTreeSet::from_iter(order.iter().copied()) == BTreeSet::from(all))
        );
        assert_eq!(rotated(&all, 3), all);
        assert!(rotated(&[], 2).is_empty());
    }

    #[test]
    fn an_answer_is_found_among_what_a_store_prints() {
        let outcome = Outcome::rate(10, 2.0);
        let line = format!("UmaDB opened\n{ANSWER}{}\n", serde_json::to_string(&outcome).unwrap());
        let output = |code: i32, stdout: &str, stderr: &str| Output {
            status: std::process::ExitStatus::from_raw(code),
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        assert_eq!(answer(&output(0, &line, "")).unwrap(), outcome);
        let failed = answer(&output(1 << 8, "", "noise\nposition 7 is gone\n")).unwrap_err();
        assert!(failed.to_string().contains("position 7 is gone"), "{failed}");
        let hung = answer(&output(HUNG << 8, &line, "")).unwrap_err();
        assert!(hung.to_string().contains("longer"), "{hung}");
        assert!(answer(&output(0, "no line", "")).is_err());
        assert!(expect_killed(&output(SIGKILL, "", "")).is_ok());
        assert!(expect_killed(&output(0, &line, "")).is_err());
    }
}
