//! Models of threads: small scenes that are played again and again, each time with another interleaving.
//!
//! A store with its own threads runs on the fault disk, with writers, readers and followers beside it, in a build in
//! which every lock, wait and atomic operation of the engine and the disk is a point at which another thread may go on
//! (`--cfg quipu_shuttle`). A scene fails if a check of it does, or if all threads wait for each other.

mod closing;
mod commits;
mod following;
#[cfg(quipu_plant)]
mod plants;
mod stage;
mod watermark;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

#[cfg(quipu_plant)]
pub use plants::{PLANTS, Plant};

/// A scene, played once in each schedule.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// What it is called on a command line.
    pub name: &'static str,
    play: fn(),
}

/// All of them.
pub const MODELS: &[Model] = &[
    Model { name: "commits", play: commits::play },
    Model { name: "room", play: commits::play_for_room },
    Model { name: "failures", play: commits::play_with_a_failure },
    Model { name: "power", play: commits::play_until_the_power_is_cut },
    Model { name: "watermark", play: watermark::play },
    Model { name: "following", play: following::play },
    Model { name: "tasks", play: following::play_two_tasks },
    Model { name: "following-async", play: following::play_in_a_task },
    Model { name: "closing", play: closing::play },
];

/// How the next thread is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Any that can go on, each as likely.
    Random,
    /// The one of the highest priority; three times in a schedule that one becomes the last
    /// (S. Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010).
    Priorities,
}

impl Choice {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Choice::Random => "random",
            Choice::Priorities => "by priority",
        }
    }
}

/// What came of playing a model.
#[derive(Debug)]
pub struct Explored {
    /// Schedules that were tried; the last of them failed if there is a failure.
    pub schedules: u64,
    /// What failed.
    pub failure: Option<String>,
}

const STACK_BYTES: usize = 512 << 10;
/// A schedule that goes on for longer goes on for ever: a usual one takes a few thousand.
const STEPS_MAX: usize = 200_000;

impl Model {
    /// Plays it in so many schedules, or until one fails. The same seed gives the same schedules.
    #[must_use]
    pub fn explore(&self, choice: Choice, seed: u64, schedules: usize) -> Explored {
        let begun = Arc::new(AtomicU64::new(0));
        let play = {
            let (begun, play) = (Arc::clone(&begun), self.play);
            move || {
                begun.fetch_add(1, Ordering::Relaxed);
                play();
            }
        };
        // A schedule that fails is left in the middle of a panic, and its thread is fit for no other.
        let explored = thread::spawn(move || run(choice, seed, schedules, play)).join();
        let failure = explored.unwrap_or_else(|_| Some("the harness panicked".to_owned()));
        Explored { schedules: begun.load(Ordering::Relaxed), failure }
    }
}

thread_local! {
    /// What the first panic of a thread said.
    static WORDS: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has panics noted and not printed: each is a failure, and told as that.
pub fn note_panics() {
    std::panic::set_hook(Box::new(|panic| {
        WORDS.with_borrow_mut(|words| {
            words.get_or_insert_with(|| panic.to_string());
        });
    }));
}

fn run(
    choice: Choice,
    seed: u64,
    schedules: usize,
    play: impl Fn() + Send + Sync + 'static,
) -> Option<String> {
    let ran = catch_unwind(AssertUnwindSafe(|| match choice {
        Choice::Random => {
            Runner::new(RandomScheduler::new_from_seed(seed, schedules), config()).run(play)
        }
        Choice::Priorities => {
            Runner::new(PctScheduler::new_from_seed(seed, 3, schedules), config()).run(play)
        }
    }));
    let words = || WORDS.with_borrow_mut(Option::take).unwrap_or_else(|| "a panic".to_owned());
    ran.err().map(|_| words())
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    // What a failed schedule leaves behind is not looked at.
    config.ungraceful_shutdown_config.immediately_return_on_panic = true;
    config
}
