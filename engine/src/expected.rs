//! What a writer expects of a stream.

use std::fmt;

use quipu_format::Version;

/// What a writer expects of a stream before it appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExpectedVersion {
    /// Anything.
    Any,
    /// The stream has no event.
    NoStream,
    /// The stream has at least one event.
    StreamExists,
    /// The stream's last event has exactly this version.
    Exact(u64),
}

impl ExpectedVersion {
    /// Whether a stream whose last event has version `last` is as expected.
    #[must_use]
    pub fn holds(self, last: Option<Version>) -> bool {
        match self {
            ExpectedVersion::Any => true,
            ExpectedVersion::NoStream => last.is_none(),
            ExpectedVersion::StreamExists => last.is_some(),
            ExpectedVersion::Exact(version) => last == Some(Version(version)),
        }
    }
}

impl fmt::Display for ExpectedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExpectedVersion::Any => f.write_str("any version"),
            ExpectedVersion::NoStream => f.write_str("no stream"),
            ExpectedVersion::StreamExists => f.write_str("an existing stream"),
            ExpectedVersion::Exact(version) => write!(f, "version {version}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_is_told_in_words() {
        let told = [
            (ExpectedVersion::Any, "any version"),
            (ExpectedVersion::NoStream, "no stream"),
            (ExpectedVersion::StreamExists, "an existing stream"),
            (ExpectedVersion::Exact(7), "version 7"),
        ];
        for (expected, words) in told {
            assert_eq!(expected.to_string(), words);
        }
    }
}
