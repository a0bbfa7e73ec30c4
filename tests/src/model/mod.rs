//! A store compared with a list of events: whatever is asked of one is asked of the other, also after it was closed,
//! killed, or lost its power.
//!
//! The operations come from proptest, which shortens a list of them that fails to one that says why. The store is driven
//! as a program drives it, by its public interface and with its threads, on a fault disk.

mod compare;
mod driver;
mod operation;
mod oracle;

use std::fmt;

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

pub use operation::{Operation, Setting, life};
pub use oracle::Flaw;

/// How often a list of operations that fails is tried to be made shorter.
const SHRINKS_MAX: u32 = 2000;

/// A list of operations that store and list answer differently.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What differs.
    pub what: String,
    /// The options, and what was asked.
    pub life: (Setting, Vec<Operation>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (setting, operations) = &self.life;
        write!(f, "{}\n{setting:?}", self.what)?;
        operations.iter().try_for_each(|operation| write!(f, "\n{operation:?}"))
    }
}

/// Tries so many lists of operations, all of them determined by the seed, and gives the first that store and list
/// answer differently, made as short as it goes. With a flaw the list is wrong, and that must be found.
///
/// # Errors
/// What differs.
pub fn run(seed: u64, lists: u32, flaw: Option<Flaw>) -> Result<(), Box<Difference>> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: lists,
        failure_persistence: None,
        max_shrink_iters: SHRINKS_MAX,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, random);
    let tried = runner
        .run(&life(), |(setting, operations)| driver::live(&setting, &operations, seed, flaw));
    match tried {
        Ok(()) => Ok(()),
        Err(TestError::Fail(what, life)) => {
            Err(Box::new(Difference { what: what.message().to_owned(), life }))
        }
        Err(TestError::Abort(what)) => Err(Box::new(Difference {
            what: what.message().to_owned(),
            life: (Setting::default(), Vec::new()),
        })),
    }
}
