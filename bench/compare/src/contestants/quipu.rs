//! Quipu: this project, with its default options.
//!
//! An append to a stream names the version that the writer has seen; one with a condition names a query and a
//! position. Writers from many threads simply call `append`: the store groups them. For many appends on their way
//! from one thread there are tickets. `Os` is an option of the store; written bytes are then synced in the background
//! every 100 ms, which no other contestant does.
//!
//! Every event gets an id, and is found by its category and its type too: more than the others are asked for.

use std::collections::VecDeque;
use std::path::Path;

use quipu::{
    Appended, Codec, ErrorKind, ExpectedVersion, NewEvent, Query, QueryItem, Store as Engine,
    Ticket, Verify,
};

use crate::failure::{Failure, Result};
use crate::store::{Append, Durability, Entry, Flight, Found, Planned, Reader, Seen, Store, Visit};

pub(crate) fn open(folder: &Path, durability: Durability) -> Result<Box<dyn Store>> {
    let durability = match durability {
        Durability::Sync => quipu::Durability::Sync,
        Durability::Os => quipu::Durability::Os,
    };
    let engine = Engine::builder(folder.join("store.quipu")).durability(durability).open()?;
    Ok(Box::new(Quipu { engine }))
}

struct Quipu {
    engine: Engine,
}

fn event<'a>(entry: &Entry<'a>) -> NewEvent<'a> {
    let event = NewEvent::new(entry.kind, entry.payload).codec(Codec::Json);
    match entry.tag {
        Some(tag) => event.tag(tag),
        None => event,
    }
}

fn expected(append: &Append<'_>) -> ExpectedVersion {
    append.seen.map_or(ExpectedVersion::NoStream, |seen| ExpectedVersion::Exact(seen.version))
}

fn seen(appended: Appended) -> Seen {
    Seen { version: appended.version.0, position: appended.position.0 }
}

fn failure(error: quipu::Error) -> Failure {
    match error.kind() {
        ErrorKind::Conflict => Failure::Refused,
        _ => error.into(),
    }
}

impl Quipu {
    fn submit(&self, append: &Append<'_>) -> Result<Ticket> {
        let events = append.events.iter().map(event);
        let Some(condition) = append.condition else {
            let ticket = self.engine.append_async(append.stream, expected(append), events);
            return ticket.map_err(failure);
        };
        let query = Query::new().item(QueryItem::new().tag(condition.tag));
        let condition = match condition.after {
            Some(position) => query.after(position),
            None => query.absent(),
        };
        let commit = self.engine.commit().append(append.stream, ExpectedVersion::Any, events);
        commit.fail_if(condition).submit().map_err(failure)
    }
}

impl Store for Quipu {
    fn append(&self, append: &Append<'_>) -> Result<Seen> {
        let appended = match append.condition {
            None => {
                let events = append.events.iter().map(event);
                self.engine.append(append.stream, expected(append), events)
            }
            Some(_) => self.submit(append)?.wait(),
        };
        appended.map(seen).map_err(failure)
    }

    fn load(&self, events: &[Planned<'_>]) -> Result<()> {
        let mut commit = self.engine.commit().durability(quipu::Durability::Os);
        for planned in events {
            let one = [event(&planned.entry)];
            commit = commit.append(planned.stream, ExpectedVersion::Any, one);
        }
        commit.submit()?.wait()?;
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Reading { engine: &self.engine }))
    }

    fn flight(&self) -> Option<Box<dyn Flight + '_>> {
        Some(Box::new(Flying { store: self, tickets: VecDeque::new() }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.engine.close()?)
    }
}

struct Reading<'s> {
    engine: &'s Engine,
}

fn show(mut events: quipu::Events, visit: Visit<'_>) -> Result<()> {
    while let Some(event) = events.next()? {
        visit(&Found {
            position: event.position().0,
            version: Some(event.version().0),
            stream: event.stream(),
            payload: event.payload(),
        });
    }
    Ok(())
}

impl Reader for Reading<'_> {
    fn stream(&mut self, stream: &str, visit: Visit<'_>) -> Result<()> {
        show(self.engine.stream(stream).events()?, visit)
    }

    fn tagged(&mut self, tag: &str, visit: Visit<'_>) -> Result<()> {
        show(self.engine.tag(tag).events()?, visit)
    }

    fn all(&mut self, visit: Visit<'_>) -> Result<()> {
        show(self.engine.all().events()?, visit)
    }

    fn all_unverified(&mut self, visit: Visit<'_>) -> Result<()> {
        show(self.engine.all().verify(Verify::Never).events()?, visit)
    }
}

struct Flying<'s> {
    store: &'s Quipu,
    tickets: VecDeque<Ticket>,
}

impl Flight for Flying<'_> {
    fn submit(&mut self, append: &Append<'_>) -> Result<()> {
        self.tickets.push_back(self.store.submit(append)?);
        Ok(())
    }

    fn settle(&mut self) -> Result<Seen> {
        let ticket =
            self.tickets.pop_front().ok_or_else(|| Failure::new("nothing is on its way"))?;
        ticket.wait().map(seen).map_err(failure)
    }
}
