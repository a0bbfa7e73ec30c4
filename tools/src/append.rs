//! `quipu append`: one event, from the command line.

use std::io::{self, Read};
use std::path::Path;

use quipu::{Codec, NewEvent, Store};
use serde_json::json;
use serde_json::value::RawValue;

use crate::cli::{self, AppendArgs};
use crate::failure::{Exit, Failure};
use crate::output::{Look, Output};
use crate::print::printable;
use crate::time;

/// More than a payload may be long; what is longer is refused by the store.
const INPUT_BYTES_MAX: u64 = 64 << 20;

/// Appends the event and says where it is.
pub(crate) fn run(path: &Path, args: &AppendArgs, output: &Output) -> Result<Exit, Failure> {
    let data = json_argument("--data", &args.data)?;
    let metadata = match &args.metadata {
        Some(argument) => json_argument("--metadata", argument)?,
        None => String::new(),
    };
    let store = Store::open(path)?;
    let mut event = NewEvent::new(args.event_type.as_str(), data.into_bytes())
        .codec(Codec::Json)
        .metadata(metadata.into_bytes());
    for tag in &args.tags {
        event = event.tag(tag.as_str());
    }
    if let Some(id) = args.id {
        event = event.id(id);
    }
    let done = store.append(&args.stream, args.expect, [event])?;
    let closed = store.close();
    let recorded = time::show(done.recorded);
    output.line(format_args!(
        "{}  version {}, position {}, recorded {recorded}",
        output.paint(Look::Bold, printable(&args.stream)),
        done.version,
        done.position
    ));
    output.object(&json!({
        "stream": args.stream,
        "version": done.version.0,
        "position": done.position.0,
        "recorded": recorded,
    }));
    // Whatever becomes of the close, the next opening finds the event.
    closed.map_err(|error| Failure {
        advice: "the event is stored: do not repeat the command".to_owned(),
        ..Failure::from(error)
    })?;
    Ok(Exit::Done)
}

/// The JSON that an argument is or names, without the space around it.
fn json_argument(name: &str, argument: &str) -> Result<String, Failure> {
    let text = match argument.strip_prefix('@') {
        Some(file) => read_file(Path::new(file))?,
        None if argument == "-" => read_stdin(name)?,
        None => argument.to_owned(),
    };
    let text = text.trim().to_owned();
    if let Err(error) = serde_json::from_str::<&RawValue>(&text) {
        return Err(Failure::new(
            "invalid",
            format!("{name} is no valid JSON: {error}"),
            "correct the JSON, or check the quotes around it; nothing was written",
        ));
    }
    Ok(text)
}

fn read_file(path: &Path) -> Result<String, Failure> {
    let file = std::fs::File::open(path).map_err(|error| Failure::file("open", path, &error))?;
    read_text(file).map_err(|error| Failure::file("read", path, &error))
}

fn read_stdin(name: &str) -> Result<String, Failure> {
    if cli::stdin_is_terminal() {
        return Err(Failure::usage(
            format!("{name} - reads standard input, which is a terminal"),
            "pipe the JSON in, or give it on the command line",
        ));
    }
    read_text(io::stdin().lock())
        .map_err(|error| Failure::file("read", "standard input".as_ref(), &error))
}

fn read_text(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    let bytes = source.take(INPUT_BYTES_MAX + 1).read_to_string(&mut text)?;
    if bytes as u64 > INPUT_BYTES_MAX {
        let what = format!("it is larger than {INPUT_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(text)
}
