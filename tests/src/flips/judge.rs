//! What a damaged store may say.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use quipu::stepping::Stepper;
use quipu::{ErrorKind, Events, Mode, Store, salvage_on, verify_on};
use quipu_disk::{Disk, FaultDisk};

use super::Whole;
use super::harm::Harm;
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::content;
use crate::history::Seen;
use crate::subject::PATH;

/// No file of these stores is as large.
const READ_BYTES_MAX: usize = 1 << 20;
/// Where a salvage puts what it keeps.
const COPY: &str = "/salvaged";

/// What somebody was given and told.
struct Told {
    delivered: BTreeSet<u64>,
    lost: BTreeSet<u64>,
}

/// Has the store read, verified, opened for writing and salvaged, each time as it was damaged. Gives how many events are
/// told to be lost.
///
/// # Errors
/// The first promise that this breaks.
pub(crate) fn judge(whole: &Whole, harm: &Harm) -> Checked<usize> {
    let during = |what: &'static str| {
        move |broken: Violation| Violation::new(broken.rule, format!("{what}: {}", broken.detail))
    };
    let lost = read_it(whole).map_err(during("reading"))?;
    let is_flip = matches!(harm, Harm::Flip { .. });
    verify_it(whole, &lost, is_flip).map_err(during("verifying"))?;
    write_it(whole).map_err(during("writing"))?;
    salvage_it(whole).map_err(during("salvaging"))?;
    Ok(lost.len())
}

/// A copy of the damaged store, on a disk of its own.
fn copy(whole: &Whole) -> FaultDisk {
    whole.disk.kill()
}

fn modest(disk: &FaultDisk) -> Checked {
    let largest = disk.largest_read();
    ensure(largest <= READ_BYTES_MAX, Rule::Unbounded, || format!("{largest} bytes read at once"))
}

/// Reads all of it. Gives the positions that are told to be lost.
fn read_it(whole: &Whole) -> Checked<BTreeSet<u64>> {
    let disk = copy(whole);
    let mut options = whole.options.clone();
    options.mode = Mode::ReadOnly;
    let builder = Store::builder(PATH).disk(Arc::new(disk.clone())).options(options);
    let opened = builder.open();
    modest(&disk)?;
    let store = opened.map_err(|error| wrong(Rule::Opening, &error))?;
    let events = store.all().events();
    let told = read(whole, &disk, events)?;
    // Where nobody knows what a segment held, the opening says that it is gone.
    let unknown = !store.opening().lost.is_empty();
    told.is_all_or_told(whole, unknown)?;
    Ok(told.lost)
}

/// Reads to the end: what comes is as it was written, and the rest is told to be damaged.
fn read(whole: &Whole, disk: &FaultDisk, events: quipu::Result<Events>) -> Checked<Told> {
    modest(disk)?;
    let mut events = events.map_err(|error| wrong(Rule::Error, &error))?;
    let mut told = Told { delivered: BTreeSet::new(), lost: BTreeSet::new() };
    loop {
        let next = events.next().map(|event| event.map(|event| content::seen(&event)));
        modest(disk)?;
        match next {
            Ok(Some(seen)) => told.delivered(whole, &seen)?,
            Ok(None) => return Ok(told),
            Err(error) => match error.damage() {
                Some(damage) => {
                    told.lost.extend(damage.positions.start.0..damage.positions.end.0);
                }
                None => return Err(wrong(Rule::Error, &error)),
            },
        }
    }
}

impl Told {
    fn delivered(&mut self, whole: &Whole, seen: &Seen) -> Checked {
        let written = usize::try_from(seen.position).ok().and_then(|at| whole.events.get(at));
        ensure(written == Some(seen), Rule::Bytes, || {
            format!("{seen:?} was delivered, {written:?} was written")
        })?;
        ensure(self.delivered.insert(seen.position), Rule::Twice, || {
            format!("position {} was delivered twice", seen.position)
        })
    }

    /// Nothing is left out in silence; `unknown` says that there may be more that is lost.
    fn is_all_or_told(&self, whole: &Whole, unknown: bool) -> Checked {
        let both = self.delivered.intersection(&self.lost).next();
        ensure(both.is_none(), Rule::Reading, || format!("{both:?} is served, and called lost"))?;
        let silent = (0..whole.events.len() as u64)
            .find(|position| !self.delivered.contains(position) && !self.lost.contains(position));
        ensure(silent.is_none() || unknown, Rule::Lost, || {
            format!("nobody is told of {silent:?}, of {} events", whole.events.len())
        })
    }
}

/// Verifies it: what readers miss is damage, and of a flipped bit nothing else is called lost.
fn verify_it(whole: &Whole, lost: &BTreeSet<u64>, is_flip: bool) -> Checked {
    let disk = copy(whole);
    let report = verify_on(&disk, Path::new(PATH), &mut |_| {});
    modest(&disk)?;
    let report = report.map_err(|error| wrong(Rule::Error, &error))?;
    let ranges = report.findings.iter().map(|finding| &finding.positions);
    let named: BTreeSet<u64> = ranges.flat_map(|range| range.start.0..range.end.0).collect();
    let agrees = lost.is_empty() || !report.is_sound() && (!is_flip || named == *lost);
    ensure(agrees, Rule::Verification, || {
        format!("readers miss {lost:?}, verification {:?}", report.findings)
    })
}

/// Opens it for writing, which is refused, or gives all that reading gives.
fn write_it(whole: &Whole) -> Checked {
    let disk = copy(whole);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let opened = Stepper::open(shared, Path::new(PATH), &whole.options);
    modest(&disk)?;
    let stepper = match opened {
        Ok(stepper) => stepper,
        Err(error) if error.kind() == ErrorKind::Damaged => return Ok(()),
        Err(error) => return Err(wrong(Rule::Opening, &error)),
    };
    let told = read(whole, &disk, stepper.all().events())?;
    told.is_all_or_told(whole, false)?;
    let next = stepper.next_position().0;
    ensure(next == whole.events.len() as u64, Rule::Lost, || {
        format!("it goes on at {next}, {} events were durable", whole.events.len())
    })
}

/// Salvages it: whole commits are kept, in their order, and nothing else.
fn salvage_it(whole: &Whole) -> Checked {
    let disk = copy(whole);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (from, to) = (Path::new(PATH), Path::new(COPY));
    let salvaged = salvage_on(&shared, from, to, &whole.options, &mut |_| {});
    modest(&disk)?;
    salvaged.map_err(|error| wrong(Rule::Salvage, &error))?;
    let opened = Store::builder(COPY).disk(shared).mode(Mode::ReadOnly).open();
    let kept = opened.and_then(|store| {
        let mut events = store.all().events()?;
        let mut kept = Vec::new();
        while let Some(event) = events.next()? {
            kept.push(content::seen(&event));
        }
        Ok(kept)
    });
    let kept = kept.map_err(|error| wrong(Rule::Salvage, &error))?;
    are_whole_commits(whole, &kept)
}

/// Whether these are events that were written, in their order, and with each all others of its commit. Positions and
/// versions may have moved.
fn are_whole_commits(whole: &Whole, kept: &[Seen]) -> Checked {
    let mut written = whole.events.iter();
    let mut positions = BTreeSet::new();
    for seen in kept {
        let same = |event: &&Seen| {
            (event.id, event.stream, event.digest, event.recorded)
                == (seen.id, seen.stream, seen.digest, seen.recorded)
        };
        let Some(event) = written.find(same) else {
            return Err(Violation::new(Rule::Salvage, format!("{seen:?} was not written there")));
        };
        positions.insert(event.position);
    }
    let torn = (1..whole.events.len() as u64).find(|position| {
        let in_commit = !whole.boundaries.contains(position);
        in_commit && positions.contains(position) != positions.contains(&(position - 1))
    });
    ensure(torn.is_none(), Rule::Torn, || {
        format!("of the commit around position {torn:?} a part is kept")
    })
}

fn wrong(rule: Rule, error: &quipu::Error) -> Violation {
    Violation::new(rule, format!("{error:?}"))
}
