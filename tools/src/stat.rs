//! `quipu stat`: what a store holds, and what its bytes are spent on.

mod parts;

use std::path::Path;

use quipu::{Depth, Events, Layout, Standing, Store, Timestamp};
use serde_json::{Value, json};

use crate::cli::StatArgs;
use crate::damages::{self, Damages};
use crate::failure::{Exit, Failure};
use crate::output::{Look, Output, plural};
use crate::print::printable;
use crate::strangers;
use crate::time;

/// What is said of a store.
struct Stat {
    layout: Layout,
    streams: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// Names of files that are none of the store's.
    strangers: Vec<String>,
}

/// Looks at the store; exit code 1 if some of what is read is damaged.
pub(crate) fn run(path: &Path, args: &StatArgs, output: &Output) -> Result<Exit, Failure> {
    let depth = if args.quick { Depth::Files } else { Depth::Records };
    let bar = output.progress((depth == Depth::Records).then_some(0));
    let layout = quipu::layout(path, depth, &mut |progress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.done_bytes);
    });
    bar.finish_and_clear();
    let layout = layout?;
    let (store, lost) = damages::open(path, output)?;
    // `verify` says more of what is met here than could be said in passing. Each of them may meet the same.
    let mut damages = [(); 3].map(|()| Damages::silent());
    let [at_first, at_last, at_streams] = &mut damages;
    let first = recorded(store.all().events()?, at_first)?;
    let last = recorded(store.all().backward().events()?, at_last)?;
    let mut strangers = store.opening().strangers.clone();
    strangers.sort_unstable();
    let streams = count_streams(&store, at_streams)?;
    let stat = Stat { layout, streams, first, last, strangers };
    print(path, &stat, output);
    output.object(&stat.to_json());
    if damages.iter().any(Damages::any)
        || layout.records.is_some_and(|records| records.unreadable > 0)
    {
        output.remark("some of the log is damaged: `quipu verify` says where");
        return Ok(Exit::Found);
    }
    Ok(lost.exit())
}

/// When the first event that can be read was recorded.
fn recorded(mut events: Events, damages: &mut Damages<'_>) -> Result<Option<Timestamp>, Failure> {
    loop {
        match events.next() {
            Ok(event) => return Ok(event.map(|event| event.recorded())),
            Err(error) => damages.pass(error)?,
        }
    }
}

fn count_streams(store: &Store, damages: &mut Damages<'_>) -> Result<u64, Failure> {
    let mut streams = 0;
    for name in store.streams("")? {
        match name {
            Ok(_) => streams += 1,
            Err(error) => damages.pass(error)?,
        }
    }
    Ok(streams)
}

fn print(path: &Path, stat: &Stat, output: &Output) {
    let Stat { layout, streams, first, last, strangers } = stat;
    let events = layout.next_position.0;
    output.line(output.paint(Look::Bold, printable(&path.to_string_lossy())));
    let row = |name: &str, text: String| output.line(format_args!("  {name:<12}{text}"));
    row("format", quipu::FORMAT_VERSION.to_string());
    row("state", standing(layout.standing).to_owned());
    let held = [plural(events, "event"), plural(*streams, "stream")].join(" of ");
    row("holds", format!("{held} in {}", plural(layout.segments, "segment")));
    if let (Some(first), Some(last)) = (first, last) {
        row("recorded", format!("{} to", time::show(*first)));
        row("", time::show(*last));
    }
    output.line("");
    for line in parts::table(layout, output) {
        output.line(line);
    }
    strangers::print(strangers, output);
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Closed => "closed properly",
        Standing::InUse => "open in another process",
        Standing::NotClosed => "not closed properly: its writer was killed, or it is damaged",
    }
}

impl Stat {
    fn to_json(&self) -> Value {
        let layout = &self.layout;
        json!({
            "format": quipu::FORMAT_VERSION,
            "state": match layout.standing {
                Standing::Closed => "closed",
                Standing::InUse => "in-use",
                Standing::NotClosed => "not-closed",
            },
            "segments": layout.segments,
            "events": layout.next_position.0,
            "streams": self.streams,
            "first_recorded": self.first.map(time::show),
            "last_recorded": self.last.map(time::show),
            "bytes": layout.files.total(),
            "parts": parts::to_json(layout),
            "bytes_per_event": parts::each_to_json(layout),
            "strangers": self.strangers,
        })
    }
}
