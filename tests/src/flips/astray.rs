//! A write of a running store that goes astray.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use quipu::{ReadMode, verify_on};
use quipu_disk::{Fault, FaultDisk, FaultKind};

use super::asking::unexplained;
use super::{Harm, Rest, Whole, come_to_rest, judge, options, write};
use crate::checker::{Checked, Rule, Violation};
use crate::random::Random;
use crate::segments::is_index;
use crate::simulator::panicked;
use crate::subject::{PATH, Subject};

/// Lets one operation of a running store go astray if it is a write, all of it determined by the seed. Gives how many
/// events are told to be lost by that: none where it is no write, or what it overwrites is not missed.
///
/// # Errors
/// The promise that was broken.
pub fn run_astray(seed: u64) -> Checked<usize> {
    let tried = catch_unwind(AssertUnwindSafe(|| astray(&mut Random::new(seed))));
    tried.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

fn astray(random: &mut Random) -> Checked<usize> {
    let (life, disk) = (random.number(), random.number());
    let options = options(if random.percent(50) { ReadMode::Map } else { ReadMode::Pread });
    let rest = if random.percent(50) { Rest::Closed } else { Rest::Killed };
    let mut boundaries = BTreeSet::from([0]);
    let mut right = Subject::new(FaultDisk::new(disk), options.clone());
    write(&mut right, &mut Random::new(life), &mut boundaries)?;
    // Of a store that was not closed, the last write alone says that those before it are durable.
    let operations = right.disk().operations();
    come_to_rest(&mut right, rest)?;
    let at = random.below(operations as usize) as u64;
    let mut wrong = Subject::new(FaultDisk::new(disk), options);
    wrong.disk().plan(Fault { at, kind: FaultKind::Astray, sticky: false });
    let harm = Harm::Stray { at };
    let during =
        |broken: Violation| Violation::new(broken.rule, format!("{harm}: {}", broken.detail));
    // Nothing that was written is read again until somebody asks for it.
    write(&mut wrong, &mut Random::new(life), &mut BTreeSet::new()).map_err(during)?;
    come_to_rest(&mut wrong, rest).map_err(during)?;
    let disk = unmisled(wrong.disk()).map_err(during)?;
    let right = Whole::of(&mut right, boundaries, rest)?;
    let places = right.places.of_log();
    let whole = Whole { disk, places, ..right };
    judge(&whole).map(|judged| judged.lost).map_err(during)
}

/// The disk, without index files where one is damaged: a writer believes what it has open, as `docs/FAULT_MODEL.md` tells,
/// so others may rest on one that was written over, and nobody could tell.
fn unmisled(disk: &FaultDisk) -> Checked<FaultDisk> {
    let disk = disk.kill();
    let report = verify_on(&disk, Path::new(PATH), &mut |_| {});
    let report = report.map_err(|error| unexplained(&error))?;
    if report.findings.iter().any(|finding| is_index(&finding.file)) {
        for file in disk.files().iter().filter(|file| is_index(file)) {
            disk.erase(file).map_err(|error| Violation::new(Rule::Nonsense, error.to_string()))?;
        }
    }
    Ok(disk)
}
