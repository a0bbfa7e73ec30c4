//! How a process that writes or reads may end, and what it may say before.

use quipu::ReadMode;

use crate::child::{self, Told};
use crate::ledger;
use crate::writer::Said;

/// The signal of a map whose page cannot be read.
const SIGBUS: i32 = 7;
/// The signal by which this program ends a process.
const SIGKILL: i32 = 9;
/// What a commit may be answered where something fails.
const ANSWERS: [&str; 3] = ["unknown-outcome", "poisoned", "io"];
/// The answers after which nothing is written any more.
const LAST_ANSWERS: [&str; 2] = ["unknown-outcome", "poisoned"];
/// What a reader may be told.
const READINGS: [&str; 2] = ["io", "damaged"];

/// What was done to a process, or to the disk under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Nothing: it goes on until it is killed.
    None,
    /// Reads fail.
    Reads(ReadMode),
    /// Writes or flushes fail.
    Writes,
    /// Something failed under another process before, and the file system may have stopped at it.
    Before,
    /// The power was cut.
    PowerCut,
}

impl Harm {
    /// Whether a map may end the process.
    fn is_of_maps(self) -> bool {
        matches!(self, Harm::Reads(ReadMode::Map) | Harm::PowerCut)
    }

    /// What who opens a store for writing may be told.
    fn openings(self) -> &'static [&'static str] {
        match self {
            Harm::None => &[],
            Harm::Reads(_) => &["io", "damaged"],
            Harm::Writes | Harm::Before | Harm::PowerCut => &["io"],
        }
    }
}

/// What became of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Whole,
    Told,
    ByMap,
}

impl Said {
    /// The writer ended as one does to whom this was done: each line is one that it may say, and where it ended by
    /// itself it said why. Once nothing is written any more, each thread tells at most of the commit that was
    /// acknowledged just before.
    ///
    /// # Errors
    /// What it should not have said or done.
    pub(crate) fn is_orderly(&self, harm: Harm) -> Result<(), String> {
        let ends = match (self.status.code(), self.signal()) {
            (Some(1), _) => harm != Harm::None && self.says_why(),
            (_, Some(SIGKILL)) => true,
            (_, Some(SIGBUS)) => harm.is_of_maps(),
            _ => false,
        };
        if !ends {
            return Err(format!("{harm:?}: a writer ended with {:?}", self.other()));
        }
        let (mut over, mut late) = (false, Vec::new());
        for (at, line) in self.lines.iter().enumerate() {
            if let Some(told) = Told::parse(line) {
                let thread = child::origin(told.id).0 % child::WRITERS;
                if over && late.contains(&thread) {
                    return Err(format!("{told:?} was acknowledged after {:?}", self.other()));
                }
                late.extend(over.then_some(thread));
                continue;
            }
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "opening" => answers(rest, harm.openings()),
                "error" if harm != Harm::None => answers(rest, &ANSWERS),
                "again" if harm != Harm::None && over => answers(rest, &["poisoned"]),
                // What could not be read is asked for again; what can be by then may be the first to be written.
                "again" if harm != Harm::None => answers(rest, &ANSWERS),
                // It was killed within a line.
                _ if self.signal() == Some(SIGKILL)
                    && at + 1 == self.lines.len()
                    && is_part(line) =>
                {
                    Ok(())
                }
                _ => Err(format!("a writer said {line}")),
            }
            .map_err(|why| format!("{harm:?}: {why}"))?;
            over |= word == "error" && answers(rest, &LAST_ANSWERS).is_ok();
        }
        Ok(())
    }

    /// Whether a map ended it.
    pub(crate) fn by_map(&self) -> bool {
        self.signal() == Some(SIGBUS)
    }

    /// Whether it said that it could not open the store, or what its threads were answered, and a commit after all of
    /// them.
    fn says_why(&self) -> bool {
        let told = self.told().len();
        let count = |word| self.after(word).count() as u64;
        match (count("opening"), count("error"), count("again")) {
            (1, 0, 0) => told == 0,
            (0, errors, 1) => (1..=child::WRITERS).contains(&errors),
            _ => false,
        }
    }

    /// The reader read all of these events, or was told why not.
    ///
    /// # Errors
    /// What it should not have said or done.
    pub(crate) fn is_read(&self, ids: &[u64], harm: Harm) -> Result<Answer, String> {
        let unharmed =
            || format!("{harm:?}, {} events: a reader ended with {:?}", ids.len(), self.other());
        for line in &self.lines {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "error" => answers(rest, &READINGS)?,
                "lost" | "whole" => panics(line)?,
                _ => return Err(format!("a reader said {line}")),
            }
        }
        let answer = match (self.status.code(), self.signal()) {
            (Some(0), _) => self.has_read(ids)?,
            (Some(1), _) if self.after("error").next().is_some() => Answer::Told,
            _ if self.by_map() && harm.is_of_maps() => Answer::ByMap,
            _ => return Err(unharmed()),
        };
        if harm == Harm::None && answer != Answer::Whole { Err(unharmed()) } else { Ok(answer) }
    }

    /// What was read is the beginning of what was there. If it is not all, the opening named what is lost from there
    /// on, or may be.
    fn has_read(&self, ids: &[u64]) -> Result<Answer, String> {
        let told = || format!("{} events, and {:?}", ids.len(), self.other());
        let numbers = |line: &str| {
            let (first, second) = line.split_once(' ')?;
            Some((first.parse::<usize>().ok()?, second.parse::<u64>().ok()?))
        };
        let (read, sum) = self.after("whole").last().and_then(numbers).ok_or_else(told)?;
        if ids.get(..read).map(ledger::sum) != Some(sum) {
            return Err(format!("not the events that are there: {}", told()));
        }
        let starts = |line: &str| line.split_once(' ')?.0.parse::<usize>().ok();
        let excused = self.after("lost").filter_map(starts).any(|start| start <= read);
        if read < ids.len() && !excused {
            return Err(format!("not all of the events, and no error: {}", told()));
        }
        let complained = ["error", "lost"].iter().any(|word| self.after(word).next().is_some());
        Ok(if complained { Answer::Told } else { Answer::Whole })
    }
}

/// The beginning of a line that tells of a commit.
fn is_part(line: &str) -> bool {
    line.bytes().all(|byte| byte.is_ascii_digit() || byte == b' ')
}

/// An error is one of those that may come, and none of a panic.
fn answers(line: &str, codes: &[&str]) -> Result<(), String> {
    panics(line)?;
    let code = line.split(':').next().unwrap_or_default();
    if codes.contains(&code) { Ok(()) } else { Err(format!("the answer was {line}")) }
}

fn panics(line: &str) -> Result<(), String> {
    if line.contains("panicked") { Err(line.to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    /// As the system tells of a process that has ended with status 1.
    const FAILED: i32 = 1 << 8;
    const ALL: [Harm; 6] = [
        Harm::None,
        Harm::Reads(ReadMode::Map),
        Harm::Reads(ReadMode::Pread),
        Harm::Writes,
        Harm::Before,
        Harm::PowerCut,
    ];

    fn said(status: i32, lines: &[&str]) -> Said {
        let lines = lines.iter().map(|&line| line.to_owned()).collect();
        Said { lines, status: ExitStatus::from_raw(status) }
    }

    fn acknowledged(writer: u64, number: u64) -> String {
        format!("{number} {}.", child::first_id(1, writer, number))
    }

    #[test]
    fn a_writer_to_whom_nothing_was_done_says_nothing_else_and_is_killed() {
        let line = acknowledged(0, 0);
        said(SIGKILL, &[]).is_orderly(Harm::None).unwrap();
        said(SIGKILL, &[&line, "17 1234"]).is_orderly(Harm::None).unwrap();
        for wrong in [
            said(0, &[&line]),
            said(FAILED, &[&line]),
            said(FAILED, &["opening io: refused"]),
            said(SIGBUS, &[&line]),
            said(101 << 8, &[&line]),
            said(SIGKILL, &["17 1234", &line]),
            said(SIGKILL, &[&line, "error poisoned: not written"]),
            said(SIGKILL, &[&line, "something else"]),
        ] {
            assert!(wrong.is_orderly(Harm::None).is_err(), "{:?}", wrong.other());
        }
    }

    #[test]
    fn a_writer_that_ends_by_itself_says_why_as_it_may_where_that_was_done() {
        let errors =
            ["error unknown-outcome: a", "error poisoned: b", "error io: c", "error poisoned: d"];
        let all = [&errors[..], &["again poisoned: e"]].concat();
        for harm in ALL.into_iter().filter(|&harm| harm != Harm::None) {
            said(FAILED, &all).is_orderly(harm).unwrap();
            said(FAILED, &["opening io: refused"]).is_orderly(harm).unwrap();
            for again in ["again io: c", "again unknown-outcome: d"] {
                said(FAILED, &["error io: c", again]).is_orderly(harm).unwrap();
            }
            let by_map = said(SIGBUS, &[]).is_orderly(harm).is_ok();
            assert_eq!(by_map, [Harm::Reads(ReadMode::Map), Harm::PowerCut].contains(&harm));
            let damaged = said(FAILED, &["opening damaged: here"]).is_orderly(harm).is_ok();
            assert_eq!(damaged, matches!(harm, Harm::Reads(_)));
            for wrong in [
                said(FAILED, &[]),
                said(FAILED, &errors),
                said(FAILED, &all[errors.len()..]),
                said(FAILED, &[&errors[..1], &all].concat()),
                said(FAILED, &["opening conflict: no"]),
                said(FAILED, &["opening io: a thread panicked"]),
                said(FAILED, &[&errors[..], &["again done"]].concat()),
                said(FAILED, &[&errors[..], &["again io: e"]].concat()),
                said(SIGKILL, &["error conflict: no"]),
            ] {
                assert!(wrong.is_orderly(harm).is_err(), "{:?}", wrong.other());
            }
        }
    }

    #[test]
    fn a_thread_that_is_acknowledged_twice_after_the_store_has_failed_is_found() {
        let [first, second, other] = [(0, 0), (0, 1), (1, 0)].map(|(w, n)| acknowledged(w, n));
        let told = |error, lines: [&str; 2]| {
            said(SIGKILL, &[&[error][..], &lines].concat()).is_orderly(Harm::Writes).is_ok()
        };
        assert!(told("error poisoned: a", [&first, &other]));
        assert!(!told("error poisoned: a", [&first, &second]));
        assert!(!told("error unknown-outcome: a", [&first, &second]));
        // Who could not look for an id, or for a head, is alone with that.
        assert!(told("error io: a", [&first, &second]));
    }

    #[test]
    fn a_reader_that_is_shown_less_or_something_else_is_told_so() {
        let ids = [7, 8, 9];
        let whole = |count: usize, of: &[u64]| format!("whole {count} {}", ledger::sum(of));
        let (all, two, other) = (whole(3, &ids), whole(2, &ids[..2]), whole(3, &[7, 9, 8]));
        let harm = Harm::Reads(ReadMode::Pread);
        let read = |status, lines: &[&str], harm| said(status, lines).is_read(&ids, harm).ok();
        assert_eq!(read(0, &[&all], Harm::None), Some(Answer::Whole));
        assert_eq!(read(0, &["error io: a", &all], harm), Some(Answer::Told));
        assert_eq!(read(0, &["error io: a", &all], Harm::None), None);
        assert_eq!(read(0, &["lost 2 the end", &two], harm), Some(Answer::Told));
        assert_eq!(read(0, &["lost 3 the end", &two], harm), None);
        assert_eq!(read(0, &[&two], harm), None);
        assert_eq!(read(0, &["lost 0 the end", &other], harm), None);
        assert_eq!(read(0, &[], harm), None);
        assert_eq!(read(FAILED, &["error damaged: a"], harm), Some(Answer::Told));
        assert_eq!(read(FAILED, &["error damaged: a"], Harm::None), None);
        assert_eq!(read(FAILED, &["error closed: a"], harm), None);
        assert_eq!(read(FAILED, &["wrong event"], harm), None);
        assert_eq!(read(SIGBUS, &[], Harm::Reads(ReadMode::Map)), Some(Answer::ByMap));
        assert_eq!(read(SIGBUS, &[], harm), None);
    }
}
