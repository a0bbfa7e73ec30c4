//! Stores of which one file is the input: opened, read, verified, salvaged and written to.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use quipu::stepping::{Part, Step, Stepper, Waiting};
use quipu::{
    Appended, Durability, Error, ErrorKind, Events, ExpectedVersion, Mode, NewEvent, Options,
    Store, Ticket, VerifyReport, salvage_on, verify_on,
};
use quipu_disk::{Disk, FaultDisk};
use quipu_format::PAGE_BYTES;
use quipu_format::manifest::{FIRST_EDIT, ManifestHeader};
use quipu_format::segment::{FIRST_FRAME, SegmentHeader};

use super::input::Input;
use super::{Judged, ensure, mend};
use crate::flips::{Rest, Whole};
use crate::segments::{is_index, segments};
use crate::subject::PATH;

/// Of the first byte: what the input stands for. With none of the bits it is what follows the header page of a file,
/// of a store that was killed, taken as it is.
pub(super) const MENDED: u8 = 1;
/// The header page is in the input too.
pub(super) const WHOLE: u8 = 2;
/// The store was closed.
pub(super) const CLOSED: u8 = 4;
/// The store has no index files.
pub(super) const NO_INDEX: u8 = 8;

/// Where a salvage puts what it keeps.
const COPY: &str = "/salvaged";
/// The stream that is appended to.
const STREAM: &str = "fuzzed-1";
/// What the seeds of the two stores are; a store of other events would make other inputs of the corpus.
const SEEDS: [u64; 2] = [3, 5];
/// Steps after which a commit has an answer.
const STEPS_MAX: usize = 400;
/// Calls to the disk after which whoever reads or writes a store of a few files is done.
const OPERATIONS_MAX: u64 = 20_000;

static STORES: LazyLock<[Option<Whole>; 2]> = LazyLock::new(|| {
    [(SEEDS[0], Rest::Killed), (SEEDS[1], Rest::Closed)]
        .map(|(seed, rest)| Whole::sample(seed, rest))
});

/// The store that a first byte asks for.
pub(super) fn sample(manner: u8) -> Option<&'static Whole> {
    STORES[usize::from(manner & CLOSED != 0)].as_ref()
}

/// A segment's file: the second byte says which.
pub(super) fn segment(input: &[u8]) -> Judged {
    let mut input = Input::new(input);
    let (manner, number) = (input.byte(), input.byte());
    let whole = sample(manner).ok_or("there is no store to begin with")?;
    let files = segments(&whole.disk);
    let Some(file) = files.get(usize::from(number) % files.len().max(1)) else { return Ok(()) };
    let mut bytes = replaced(whole, file, manner, input.rest())?;
    if manner & MENDED != 0 {
        mend::page(&mut bytes);
        if let Ok(header) = SegmentHeader::decode(&bytes) {
            mend::frames(&mut bytes, header.salt, FIRST_FRAME);
        }
    }
    ask(whole, file, manner, &bytes)
}

/// The manifest.
pub(super) fn manifest(input: &[u8]) -> Judged {
    let mut input = Input::new(input);
    let manner = input.byte();
    let whole = sample(manner).ok_or("there is no store to begin with")?;
    let file = Path::new(PATH).join("manifest");
    let mut bytes = replaced(whole, &file, manner, input.rest())?;
    if manner & MENDED != 0 {
        mend::page(&mut bytes);
        if let Ok(header) = ManifestHeader::decode(&bytes) {
            mend::edits(&mut bytes, header.salt, FIRST_EDIT);
        }
    }
    ask(whole, &file, manner, &bytes)
}

/// The bytes of a file, with the input in their place and zeros behind it, up to the size that it has.
fn replaced(whole: &Whole, file: &Path, manner: u8, input: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = whole.disk.contents(file).map_err(|error| error.to_string())?;
    let (size, from) = (bytes.len(), if manner & WHOLE == 0 { PAGE_BYTES as usize } else { 0 });
    bytes.truncate(from);
    bytes.extend_from_slice(input);
    bytes.resize(bytes.len().max(size), 0);
    Ok(bytes)
}

/// A store of hostile files.
struct Hostile {
    disk: FaultDisk,
    options: Options,
    /// No store of these bytes has more events.
    events_max: u64,
}

fn ask(whole: &Whole, file: &Path, manner: u8, bytes: &[u8]) -> Judged {
    let disk = whole.disk.kill();
    disk.put(file, bytes).map_err(|error| error.to_string())?;
    if manner & NO_INDEX != 0 {
        for index in disk.files().iter().filter(|file| is_index(file)) {
            disk.remove(index).map_err(|error| error.to_string())?;
        }
    }
    let sizes = disk.files().into_iter().filter_map(|file| disk.contents(&file).ok());
    let events_max = sizes.map(|bytes| bytes.len() as u64 / 32).sum();
    let hostile = Hostile { disk, options: whole.options.clone(), events_max };
    let report = hostile.verify().map_err(during("verifying"))?;
    let sound = report.filter(VerifyReport::is_sound);
    hostile.read(sound.as_ref()).map_err(during("reading"))?;
    hostile.salvage().map_err(during("salvaging"))?;
    hostile.write(sound.is_some()).map_err(during("writing"))
}

fn during(what: &'static str) -> impl Fn(String) -> String {
    move |wrong| format!("{what}: {wrong}")
}

/// What may be said of hostile files.
fn typed(error: &Error) -> Judged {
    use ErrorKind::{Damaged, NoStore, Unsupported};
    ensure(matches!(error.kind(), Damaged | Unsupported | NoStore), || format!("{error:?}"))
}

impl Hostile {
    /// A copy, on a disk of its own.
    fn copy(&self) -> FaultDisk {
        self.disk.kill()
    }

    fn verify(&self) -> Result<Option<VerifyReport>, String> {
        let disk = self.copy();
        match verify_on(&disk, Path::new(PATH), &mut |_| {}) {
            Ok(report) => bounded(&disk).map(|()| Some(report)),
            Err(error) => typed(&error).map(|()| None),
        }
    }

    /// Reads all of it, both ways and by stream. What verifies is read without an error.
    fn read(&self, sound: Option<&VerifyReport>) -> Judged {
        let disk = self.copy();
        let store = match open(&disk, &self.options, PATH) {
            Ok(store) => store,
            Err(error) if sound.is_none() => return typed(&error),
            Err(error) => return Err(format!("verified, and does not open: {error:?}")),
        };
        let forward = self.walk(store.all().events(), |before, position| before < position)?;
        let backward =
            self.walk(store.all().backward().events(), |before, position| before > position)?;
        let mut streams = forward.streams.clone();
        streams.dedup();
        for stream in streams.iter().take(4) {
            self.walk(store.stream(stream).events(), |before, position| before < position)?;
        }
        if let Some(report) = sound {
            let told = |walked: &Walked| (walked.errors, walked.streams.len() as u64);
            ensure(told(&forward) == (0, report.events), || {
                format!("verified with {} events: {:?} read forward", report.events, told(&forward))
            })?;
            ensure(told(&backward) == (0, report.events), || {
                format!(
                    "verified with {} events: {:?} read backward",
                    report.events,
                    told(&backward)
                )
            })?;
        }
        bounded(&disk)
    }

    fn walk(
        &self,
        events: quipu::Result<Events>,
        in_order: impl Fn(u64, u64) -> bool,
    ) -> Result<Walked, String> {
        let mut walked = Walked::default();
        let mut events = match events {
            Ok(events) => events,
            Err(error) => return typed(&error).map(|()| Walked { errors: 1, ..walked }),
        };
        let mut last = None;
        for _ in 0..=2 * self.events_max {
            match events.next() {
                Ok(Some(event)) => {
                    let position = event.position().0;
                    ensure(last.is_none_or(|last| in_order(last, position)), || {
                        format!("position {position} behind {last:?}")
                    })?;
                    last = Some(position);
                    walked.streams.push(event.stream().to_owned());
                }
                Ok(None) => return Ok(walked),
                Err(error) => {
                    typed(&error)?;
                    walked.errors += 1;
                }
            }
        }
        Err(format!("no end after {} events and errors", 2 * self.events_max))
    }

    /// What a salvage keeps is a sound store.
    fn salvage(&self) -> Judged {
        let disk = self.copy();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let (from, to) = (Path::new(PATH), Path::new(COPY));
        let report = match salvage_on(&shared, from, to, &self.options, &mut |_| {}) {
            Ok(report) => report,
            Err(error) => return typed(&error),
        };
        let verified = verify_on(&disk, to, &mut |_| {}).map_err(|error| format!("{error:?}"))?;
        let is_whole = verified.findings.is_empty() && verified.closed_cleanly;
        ensure(is_whole && verified.events == report.events, || {
            format!("{report:?} {verified:?}")
        })?;
        let store = open(&disk, &self.options, COPY).map_err(|error| format!("{error:?}"))?;
        let kept = self.walk(store.all().events(), |before, position| before + 1 == position)?;
        ensure((kept.errors, kept.streams.len() as u64) == (0, report.events), || {
            format!("{report:?}, and {} errors of {} events", kept.errors, kept.streams.len())
        })?;
        bounded(&disk)
    }

    /// What opens for writing takes an event, and gives it back, also when it is opened again.
    fn write(&self, is_sound: bool) -> Judged {
        let disk = self.copy();
        let stepper = match stepper(&disk, &self.options) {
            Ok(stepper) => stepper,
            // What only a newer version may write to verifies and is read.
            Err(error) if !is_sound || error.kind() == ErrorKind::Unsupported => {
                return typed(&error);
            }
            Err(error) => return Err(format!("verified, and does not open: {error:?}")),
        };
        let Some(appended) = append(&stepper)? else { return bounded(&disk) };
        is_there(&stepper, &appended)?;
        stepper.close().map_err(|error| format!("closing: {error:?}"))?;
        drop(stepper);
        let again = self::stepper(&disk, &self.options);
        let again = again.map_err(|error| format!("opening again: {error:?}"))?;
        is_there(&again, &appended)?;
        ensure(again.next_position().0 == appended.position.0 + 1, || {
            format!("{appended:?}, and then {}", again.next_position())
        })?;
        bounded(&disk)
    }
}

/// What came of reading to the end.
#[derive(Default)]
struct Walked {
    /// The stream of each event.
    streams: Vec<String>,
    errors: u64,
}

fn bounded(disk: &FaultDisk) -> Judged {
    let operations = disk.operations();
    ensure(operations <= OPERATIONS_MAX, || format!("{operations} calls to the disk"))
}

fn open(disk: &FaultDisk, options: &Options, path: &str) -> quipu::Result<Store> {
    let options = Options { mode: Mode::ReadOnly, ..options.clone() };
    Store::builder(path).disk(Arc::new(disk.clone())).options(options).open()
}

fn stepper(disk: &FaultDisk, options: &Options) -> quipu::Result<Stepper> {
    Stepper::open(Arc::new(disk.clone()), Path::new(PATH), options)
}

/// Appends an event. None, where the store says that it is damaged.
fn append(stepper: &Stepper) -> Result<Option<Appended>, String> {
    let event = NewEvent::new("Fuzzed", STREAM.as_bytes());
    let part = Part { stream: STREAM, expected: ExpectedVersion::Any, events: vec![event] };
    let mut waiting = Waiting::default();
    for _ in 0..STEPS_MAX {
        let parts = std::slice::from_ref(&part);
        match stepper.place(parts, None, Durability::Sync, &mut waiting) {
            Ok(Step::Placed(copy)) => return settle(stepper, copy.finish()).map(Some),
            Ok(Step::Busy) => work(stepper),
            Ok(Step::Repeated(_)) => return Err("a new event was told it is old".to_owned()),
            Ok(Step::Refused(answer)) => return typed(answer.pending()).map(|()| None),
            Err(error) => return typed(&error).map(|()| None),
        }
    }
    Err("an event gets neither a place nor an answer".to_owned())
}

fn work(stepper: &Stepper) {
    stepper.take_job();
    stepper.finish_job();
    stepper.chore();
}

fn settle(stepper: &Stepper, ticket: Ticket) -> Result<Appended, String> {
    for _ in 0..STEPS_MAX {
        if ticket.is_settled() {
            return ticket.wait().map_err(|error| format!("{error:?}"));
        }
        work(stepper);
    }
    Err("an event has a place and no answer".to_owned())
}

fn is_there(stepper: &Stepper, appended: &Appended) -> Judged {
    let failed = |error: Error| format!("what was appended is not read: {error:?}");
    let mut events = stepper.all().from(appended.position).events().map_err(failed)?;
    let event = events.next().map_err(failed)?.ok_or("what was appended is not there")?;
    let same = event.stream() == STREAM
        && event.payload() == STREAM.as_bytes()
        && (event.position(), event.version()) == (appended.position, appended.version);
    ensure(same, || format!("{appended:?}, and there is {:?}", event.to_owned()))
}

/// The files of the stores that inputs are made of.
pub(super) fn files(manner: u8) -> Vec<(PathBuf, Vec<u8>)> {
    let Some(whole) = sample(manner) else { return Vec::new() };
    let contents = |file: PathBuf| whole.disk.contents(&file).ok().map(|bytes| (file, bytes));
    whole.disk.files().into_iter().filter_map(contents).collect()
}
