//! Atomics whose orderings can be weakened, one place in the source after the other: the bugs that are put in to show
//! that a model run by loom would find them.
//!
//! Loom knows sequential consistency of fences only. An operation that reads and writes at once and asks for it is
//! modelled with such a fence behind it, a load or a store that asks for it without.
//!
//! A play that has failed is over, and what its destructors still do to an atomic does nothing.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;

use loom::sync::atomic as model;

use super::{Ordering, panicking};

/// A place in the source where an atomic operation asks for an ordering.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place(&'static Location<'static>);

thread_local! {
    /// The places that were passed in this thread and asked for more than `Relaxed`.
    static SEEN: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
    /// The place that asks for `Relaxed` only, or for no fence.
    static WEAK: Cell<Option<Place>> = const { Cell::new(None) };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.0.file();
        let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
        write!(f, "{name}:{}:{}", self.0.line(), self.0.column())
    }
}

/// What is asked for at the caller's place.
#[track_caller]
fn asked(order: Ordering) -> Ordering {
    let place = Place(Location::caller());
    if order == Ordering::Relaxed {
        return order;
    }
    SEEN.with_borrow_mut(|seen| {
        if !seen.contains(&place) {
            seen.push(place);
        }
    });
    if WEAK.get() == Some(place) { Ordering::Relaxed } else { order }
}

/// As `std::sync::atomic::fence`.
#[track_caller]
pub fn fence(order: Ordering) {
    match asked(order) {
        Ordering::Relaxed => {}
        order => model::fence(order),
    }
}

fn behind_a_change(order: Ordering) {
    if order == Ordering::SeqCst {
        model::fence(order);
    }
}

macro_rules! atomic {
    ($name:ident, $value:ty) => {
        #[doc = concat!("As `std::sync::atomic::", stringify!($name), "`.")]
        #[derive(Debug, Default)]
        pub struct $name(model::$name);

        #[allow(missing_docs, reason = "they do what those of the standard library do")]
        impl $name {
            pub fn new(value: $value) -> $name {
                $name(model::$name::new(value))
            }

            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                if panicking() {
                    return <$value>::default();
                }
                self.0.load(asked(order))
            }

            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                if !panicking() {
                    self.0.store(value, asked(order));
                }
            }

            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                if panicking() {
                    return <$value>::default();
                }
                let order = asked(order);
                let before = self.0.swap(value, order);
                behind_a_change(order);
                before
            }
        }
    };
    ($name:ident, $value:ty, $($change:ident)*) => {
        atomic!($name, $value);

        #[allow(missing_docs, reason = "they do what those of the standard library do")]
        impl $name {
            $(
                #[track_caller]
                pub fn $change(&self, value: $value, order: Ordering) -> $value {
                    if panicking() {
                        return <$value>::default();
                    }
                    let order = asked(order);
                    let before = self.0.$change(value, order);
                    behind_a_change(order);
                    before
                }
            )*
        }
    };
}

atomic!(AtomicBool, bool);
atomic!(AtomicU32, u32, fetch_add fetch_sub fetch_max);
atomic!(AtomicU64, u64, fetch_add fetch_sub fetch_max);
atomic!(AtomicUsize, usize, fetch_add fetch_sub fetch_max);

/// Thread switches against a thread's will in one play. Bugs that need more are rare, and each more multiplies the
/// plays.
const PREEMPTIONS_MAX: usize = 3;

/// Plays a model in every interleaving, with this place weakened; gives the places that were passed and how often it
/// was played.
///
/// # Errors
/// What the play said that failed.
pub fn play(model: fn(), weak: Option<Place>) -> Result<(Vec<Place>, usize), String> {
    let played = std::thread::spawn(move || {
        WEAK.set(weak);
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(PREEMPTIONS_MAX);
        builder.max_branches = 10_000;
        let plays = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = std::sync::Arc::clone(&plays);
        builder.check(move || {
            count.fetch_add(1, Ordering::Relaxed);
            model();
        });
        (SEEN.take(), plays.load(Ordering::Relaxed))
    });
    played.join().map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "a panic without words".to_owned())
    })
}

/// Plays a model as it is, which must succeed, and then with one place of this file weakened after the other; gives the
/// lines of those of which no play takes notice, sorted.
///
/// # Errors
/// What the play said that failed although nothing was weakened.
pub fn unnoticed<'s>(model: fn(), file: &str, source: &'s str) -> Result<Vec<&'s str>, String> {
    let (places, plays) = play(model, None)?;
    println!("{file}: {plays} interleavings");
    let mut unnoticed = Vec::new();
    for place in places.into_iter().filter(|place| place.0.file().ends_with(file)) {
        match play(model, Some(place)) {
            Ok((_, plays)) => {
                println!("  {place} weakened: not noticed in {plays} interleavings");
                unnoticed.extend(source.lines().nth(place.0.line() as usize - 1).map(str::trim));
            }
            Err(words) => {
                let words = words.lines().next().unwrap_or_default();
                println!("  {place} weakened: noticed, {words}");
            }
        }
    }
    unnoticed.sort_unstable();
    Ok(unnoticed)
}
