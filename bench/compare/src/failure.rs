//! What goes wrong.

use std::error::Error;
use std::fmt;

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a call was not carried out. It is no `Error` itself, so that any error becomes one by `?`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The stream, or what a condition asks for, is not as the writer has seen it. Nothing was written.
    Refused,
    /// Everything else, in words.
    Failed(String),
}

impl Failure {
    pub(crate) fn new(words: impl Into<String>) -> Failure {
        Failure::Failed(words.into())
    }

    /// Says what was being done.
    pub(crate) fn during(self, what: &str) -> Failure {
        Failure::Failed(format!("{what}: {self}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused => f.write_str("refused: the stream is not as expected"),
            Failure::Failed(words) => f.write_str(words),
        }
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_words = cause.to_string();
            if !words.contains(&cause_words) {
                words = format!("{words}: {cause_words}");
            }
            source = cause.source();
        }
        Failure::Failed(words)
    }
}
