//! `quipu demo`: what the store does, measured while it is shown.

mod crash;
mod figures;
mod folder;
mod follow;
mod history;

use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quipu::{ExpectedVersion, Mode, NewEvent, Store, Version};
use serde_json::json;

use self::figures::Figures;
use self::folder::Folder;
use self::history::Route;
use crate::cli::DemoArgs;
use crate::failure::{Exit, Failure};
use crate::import::{self, Input, Overlap, Summary};
use crate::interruption;
use crate::output::{Look, Output, count, plural};

/// 20,000 events of `flights-2013.jsonl`; see `data/README.md`.
const SAMPLE: &[u8] = include_bytes!("../../data/flights-sample.jsonl.zst");
/// Events in a commit of the first import.
const BATCH: u32 = 1_000;
/// The aircraft that made the first flight of the sample.
const AIRCRAFT: &str = "aircraft-N14228";

/// What is looked for by its tags.
const ROUTE: Route = Route { carrier: "UA", airport: "SFO" };

/// The demo as it goes on.
struct Demo<'o> {
    output: &'o Output,
    folder: Folder,
    /// Whether it was interrupted.
    halt: Arc<AtomicBool>,
    /// What did not hold.
    broken: Vec<String>,
}

/// Runs the demo; exit code 1 if anything did not hold.
pub(crate) fn run(args: &DemoArgs, output: &Output) -> Result<Exit, Failure> {
    let halt = interruption::halt()?;
    let mut demo = Demo { output, folder: Folder::create()?, halt, broken: Vec::new() };
    if args.keep {
        demo.folder.keep();
    }
    output.line(format_args!(
        "Quipu {}, an event store. The demo runs in {}.",
        env!("CARGO_PKG_VERSION"),
        demo.folder.path().display()
    ));
    let figures = demo.play()?;
    demo.close(args, &figures)
}

impl Demo<'_> {
    fn play(&mut self) -> Result<Figures, Failure> {
        let whole = self.path("whole.quipu");
        let killed = self.path("killed.quipu");
        let mut figures = Figures::default();
        self.import(&whole, &mut figures)?;
        self.go_on()?;
        self.reopen(&whole, &mut figures)?;
        self.go_on()?;
        self.follow(&self.path("followed.quipu"), &mut figures)?;
        let killed = self.crash(&killed, &mut figures)?;
        self.go_on()?;
        self.verify(&whole, &killed)?;
        Ok(figures)
    }

    /// Fails once it was interrupted. Then nothing is left of it: no process of its own is running between two steps.
    fn go_on(&self) -> Result<(), Failure> {
        if !self.halt.load(Ordering::Relaxed) {
            return Ok(());
        }
        let what = if self.folder.is_kept() { "is kept" } else { "is removed" };
        let advice = format!("run the demo again; {} {what}", self.folder.path().display());
        Err(Failure::new("interrupted", "interrupted", advice))
    }

    /// What came of another process, unless the interruption met that too.
    fn unless_interrupted<T>(&self, done: Result<T, Failure>) -> Result<T, Failure> {
        self.go_on().and(done)
    }

    fn import(&mut self, path: &Path, figures: &mut Figures) -> Result<(), Failure> {
        self.title("Import", "a sample of real departures from New York, 2013");
        let store = Store::open(path)?;
        let mut input = sample()?;
        let done = import::import(&store, &mut input, Overlap::Refuse.into(), &mut |_| ())?;
        let stats = store.stats();
        store.close()?;
        figures.import(&done, &stats);
        self.fact("events", format_args!("{} of {}", count(done.events), aircraft(&done)));
        self.fact(
            "commits",
            format_args!("{} of {} events", count(stats.commits), count(BATCH.into())),
        );
        self.fact(
            "time",
            format_args!(
                "{:.3} s, until the last was on disk ({})",
                done.seconds,
                plural(stats.syncs, "sync")
            ),
        );
        self.fact("speed", format_args!("{} events/s", count(done.rate())));
        Ok(())
    }

    /// Opens the store again, reads, and is refused.
    fn reopen(&mut self, path: &Path, figures: &mut Figures) -> Result<(), Failure> {
        let (store, took) = open(path)?;
        figures.reopened = took;
        self.title("Read", "the history of one aircraft");
        let last = history::show(&store, AIRCRAFT, self.output)?;
        self.query(&store, figures)?;
        self.conflict(&store, last)?;
        Ok(store.close()?)
    }

    fn query(&mut self, store: &Store, figures: &mut Figures) -> Result<(), Failure> {
        let Route { carrier, airport } = ROUTE;
        self.title("Query", &format!("the departures of {carrier} to {airport}, the newest first"));
        ROUTE.show(store, self.output)?;
        let (found, scanned) = (ROUTE.find(store)?, ROUTE.scan(store)?);
        (figures.queried, figures.scanned) = (found.took, scanned.took);
        self.fact(
            "by the index",
            format_args!(
                "{} in {}; reading all {} took {}",
                plural(found.events, "event"),
                figures::millis(found.took),
                count(figures.events),
                figures::millis(scanned.took)
            ),
        );
        let same = found.events == scanned.events && found.events > 0;
        self.hold(same, "the index finds what reading everything finds");
        Ok(())
    }

    fn conflict(&mut self, store: &Store, last: Option<Version>) -> Result<(), Failure> {
        self.title("Conflict", "a writer that has seen version 0 only");
        let before = store.next_position();
        let late = NewEvent::new("FlightDiverted", b"{}".as_slice());
        match store.append(AIRCRAFT, ExpectedVersion::Exact(0), [late]) {
            Ok(_) => self.hold(false, "a conflict is refused"),
            Err(error) => {
                self.fact("refused", &error);
                let actual = error.conflict().and_then(|conflict| conflict.actual);
                self.hold(actual.is_some() && actual == last, "the conflict says what is there");
            }
        }
        self.hold(store.next_position() == before, "a refused commit writes nothing");
        Ok(())
    }

    /// Appends while a second process follows.
    fn follow(&mut self, path: &Path, figures: &mut Figures) -> Result<(), Failure> {
        self.title("Follow", "a second process prints what this one appends: quipu tail -f");
        let seen = self.unless_interrupted(follow::follow(path))?;
        let appended = count(seen.appended);
        self.fact("seen", format_args!("{} of {appended} events", count(seen.in_order)));
        if let Some((median, slowest)) = seen.delays() {
            figures.followed = median;
            let (median, slowest) = (figures::millis(median), figures::millis(slowest));
            self.fact(
                "delay",
                format_args!("{median} behind the acknowledgement, at most {slowest}"),
            );
        }
        let whole = seen.in_order == seen.appended;
        self.hold(whole, "the other process sees every event, in order, none twice");
        Ok(())
    }

    /// Kills a process that imports, opens its store again, and goes on. Gives the store's path.
    fn crash(&mut self, path: &Path, figures: &mut Figures) -> Result<PathBuf, Failure> {
        self.title("Crash", "a second process imports the same, and is killed in the middle");
        let lines = self.decompress()?;
        let killed = crash::kill_an_import(&lines, path, figures.events);
        let killed = self.unless_interrupted(killed)?;
        self.fact(
            "acknowledged",
            format_args!("{} events when it died", count(killed.acknowledged)),
        );
        let (store, took) = open(&killed.store)?;
        figures.recovered = took;
        let found = store.next_position().0;
        self.fact("found", format_args!("{} events in {}", count(found), figures::millis(took)));
        self.tell_recovery(&store);
        self.hold(found >= killed.acknowledged, "every acknowledged event is there");
        let in_flight = found.saturating_sub(killed.acknowledged);
        self.hold(
            in_flight <= killed.in_flight_max,
            "nothing is there that was neither acknowledged nor in flight",
        );
        let mut input = Input::open(&lines, BATCH)?;
        let done = import::import(&store, &mut input, Overlap::Resume.into(), &mut |_| ())?;
        self.fact(
            "resumed",
            format_args!("{} events after the {} found", count(done.events), count(done.resumed)),
        );
        self.hold(done.resumed == found, "what is there is the beginning of the input, in order");
        self.hold(done.resumed + done.events == figures.events, "the import is complete");
        store.close()?;
        Ok(killed.store)
    }

    fn tell_recovery(&self, store: &Store) {
        match &store.opening().recovered {
            Some(recovered) => self.fact(
                "recovery",
                format_args!(
                    "kept {} behind the last synced place, dropped {}",
                    plural(recovered.carried_events, "event"),
                    plural(recovered.dropped_bytes, "byte")
                ),
            ),
            None => self.fact("recovery", "nothing had to be done"),
        }
    }

    fn verify(&mut self, whole: &Path, killed: &Path) -> Result<(), Failure> {
        self.title("Verify", "every checksum of both stores, and every event against its twin");
        for path in [whole, killed] {
            let report = quipu::verify(path, &mut |_| ())?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let verdict = if report.is_sound() { "sound" } else { "damaged" };
            self.fact(
                &name,
                format_args!(
                    "{verdict}: {} in {}",
                    plural(report.events, "event"),
                    plural(report.commits, "commit")
                ),
            );
            self.hold(report.is_sound(), "the store is sound");
        }
        let same = history::same_events(&open(whole)?.0, &open(killed)?.0)?;
        self.hold(same, "both stores hold the same events in the same order");
        Ok(())
    }

    fn close(mut self, args: &DemoArgs, figures: &Figures) -> Result<Exit, Failure> {
        self.title("Figures", "measured just now, on this machine");
        for (name, value) in figures.rows() {
            self.output.line(format_args!("  {name:<44}{value:>16}"));
        }
        let held = self.broken.is_empty();
        if !held {
            self.folder.keep();
        }
        self.output.line("");
        if args.keep || !held {
            self.output
                .line(format_args!("The stores are kept in {}", self.folder.path().display()));
        }
        let verdict = if held {
            self.output.paint(Look::Green, "Everything held.")
        } else {
            self.output.paint(Look::Red, format_args!("Did not hold: {}.", self.broken.join("; ")))
        };
        self.output.line(verdict);
        let mut object = figures.to_json();
        object["held"] = held.into();
        object["broken"] = json!(self.broken);
        if args.keep || !held {
            object["folder"] = self.folder.path().display().to_string().into();
        }
        self.output.object(&object);
        Ok(if held { Exit::Done } else { Exit::Found })
    }

    fn decompress(&self) -> Result<PathBuf, Failure> {
        let path = self.path("flights.jsonl");
        let refused = |error| Failure::file("write", &path, &error);
        let mut file = File::create(&path).map_err(refused)?;
        zstd::stream::copy_decode(SAMPLE, &mut file).map_err(refused)?;
        Ok(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn title(&self, word: &str, what: &str) {
        let word = self.output.paint(Look::Bold, word);
        self.output.line(format_args!("\n{word}: {what}"));
    }

    fn fact(&self, name: &str, value: impl std::fmt::Display) {
        self.output.line(format_args!("  {name:<14}{value}"));
    }

    /// Notes whether a promise holds.
    fn hold(&mut self, held: bool, promise: &str) {
        let mark = if held {
            self.output.paint(Look::Green, "holds")
        } else {
            self.broken.push(promise.to_owned());
            self.output.paint(Look::Red, "BROKEN")
        };
        // Escapes for colours have a length too, so the text is not padded with them.
        self.output.line(format_args!("  {mark}{:9}{promise}", ""));
    }
}

fn sample() -> Result<Input, Failure> {
    Input::of(Box::new(Cursor::new(SAMPLE)), BATCH)
        .map_err(|error| Failure::file("read", "the bundled sample".as_ref(), &error))
}

/// Opens an existing store for writing, and says how long it took.
fn open(path: &Path) -> Result<(Store, Duration), Failure> {
    let started = Instant::now();
    let store = Store::builder(path).mode(Mode::Existing).open()?;
    Ok((store, started.elapsed()))
}

fn aircraft(done: &Summary) -> String {
    format!("{} aircraft, a stream each", count(done.streams.count()))
}
