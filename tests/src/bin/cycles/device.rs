//! A disk that fails under a store: reads, writes or flushes, once or for good.

use std::fmt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use quipu::ReadMode;
use quipu_disk::{Disk, RealDisk};
use quipu_tests::random::Random;

use crate::child::Told;
use crate::ground::{Ground, IMAGE_BYTES, Kind};
use crate::ledger::{Glance, Ledger, Settled, Stays};
use crate::medium::{Call, Delivered, Fault, Honesty, Lasting};
use crate::server::Server;
use crate::verdict::{Answer, Harm};
use crate::writer::Writer;
use crate::{CYCLES_A_STORE, Failure, LIFE_MS};

/// The most time after which who writes has noticed that no write or flush succeeds any more.
const NOTICE: Duration = Duration::from_secs(20);
/// Most time that a writer goes on after something failed once.
const AFTERLIFE_MS: usize = 30;
/// The fewest cycles of which it is asked that each kind of failure was met in them.
const CYCLES_ENOUGH: u64 = 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    run: crate::Run,
    /// The file system on the disk
    #[arg(long, value_enum, default_value = "ext4")]
    on: Kind,
    /// Have the disk ignore flushes; the cycles must show it then
    #[arg(long)]
    lying: bool,
}

/// What is not here that such a disk needs, if anything is.
pub(crate) fn wants(arguments: &Arguments) -> Option<String> {
    let no_fuse = || "there is no /dev/fuse".to_owned();
    let fuse = Path::new(crate::fuse::DEVICE).exists();
    arguments.on.wants().or_else(|| (!fuse).then(no_fuse))
}

/// A file system on a disk that fails when it is told to.
struct Bench {
    /// First, because it goes first: the place cannot be removed while its image is served.
    disk: Server,
    ground: Ground,
    random: Random,
    /// The first cycle since the last that ended with the store open for writing.
    unsettled: u64,
    /// What was done in this cycle, to be told if it fails.
    story: Vec<String>,
    sum: Sum,
}

/// What all cycles came to.
#[derive(Default)]
struct Sum {
    delivered: Delivered,
    commits: u64,
    events: u64,
    /// Writers that were told of an error, and writers that a map ended.
    told: u64,
    by_map: u64,
    /// Readers of what was not written again yet, and those that were told that they cannot read it now.
    glances: u64,
    turned_away: u64,
    /// How often that was more than was there at last, because nobody could know of a failure.
    unseen: u64,
    readers: Readers,
}

/// What became of readers on a failing disk.
#[derive(Default)]
struct Readers {
    whole: u64,
    told: u64,
    by_map: u64,
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sum { delivered, commits, events, told, by_map, glances, turned_away, unseen, readers } =
            self;
        write!(
            f,
            "{delivered}; {commits} commits of {events} events acknowledged, {told} writers told of an error, \
             {by_map} ended by a map; {glances} readers of what a writer had just left, {unseen} of them shown what a \
             silent failure took, {turned_away} more told of an error; on a cold start {} read all, {} were told of an error, {} ended by a map",
            readers.whole, readers.told, readers.by_map
        )
    }
}

/// Runs the cycles.
///
/// # Errors
/// The first promise that was broken, or what could not be done here.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let clock = RealDisk::new();
    let began = clock.elapsed();
    let honesty = if arguments.lying { Honesty::FlushIgnored } else { Honesty::Honest };
    let ground = Ground::empty(arguments.on)?;
    let disk = Server::start(&ground.image(), IMAGE_BYTES, honesty)?;
    let random = Random::new(arguments.run.seed);
    let mut bench =
        Bench { disk, ground, random, unsettled: 1, story: Vec::new(), sum: Sum::default() };
    let ran = bench.run(&arguments.run);
    // Whoever unmounts waits for the disk.
    bench.disk.heal()?;
    bench.ground.give_up();
    ran?;
    // What has a bug planted is to fail because of that.
    if arguments.run.cycles >= CYCLES_ENOUGH && !arguments.run.careless && !arguments.lying {
        bench.sum.is_enough()?;
    }
    let seconds = (clock.elapsed() - began).as_secs_f64();
    let (cycles, name) = (arguments.run.cycles, arguments.on.file_system());
    println!(
        "{cycles} cycles on a failing disk with {name} in {seconds:.0} s ({:.0} a minute): {}; nothing lost",
        cycles as f64 * 60.0 / seconds,
        bench.sum
    );
    Ok(())
}

impl Bench {
    fn run(&mut self, run: &crate::Run) -> Result<(), Failure> {
        self.ground.make_file_system()?;
        let mut ledger = Ledger::default();
        for cycle in 1..=run.cycles {
            if cycle % CYCLES_A_STORE == 1 {
                self.ground.clear()?;
                ledger = Ledger::default();
                self.unsettled = cycle;
            }
            self.story.clear();
            self.cycle(cycle, run.careless, &mut ledger).map_err(|why| {
                format!("cycle {cycle} of seed {}: {}; {why}", run.seed, self.story.join("; "))
            })?;
        }
        Ok(())
    }

    /// One disk that fails under a writer, now and then with another writer after it; then one under a reader.
    fn cycle(&mut self, cycle: u64, careless: bool, ledger: &mut Ledger) -> Result<(), Failure> {
        // What an earlier writer left and was not told of shows once somebody opens the store for writing.
        let ids = 2 * self.unsettled..=2 * cycle + 1;
        let (mut told, stays) = self.failing(cycle, careless)?;
        let mut seen = None;
        if self.random.percent(30) {
            match ledger.glance(&self.ground.store(), &ids, &told, stays)? {
                Glance::Saw(events) => {
                    self.sum.glances += 1;
                    seen = Some(events);
                }
                Glance::Told(_) => self.sum.turned_away += 1,
            }
            self.story.push(format!("a reader saw {seen:?} ({stays:?})"));
        }
        // Its pages are still in memory, also those that never got to the disk.
        if self.random.percent(50) {
            let mut next = self.writer(*ids.end(), careless, ReadMode::Map)?;
            next.wait(self.life())?;
            let said = next.end()?;
            let more = said.told();
            self.story.push(format!("the next writer told {}: {:?}", more.len(), said.other()));
            said.is_orderly(if stays == Stays::Whole { Harm::None } else { Harm::Before })?;
            told.extend(more);
        }
        self.restart()?;
        let store = self.ground.store();
        let settled = ledger.check(&store, ids, &told, false, &mut self.random)?;
        self.unsettled = if settled == Settled::Yes { cycle + 1 } else { self.unsettled };
        let found = ledger.ids();
        self.sum.unseen += u64::from(seen.is_some_and(|seen| seen > found.len() as u64));
        self.sum.commits += told.len() as u64;
        self.sum.events += told.iter().map(|told| crate::child::events(told.id)).sum::<u64>();
        if self.random.percent(50) && !found.is_empty() {
            self.ground.unmount()?;
            self.ground.mount()?;
            self.read(found)?;
            self.ground.unmount()?;
            self.ground.mount()?;
        }
        Ok(())
    }

    fn life(&mut self) -> Duration {
        Duration::from_micros(self.random.below(LIFE_MS * 1000) as u64)
    }

    fn writer(&mut self, number: u64, careless: bool, mode: ReadMode) -> Result<Writer, Failure> {
        let number = number.to_string();
        let mut arguments = vec!["write", "--cycle", &number];
        arguments.extend(careless.then_some("--careless"));
        arguments.extend(pread(mode));
        Writer::start(&self.ground.store(), &arguments)
    }

    /// Something that fails, and when.
    fn fault(&mut self, call: Call, most: usize) -> Fault {
        let lasting = if self.random.percent(50) { Lasting::Once } else { Lasting::ForGood };
        Fault { call, lasting, after: self.random.below(most) }
    }

    fn read_mode(&mut self) -> ReadMode {
        if self.random.percent(50) { ReadMode::Map } else { ReadMode::Pread }
    }

    /// Has a writer meet a failure. Gives what was acknowledged to it, and whether what a reader sees then must stay.
    fn failing(&mut self, cycle: u64, careless: bool) -> Result<(Vec<Told>, Stays), Failure> {
        // In turns, so that few cycles meet all of them.
        let fault = match cycle % 5 {
            0 => self.fault(Call::Read, 40),
            1 | 2 => self.fault(Call::Write, 12),
            _ => self.fault(Call::Flush, 6),
        };
        let mode = self.read_mode();
        let mut writer = self.writer(2 * cycle, careless, mode)?;
        if fault.call != Call::Read {
            thread::sleep(self.life());
        }
        self.disk.fail(fault)?;
        let notices = fault.lasting == Lasting::ForGood && fault.call != Call::Read && !careless;
        let most = if notices { NOTICE } else { self.after() };
        let ended = writer.wait(most)?;
        if notices && !ended {
            return Err(format!("{fault}: a writer goes on after {NOTICE:?}").into());
        }
        let said = writer.end()?;
        let delivered = self.disk.heal()?;
        self.story.push(format!(
            "{fault}, {mode:?}: {delivered}; told {}: {:?}",
            said.told().len(),
            said.other()
        ));
        self.sum.delivered += delivered;
        let harm = match fault.call {
            _ if delivered == Delivered::default() => Harm::None,
            Call::Read => Harm::Reads(mode),
            Call::Write | Call::Flush => Harm::Writes,
        };
        said.is_orderly(harm)?;
        self.sum.by_map += u64::from(harm == Harm::Reads(ReadMode::Map) && said.by_map());
        self.sum.told += u64::from(said.after("error").next().is_some());
        let silent = said.signal().is_some() && said.after("error").next().is_none();
        let stays = match delivered {
            _ if harm == Harm::None => Stays::Whole,
            Delivered { writes: 1.., .. } if silent => Stays::Unknown,
            _ => Stays::Promised,
        };
        Ok((said.told(), stays))
    }

    fn after(&mut self) -> Duration {
        Duration::from_millis(self.random.below(AFTERLIFE_MS) as u64)
    }

    /// Has the file system as it is found after the disk works again, or after the power came back.
    fn restart(&mut self) -> Result<(), Failure> {
        let cut = self.random.percent(50);
        self.story.push(format!("power cut: {cut}"));
        if cut {
            self.disk.switch_off()?;
        }
        self.ground.unmount()?;
        if cut {
            self.disk.switch_on(self.random.number())?;
        }
        self.ground.mount()
    }

    /// Reads a store on a disk that fails at reads, and that holds these events; nothing of it is in memory yet.
    fn read(&mut self, ids: &[u64]) -> Result<(), Failure> {
        let mode = self.read_mode();
        let arguments: Vec<_> = ["read"].into_iter().chain(pread(mode)).collect();
        let fault = self.fault(Call::Read, 60);
        self.disk.fail(fault)?;
        let mut reader = Writer::start(&self.ground.store(), &arguments)?;
        if !reader.wait(NOTICE)? {
            return Err(format!("{fault}: a reader does not end").into());
        }
        let said = reader.end()?;
        let delivered = self.disk.heal()?;
        self.sum.delivered += delivered;
        let failed = delivered != Delivered::default();
        let harm = if failed { Harm::Reads(mode) } else { Harm::None };
        let readers = &mut self.sum.readers;
        match said.is_read(ids, harm).map_err(|why| format!("{fault}: {why}"))? {
            Answer::Whole => readers.whole += 1,
            Answer::Told => readers.told += 1,
            Answer::ByMap => readers.by_map += 1,
        }
        Ok(())
    }
}

/// How a process is told to read without maps.
fn pread(mode: ReadMode) -> Option<&'static str> {
    (mode == ReadMode::Pread).then_some("--pread")
}

impl Sum {
    /// Whether all of it was met that the cycles are for.
    ///
    /// # Errors
    /// What was not.
    fn is_enough(&self) -> Result<(), String> {
        let Sum { delivered, commits, told, readers, .. } = self;
        let met = [
            ("no read failed", delivered.reads),
            ("no write failed", delivered.writes),
            ("no flush failed", delivered.flushes),
            ("nothing was acknowledged", *commits),
            ("no writer was told of an error", *told),
            ("nobody read on a cold start", readers.whole + readers.told + readers.by_map),
        ];
        match met.into_iter().find(|&(_, count)| count == 0) {
            Some((nothing, _)) => Err(format!("{nothing}: {self}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_has_not_met_each_kind_of_failure_is_not_enough() {
        let met = || Sum {
            delivered: Delivered { reads: 1, writes: 1, flushes: 1 },
            commits: 1,
            told: 1,
            readers: Readers { told: 1, ..Readers::default() },
            ..Sum::default()
        };
        met().is_enough().unwrap();
        let lacks: [fn(&mut Sum); 6] = [
            |sum| sum.delivered.reads = 0,
            |sum| sum.delivered.writes = 0,
            |sum| sum.delivered.flushes = 0,
            |sum| sum.commits = 0,
            |sum| sum.told = 0,
            |sum| sum.readers.told = 0,
        ];
        for lack in lacks {
            let mut sum = met();
            lack(&mut sum);
            assert!(sum.is_enough().is_err(), "{sum}");
        }
    }
}
