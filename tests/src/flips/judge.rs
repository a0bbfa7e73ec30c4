//! What a damaged store may say.

use std::path::Path;
use std::sync::Arc;

use quipu::stepping::Stepper;
use quipu::{ErrorKind, Mode, Options, Store, salvage_on, verify_on};
use quipu_disk::{Disk, FaultDisk};

use super::Whole;
use super::asking::{Choice, Manner, unexplained};
use super::places::Remains;
use super::reading::{Found, View};
use super::salvaging::Salvaged;
use super::writing::{Concerned, Writer};
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::history::Seen;
use crate::subject::PATH;

/// No file of these stores is as large.
const READ_BYTES_MAX: usize = 1 << 20;
/// Where a salvage puts what it keeps.
const COPY: &str = "/salvaged";

/// What has come of judging a damaged store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Events that are told to be lost.
    pub(crate) lost: usize,
    /// Events that were appended after the damage; none where the store is refused for writing.
    pub(crate) appended: usize,
}

/// Has the store read in every way, verified, opened for writing, written and salvaged, each time as it was damaged.
///
/// # Errors
/// The first promise that this breaks.
pub(crate) fn judge(whole: &Whole) -> Checked<Judged> {
    let during = |what: &'static str| {
        move |broken: Violation| Violation::new(broken.rule, format!("{what}: {}", broken.detail))
    };
    let remains = whole.places.remains(&whole.disk, whole.is_closed);
    let view = View { events: &whole.events, places: &whole.places, remains: &remains };
    let found = read_it(whole, &view).map_err(during("reading"))?;
    verify_it(whole, &view, &found).map_err(during("verifying"))?;
    let appended = write_it(whole, &view, &found).map_err(during("writing"))?;
    salvage_it(whole, &view, &found).map_err(during("salvaging"))?;
    Ok(Judged { lost: found.lost.len(), appended })
}

/// A copy of the damaged store, on a disk of its own.
fn copy(whole: &Whole) -> FaultDisk {
    whole.disk.kill()
}

fn modest(disk: &FaultDisk) -> Checked {
    let largest = disk.largest_read();
    ensure(largest <= READ_BYTES_MAX, Rule::Unbounded, || format!("{largest} bytes read at once"))
}

/// Reads all of it, in every way.
fn read_it(whole: &Whole, view: &View<'_>) -> Checked<Found> {
    let disk = copy(whole);
    let opened = open_to_read(&disk, PATH, &whole.options);
    modest(&disk)?;
    let store = opened.map_err(|error| wrong(Rule::Opening, &error))?;
    let found = view.read(&store)?;
    modest(&disk)?;
    Ok(found)
}

fn open_to_read(disk: &FaultDisk, path: &str, options: &Options) -> quipu::Result<Store> {
    let options = Options { mode: Mode::ReadOnly, ..options.clone() };
    Store::builder(path).disk(Arc::new(disk.clone())).options(options).open()
}

fn verify_it(whole: &Whole, view: &View<'_>, found: &Found) -> Checked {
    let disk = copy(whole);
    let report = verify_on(&disk, Path::new(PATH), &mut |_| {});
    modest(&disk)?;
    let report = report.map_err(|error| wrong(Rule::Error, &error))?;
    view.losses_are_named(found, &report)?;
    view.files_are_named(&report, &disk)
}

/// Opens it for writing, which is refused, or gives all that reading gives. Then it is written, and all of that is there
/// when it is opened again.
fn write_it(whole: &Whole, view: &View<'_>, found: &Found) -> Checked<usize> {
    let disk = copy(whole);
    let opened = open_to_write(&disk, whole);
    modest(&disk)?;
    let stepper = match opened {
        Ok(stepper) => stepper,
        Err(error) if error.kind() == ErrorKind::Damaged => {
            let may_be = view.may_be_refused(whole);
            return ensure(may_be, Rule::Opening, || {
                format!("what was changed is known by an index: {error:?}")
            })
            .map(|()| 0);
        }
        Err(error) => return Err(wrong(Rule::Opening, &error)),
    };
    let next = stepper.next_position().0;
    let is_torn = view.remains.torn.is_some_and(|torn| next >= torn);
    ensure(next == view.events.len() as u64 || is_torn, Rule::Lost, || {
        format!("it goes on at {next}, {} events were durable", view.events.len())
    })?;
    let again = view.read(&stepper)?;
    ensure(again == *found, Rule::Undecided, || format!("{again:?} instead of {found:?}"))?;
    let is_known = view.are_keys_known(found, &whole.disk);
    let concerned = if is_known { Concerned::Some } else { Concerned::All };
    let mut writer = Writer::new(stepper, view, found, concerned);
    writer.write(&whole.commits())?;
    modest(&disk)?;
    let Writer { stepper, events, appended, .. } = writer;
    if whole.events.len().is_multiple_of(2) {
        stepper.close().map_err(|error| wrong(Rule::Error, &error))?;
    }
    drop(stepper);
    reopen(whole, view, (found, &events), concerned, &disk.kill()).map(|()| appended)
}

fn open_to_write(disk: &FaultDisk, whole: &Whole) -> quipu::Result<Stepper> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    Stepper::open(shared, Path::new(PATH), &whole.options)
}

/// What was acknowledged is there, beside what was found before; nothing else has changed.
fn reopen(
    whole: &Whole,
    view: &View<'_>,
    (found, events): (&Found, &[Seen]),
    concerned: Concerned,
    disk: &FaultDisk,
) -> Checked {
    let next = found.silent.first().copied().unwrap_or(view.events.len() as u64);
    let mut remains = Remains { torn: None, ..view.remains.clone() };
    remains.sound.retain(|&position| position < next);
    remains.sound.extend(next..events.len() as u64);
    let view = View { events, places: view.places, remains: &remains };
    let mut expected = Found { silent: Default::default(), ..found.clone() };
    expected.served.extend(next..events.len() as u64);
    let report = verify_on(disk, Path::new(PATH), &mut |_| {});
    view.losses_are_named(&expected, &report.map_err(|error| wrong(Rule::Error, &error))?)?;
    let again = match open_to_write(disk, whole) {
        Ok(stepper) => view.read(&stepper)?,
        // The index that knew of the lost events was found to be damaged too, and is gone.
        Err(error) if error.kind() == ErrorKind::Damaged && concerned == Concerned::All => {
            let store = open_to_read(disk, PATH, &whole.options);
            view.read(&store.map_err(|error| wrong(Rule::Opening, &error))?)?
        }
        Err(error) => return Err(wrong(Rule::Opening, &error)),
    };
    ensure(again == expected, Rule::Undecided, || format!("{again:?} instead of {expected:?}"))
}

/// Salvages it: whole commits are kept, in their order, and nothing else.
fn salvage_it(whole: &Whole, view: &View<'_>, found: &Found) -> Checked {
    view.salvaged(found, &whole.boundaries, (&salvage(whole)?, &whole.disk))
}

/// Salvages a copy of it, and reads and verifies what that has made.
pub(super) fn salvage(whole: &Whole) -> Checked<Salvaged> {
    let disk = copy(whole);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (from, to) = (Path::new(PATH), Path::new(COPY));
    let report = salvage_on(&shared, from, to, &whole.options, &mut |_| {});
    modest(&disk)?;
    let failed = |error: quipu::Error| wrong(Rule::Salvage, &error);
    let report = report.map_err(failed)?;
    let verified = verify_on(&disk, to, &mut |_| {}).map_err(failed)?;
    let store = open_to_read(&disk, COPY, &whole.options).map_err(failed)?;
    let told = Choice::All.ask(&store, Manner::Forward)?;
    Ok(Salvaged { report, events: told.delivered, verified })
}

fn wrong(rule: Rule, error: &quipu::Error) -> Violation {
    Violation::new(rule, unexplained(error).detail)
}
