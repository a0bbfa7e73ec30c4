//! Surveys beside a writer that may be at work.
//!
//! Files that are read at two moments may seem to contradict each other: the manifest lists a segment, say, that is removed
//! by now. So damage is believed only if the very same is found twice in a row.

use quipu_disk::Disk;

use super::Survey;
use crate::directory::Directory;
use crate::{Error, ReadMode, Result};

/// Surveys at most, where each finds other damage than the one before.
const SURVEYS_MAX: usize = 6;

impl Survey {
    /// As [`Survey::list`], beside a writer that may be at work.
    ///
    /// # Errors
    /// As [`Survey::take`].
    pub(crate) fn list_beside_writer(
        disk: &dyn Disk,
        directory: &Directory,
        mode: ReadMode,
    ) -> Result<Survey> {
        agreed(|| Survey::list(disk, directory, mode).map(|(survey, ..)| survey), Survey::words)
    }

    /// As [`Survey::take`], beside a writer that may be at work.
    ///
    /// # Errors
    /// As [`Survey::take`].
    pub(crate) fn take_beside_writer(
        disk: &dyn Disk,
        directory: &Directory,
        mode: ReadMode,
    ) -> Result<Survey> {
        agreed(|| Survey::take(disk, directory, mode), Survey::words)
    }

    /// All that is damaged; empty where nothing is.
    fn words(&self) -> String {
        self.damage.iter().map(Error::to_string).collect::<Vec<_>>().join("\n")
    }
}

/// What is found of which nothing is wrong, or the same twice in a row; `words` says what is.
fn agreed<T>(take: impl Fn() -> Result<T>, words: impl Fn(&T) -> String) -> Result<T> {
    let mut before = None;
    for _ in 1..SURVEYS_MAX {
        let found = take();
        let wrong = found.as_ref().map_or_else(Error::to_string, &words);
        if found.is_ok() && wrong.is_empty() || before.as_ref() == Some(&wrong) {
            return found;
        }
        before = Some(wrong);
    }
    take()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::ErrorKind;

    /// What comes of surveys that find this, one after the other, and how many were taken.
    fn found(damage: &[std::result::Result<&str, &str>]) -> (Result<String>, usize) {
        let taken = Cell::new(0);
        let take = || {
            let at = taken.replace(taken.get() + 1);
            let error = |why: &str| Error::new(ErrorKind::Io, why.to_owned());
            damage[at.min(damage.len() - 1)].map(str::to_owned).map_err(error)
        };
        (agreed(take, String::clone), taken.get())
    }

    #[test]
    fn damage_is_believed_that_is_found_twice_in_a_row() {
        let sound = |damage: &[_]| match found(damage) {
            (Ok(words), taken) => (words, taken),
            (Err(error), _) => panic!("{error}"),
        };
        assert_eq!(sound(&[Ok("")]), (String::new(), 1));
        assert_eq!(sound(&[Ok("a segment is missing"), Ok("")]), (String::new(), 2));
        assert_eq!(sound(&[Ok("one"), Ok("another"), Ok("")]), (String::new(), 3));
        assert_eq!(sound(&[Err("gone"), Ok("one"), Ok("")]), (String::new(), 3));
        assert_eq!(sound(&[Ok("one"), Ok("another"), Ok("another")]), ("another".to_owned(), 3));
    }

    #[test]
    fn an_end_is_made_of_it() {
        let (error, taken) = found(&[Err("unreadable")]);
        assert_eq!((error.is_err(), taken), (true, 2));
        let changing: Vec<_> = ["1", "2", "3", "4", "5", "6", "7"].map(Ok).into();
        assert_eq!(found(&changing).1, SURVEYS_MAX);
    }
}
