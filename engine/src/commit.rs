//! A commit over several streams.

use crate::draft::Draft;
use crate::{AppendCondition, Durability, Error, ExpectedVersion, NewEvent, Result, Store, Ticket};

/// A commit over several streams, all or nothing.
///
/// Events get their positions in the order in which they are added; a stream may be named several
/// times. Every expectation is judged against the state before the commit.
///
/// ```
/// use quipu::{ExpectedVersion, NewEvent, Store};
///
/// let store = Store::builder("bank.quipu").in_memory().open()?;
/// let done = store
///     .commit()
///     .append("account-1", ExpectedVersion::NoStream, [NewEvent::new("Withdrawn", b"5".as_slice())])
///     .append("account-2", ExpectedVersion::Any, [NewEvent::new("Deposited", b"5".as_slice())])
///     .check("limit-1", ExpectedVersion::NoStream)
///     .submit()?
///     .wait()?;
/// assert_eq!(done.position.0, 1);
/// # Ok::<(), quipu::Error>(())
/// ```
#[must_use = "a commit is nothing before it is submitted"]
pub struct Commit<'s, 'n> {
    store: &'s Store,
    /// Boxed: a commit is handed on with each call.
    draft: Box<Draft<'n>>,
    /// What was wrong with an earlier call; told at the end.
    wrong: Option<Error>,
}

impl<'s, 'n> Commit<'s, 'n> {
    pub(crate) fn new(store: &'s Store, durability: Durability) -> Commit<'s, 'n> {
        Commit { store, draft: Box::new(Draft::new(durability)), wrong: None }
    }

    /// Makes room for so many events, which take so many bytes with their names, tags and metadata: a large commit
    /// is then not copied again and again as it grows. It may take more or less.
    ///
    /// ```
    /// # use quipu::{ExpectedVersion, NewEvent, Store};
    /// # let store = Store::builder("s").in_memory().open()?;
    /// let lines: Vec<&[u8]> = vec![b"{}"; 5_000];
    /// let mut commit = store.commit().reserve(lines.len(), 50 * lines.len());
    /// for line in &lines {
    ///     commit = commit.append("lines", ExpectedVersion::Any, [NewEvent::new("Read", *line)]);
    /// }
    /// commit.submit()?.wait()?;
    /// # Ok::<(), quipu::Error>(())
    /// ```
    pub fn reserve(mut self, events: usize, bytes: usize) -> Commit<'s, 'n> {
        self.draft.reserve(events, bytes);
        self
    }

    /// Adds events to a stream.
    pub fn append<'e>(
        mut self,
        stream: &'n str,
        expected: ExpectedVersion,
        events: impl IntoIterator<Item = NewEvent<'e>>,
    ) -> Commit<'s, 'n> {
        if self.wrong.is_none() {
            let draft = &mut *self.draft;
            let added =
                self.store.with_context(|context| draft.append(context, stream, expected, events));
            self.wrong = added.err();
        }
        self
    }

    /// Only checks a stream.
    pub fn check(mut self, stream: &'n str, expected: ExpectedVersion) -> Commit<'s, 'n> {
        if self.wrong.is_none() {
            let draft = &mut *self.draft;
            let checked =
                self.store.with_context(|context| draft.check(context.keys, stream, expected));
            self.wrong = checked.err();
        }
        self
    }

    /// Has the commit fail if anything matches the query, or has since the position that is named: the
    /// dynamic consistency boundary. A commit takes one condition.
    ///
    /// ```
    /// use quipu::{ExpectedVersion, NewEvent, Query, QueryItem, Store};
    ///
    /// let store = Store::builder("shop.quipu").in_memory().open()?;
    /// let taken = Query::new().item(QueryItem::new().event_type("NameTaken").tag("name:ada"));
    /// let take = || NewEvent::new("NameTaken", b"".as_slice()).tag("name:ada");
    /// let any = ExpectedVersion::Any;
    /// store.commit().append("user-1", any, [take()]).fail_if(taken.clone().absent()).submit()?.wait()?;
    ///
    /// let again = store.commit().append("user-2", any, [take()]).fail_if(taken.absent()).submit();
    /// let error = again.and_then(|ticket| ticket.wait()).unwrap_err();
    /// assert_eq!(error.matched().map(|position| position.0), Some(0));
    /// # Ok::<(), quipu::Error>(())
    /// ```
    pub fn fail_if(mut self, condition: AppendCondition) -> Commit<'s, 'n> {
        if self.draft.condition.replace(condition).is_some() && self.wrong.is_none() {
            self.wrong = Some(Error::invalid("a commit takes one condition"));
        }
        self
    }

    /// Says when this commit is acknowledged, whatever the store's default.
    pub fn durability(mut self, durability: Durability) -> Commit<'s, 'n> {
        self.draft.durability = durability;
        self
    }

    /// Has the commit on its way; waits only for room.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn submit(self) -> Result<Ticket> {
        let (store, mut draft) = self.finish()?;
        store.submit(&mut draft)
    }

    /// As [`Commit::submit`], and does not wait for room either.
    ///
    /// # Errors
    /// As [`Store::append`], and [`ErrorKind::Busy`](crate::ErrorKind::Busy) where it would have to
    /// wait.
    pub fn try_submit(self) -> Result<Ticket> {
        let (store, mut draft) = self.finish()?;
        store.try_submit(&mut draft)
    }

    fn finish(self) -> Result<(&'s Store, Draft<'n>)> {
        match self.wrong {
            Some(error) => Err(error),
            None => Ok((self.store, self.draft.finish()?)),
        }
    }
}
