//! Tries changes of the code that nobody may be wrong about: do the tests notice?
//!
//! cargo-mutants lists the changes and compiles each of them alone, which takes days. This puts all of a list into one
//! build, each behind a switch, asks of each test which of them it comes to, and then switches on one after the other
//! and runs the tests that come to it. What cannot be put there is named, and left to cargo-mutants.

#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "changes a copy of the tree and runs its tests; no store is touched"
)]

mod attempt;
mod list;
mod tree;
mod weave;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use attempt::Outcome;
use list::Change;
use tree::Tree;

const USAGE: &str = "usage: quipu-mutants --tree FOLDER --list FILE --package NAME --output FOLDER \
[--tests ARGUMENT]... [--leave-out TEST]... [--share K/N] [--seconds N] [--again N]";

/// In the results, a change that the first tests have not noticed: it is tried with more of them.
const UNSURE: &str = "unsure";

struct Asked {
    tree: PathBuf,
    list: PathBuf,
    package: String,
    output: PathBuf,
    /// What `cargo test` is given to choose the tests.
    tests: Vec<String>,
    leave_out: Vec<String>,
    share: (u32, u32),
    /// Of the tests that come to a change, the quickest, so many seconds of them.
    seconds: f32,
    /// The same for those that these have not noticed, once all have been tried.
    again: f32,
}

fn main() -> ExitCode {
    match asked(env::args().skip(1)).and_then(|asked| run(&asked)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn asked(mut words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked {
        tree: PathBuf::new(),
        list: PathBuf::new(),
        package: String::new(),
        output: PathBuf::new(),
        tests: Vec::new(),
        leave_out: Vec::new(),
        share: (0, 1),
        seconds: 60.0,
        again: 600.0,
    };
    while let Some(option) = words.next() {
        let value = words.next().ok_or(USAGE)?;
        match option.as_str() {
            "--tree" => asked.tree = value.into(),
            "--list" => asked.list = value.into(),
            "--package" => asked.package = value,
            "--output" => asked.output = value.into(),
            "--tests" => asked.tests.push(value),
            "--leave-out" => asked.leave_out.push(value),
            "--seconds" => asked.seconds = value.parse().map_err(|_| USAGE)?,
            "--again" => asked.again = value.parse().map_err(|_| USAGE)?,
            "--share" => {
                let share = value.split_once('/').ok_or(USAGE)?;
                let number = |text: &str| text.parse().map_err(|_| USAGE);
                asked.share = (number(share.0)?, number(share.1)?);
            }
            _ => return Err(USAGE.to_owned()),
        }
    }
    let given = [asked.tree.as_os_str(), asked.list.as_os_str(), asked.output.as_os_str()];
    if given.iter().any(|path| path.is_empty()) || asked.share.0 >= asked.share.1 {
        return Err(USAGE.to_owned());
    }
    Ok(asked)
}

/// Whether all changes that were tried were noticed.
fn run(asked: &Asked) -> Result<bool, String> {
    let of = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("{path}: {error}")
    };
    let changes = list::read(&fs::read_to_string(&asked.list).map_err(of(&asked.list))?)?;
    let Some(first) = changes.first() else { return Err("there is no change".to_owned()) };
    fs::create_dir_all(&asked.output).map_err(of(&asked.output))?;
    let output = fs::canonicalize(&asked.output).map_err(of(&asked.output))?;
    let mut tree = Tree::copy(&asked.tree, &output, &asked.package).map_err(of(&asked.tree))?;
    let woven = tree.weave(&changes, &asked.tests)?;
    let folder = tree.folder(first);
    let tests = attempt::look(&woven.programs, &folder, &asked.leave_out, &output)?;
    println!(
        "{} changes, {} of them in one build, {} tests",
        changes.len(),
        woven.changes.len(),
        tests.len()
    );

    let results = output.join("results.txt");
    let head = format!("tree {:x}", woven.fingerprint);
    let mut known = earlier(&results, &head);
    if known.is_empty() {
        fs::write(&results, format!("{head}\n")).map_err(of(&results))?;
    }
    let mut log = fs::OpenOptions::new().append(true).open(&results).map_err(of(&results))?;
    let (share, shares) = asked.share;
    let mine = |change: &&Change| change.number % shares == share;
    let tried: Vec<&Change> =
        changes.iter().filter(mine).filter(|c| woven.changes.contains(&c.number)).collect();
    for (seconds, missed) in [(asked.seconds, UNSURE), (asked.again, Outcome::Missed.word())] {
        for (done, change) in (1..).zip(&tried) {
            // Those of the first time, or those that it has left unsure.
            if known.get(&change.number).is_some_and(|word| word != UNSURE || missed == UNSURE) {
                continue;
            }
            let outcome = attempt::attempt(change.number, &tests, &folder, seconds)
                .map_err(|error| error.to_string())?;
            let word = if outcome == Outcome::Missed { missed } else { outcome.word() };
            writeln!(log, "{} {word} {}", change.number, change.name).map_err(of(&results))?;
            known.insert(change.number, word.to_owned());
            println!("{done} of {}: {word} {}", tried.len(), change.name);
        }
    }
    let left: Vec<&Change> =
        changes.iter().filter(mine).filter(|c| woven.left.contains(&c.number)).collect();
    finish(&output, &tried, &left, &known)
}

/// What was found out about the same tree before.
fn earlier(results: &Path, head: &str) -> BTreeMap<u32, String> {
    let text = fs::read_to_string(results).unwrap_or_default();
    let mut lines = text.lines();
    if lines.next() != Some(head) {
        return BTreeMap::new();
    }
    let known = lines.filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
    });
    known.collect()
}

/// Writes the lists and the summary; whether nothing was missed.
fn finish(
    output: &Path,
    tried: &[&Change],
    left: &[&Change],
    known: &BTreeMap<u32, String>,
) -> Result<bool, String> {
    let came = |outcome: Outcome| {
        let word = outcome.word();
        let is = move |change: &&&Change| known.get(&change.number).is_some_and(|w| w == word);
        tried.iter().filter(is).map(|change| change.name.as_str()).collect::<Vec<_>>()
    };
    let (caught, late) = (came(Outcome::Caught).len(), came(Outcome::Late).len());
    let unreached = came(Outcome::Unreached);
    let missed: Vec<&str> = came(Outcome::Missed).into_iter().chain(unreached.clone()).collect();
    let left: Vec<&str> = left.iter().map(|change| change.name.as_str()).collect();
    for (name, changes) in [("missed.txt", &missed), ("left.txt", &left)] {
        let lines: String = changes.iter().map(|change| format!("{change}\n")).collect();
        fs::write(output.join(name), lines).map_err(|error| format!("{name}: {error}"))?;
    }
    missed.iter().for_each(|change| println!("missed: {change}"));
    println!(
        "{} tried: {caught} failed a test, {late} took too long, {} were missed, {} of these by all tests alike; \
         {} are left to cargo-mutants",
        tried.len(),
        missed.len(),
        unreached.len(),
        left.len()
    );
    Ok(missed.is_empty())
}
