//! The command line: what can be asked, with an example for each.

mod bench;
mod looking;
mod salvage;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;
use quipu::{ExpectedVersion, Position, Timestamp, Uuid};

pub(crate) use self::bench::{Acknowledged, BenchArgs};
pub(crate) use self::looking::{ChoiceArgs, ReadArgs, StatArgs, StreamsArgs, TailArgs};
pub(crate) use self::salvage::SalvageArgs;
use crate::failure::{Exit, Failure};
use crate::output::{Output, Report};
use crate::{shell, time};

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (format {})", env!("CARGO_PKG_VERSION"), quipu::FORMAT_VERSION));

/// Above the options that every command takes.
const EVERYWHERE: &str = "Options of every command";

const EXAMPLES: &str = "\
Examples:
  quipu demo
  quipu --store flights.quipu import flights.jsonl.zst
  quipu --store flights.quipu streams --prefix aircraft-N1
  quipu --store flights.quipu read aircraft-N14228 --limit 5
  quipu --store flights.quipu export --tag carrier:UA --limit 10
  quipu --store flights.quipu verify

Exit codes: 0 all is well; 1 damage or a conflict was found; 2 wrong use, or a failure.";

/// An embedded event store: put events into one, look at what it holds, and check every byte of it.
#[derive(Debug, Parser)]
#[command(name = "quipu", version = VERSION.as_str(), after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    /// The store: a directory.
    #[arg(long, global = true, value_name = "DIR", env = "QUIPU_STORE", help_heading = EVERYWHERE)]
    store: Option<OsString>,

    /// Report in JSON, one object a line: for scripts.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,

    /// Say on standard error what the engine does; -vv and -vvv say more. The variable QUIPU_LOG
    /// filters instead, as in QUIPU_LOG=quipu=debug.
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = EVERYWHERE)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The store that was named.
    pub(crate) fn store(&self) -> Result<&Path, Failure> {
        match self.store.as_deref() {
            Some(path) if !path.is_empty() => Ok(Path::new(path)),
            _ => Err(Failure::usage(
                "no store given",
                "say which with --store DIR, or set the variable QUIPU_STORE",
            )),
        }
    }

    pub(crate) fn report(&self) -> Report {
        if self.json { Report::Scripts } else { Report::People }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Import(ImportArgs),
    Export(ExportArgs),
    Append(AppendArgs),
    Read(ReadArgs),
    Tail(TailArgs),
    Streams(StreamsArgs),
    Stat(StatArgs),
    Verify(VerifyArgs),
    Salvage(SalvageArgs),
    RebuildIndex(RebuildIndexArgs),
    Bench(BenchArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Show what the store does, in seconds, on a bundled sample of real events.
///
/// Imports the sample, reads a history, queries by tags, refuses a conflict, lets a second process follow,
/// kills a writing process in the middle, recovers, resumes, and verifies. Every figure is measured as it is
/// shown. Exits with 1 if anything did not hold. Interrupted, it removes its folder and ends.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  quipu demo\n  quipu demo --keep")]
pub(crate) struct DemoArgs {
    /// Keep the folder of the demo and say where it is.
    #[arg(long)]
    pub(crate) keep: bool,
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  quipu --store flights.quipu import flights.jsonl.zst
  quipu --store flights.quipu import flights.jsonl.zst --resume
  zstd -dc flights.jsonl.zst | quipu --store flights.quipu import - --batch 10";

/// Import events from JSON lines.
///
/// One object a line: `stream`, `type` and `data`, and optionally `time` (RFC 3339 with an offset, no finer
/// than a microsecond; it becomes the time at which the event occurred), `tags` and `metadata`. The bytes
/// of `data` and `metadata` are kept as they stand. Bytes that are no JSON stand in `data_base64` and
/// `metadata_base64` instead, as base64 with padding. `codec` says what the payload is in where that is not
/// json for `data` and bytes for `data_base64`: one of these, rkyv, protobuf, messagepack, or a number.
/// Input compressed with zstd is recognised by its content. The store is created where there is none.
///
/// A line that cannot be taken is refused with its number, and nothing of its batch is stored; earlier
/// batches stay. Each event's id names its line and all lines before it, so an interrupted import can be
/// resumed without storing anything twice, also beside other events. Behind a line that was changed the
/// input is another one, whose events are stored too; so is the output of `export`.
///
/// A store that has lost lines of the input, and holds others behind them, is left as it is, with exit code 1; of
/// standard input, which is read only once, lost lines may have been stored at the end before that shows.
#[derive(Args, Debug)]
#[command(after_help = IMPORT_EXAMPLES)]
pub(crate) struct ImportArgs {
    /// The file, or - for standard input.
    #[arg(value_name = "FILE|-")]
    pub(crate) file: PathBuf,

    /// Events in a commit; fewer where they are large.
    #[arg(long, value_name = "N", default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) batch: u32,

    /// Go on where an earlier import of the same input ended.
    #[arg(long)]
    pub(crate) resume: bool,

    /// Cut off what a `time` has that is finer than a microsecond, instead of refusing it.
    #[arg(long)]
    pub(crate) cut_times: bool,

    /// Print `acknowledged N` once the first N lines are durable, batch for batch; with --json an object
    /// {"acknowledged": N}.
    #[arg(long)]
    pub(crate) progress_lines: bool,

    /// Only parse the input, from memory, and print how long it took: a measure to compare with.
    #[arg(long, hide = true)]
    pub(crate) parse_only: bool,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  quipu --store flights.quipu export > flights.jsonl
  quipu --store flights.quipu export --stream aircraft-N14228
  quipu --store flights.quipu export --type FlightDiverted --tag carrier:UA
  quipu --store flights.quipu export --category aircraft --until 2013-01-02
  quipu --store flights.quipu export --since 2013-01-03T12:00:00-05:00
  quipu --store flights.quipu export --from 1000 --limit 10";

/// Export events as JSON lines, in the order of their positions.
///
/// Writes what `import` reads: each line becomes the same event again, with another id. `time` is when the
/// event occurred, else when it was recorded, in UTC; a year beyond four digits has its sign and six of them.
/// JSON is written as it stands, but for line ends, which become spaces, and space around it; a payload or
/// metadata that is none is written as `data_base64` or `metadata_base64`, and `codec` where `import` would
/// not know it. Ids and positions are not written (`tail --json` gives them). An event has to pass every kind
/// of filter that is given; stream, category, types and tags are found by the index.
///
/// Damaged events that may be meant are reported on standard error with file, offset and positions; the
/// others are written all the same, and the exit code is 1.
#[derive(Args, Debug)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,

    /// Begin with this position.
    #[arg(long, value_name = "POSITION", default_value = "0", value_parser = position)]
    pub(crate) from: Position,

    /// Only events that occurred (else: were recorded) at this time or later. RFC 3339, or a date,
    /// which means its midnight in UTC.
    #[arg(long, value_name = "TIME", value_parser = time::parse_argument)]
    pub(crate) since: Option<Timestamp>,

    /// Only events that occurred (else: were recorded) before this time.
    #[arg(long, value_name = "TIME", value_parser = time::parse_argument)]
    pub(crate) until: Option<Timestamp>,

    /// At most this many events.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

const APPEND_EXAMPLES: &str = r#"Examples:
  quipu --store s.quipu append order-42 --type Placed --data '{"total":42}'
  quipu --store s.quipu append order-42 --type Paid --data @paid.json --expect 0
  echo '{"total":7}' | quipu --store s.quipu append order-43 --type New --data -
  quipu --store s.quipu append order-43 --type Paid --data '{}' --tag customer:7"#;

/// Append one event to a stream.
///
/// Prints version, position and time once the event is durable. If the stream is not as expected,
/// nothing is written, and the exit code is 1. The store is created where there is none.
#[derive(Args, Debug)]
#[command(after_help = APPEND_EXAMPLES)]
pub(crate) struct AppendArgs {
    /// The stream.
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,

    /// The event's type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: String,

    /// The payload: JSON, or @FILE, or - for standard input.
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    pub(crate) data: String,

    /// A tag; may be given again.
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,

    /// The metadata: JSON, or @FILE.
    #[arg(long, value_name = "JSON|@FILE", allow_hyphen_values = true)]
    pub(crate) metadata: Option<String>,

    /// The event's id; a new one if not given. A retry with the same id gets the answer of the first time if
    /// --expect says none or a version; with any or exists the event is stored again.
    #[arg(long, value_name = "UUID")]
    pub(crate) id: Option<Uuid>,

    /// What the stream has to be like: any, none (it has no events), exists, or the version of its
    /// last event.
    #[arg(long, value_name = "EXPECTED", default_value = "any", value_parser = expected)]
    pub(crate) expect: ExpectedVersion,
}

/// Read the whole store and check every checksum.
///
/// Names file, offset, length and positions of whatever is damaged, and exits with 1 then. What only a
/// newer version of Quipu can read is named too, and the rest is verified; the exit code is 2 if nothing
/// is damaged beside it. What a killed writer left unfinished is no damage: it is noted, and dropped at
/// the next opening. Nor are files that are none of the store's: they are named, and left alone. Nothing
/// is changed, and a writer may go on beside it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  quipu --store flights.quipu verify\n  \
    quipu --store flights.quipu verify --json")]
pub(crate) struct VerifyArgs {}

/// Make all index files anew from the log.
///
/// Nobody has to: an index that is missing or damaged is made anew when it is needed. The store must not
/// be open for writing. An index that finds events by their ids does so afterwards too.
///
/// Where the log itself has lost events, index files may know more than the log. Then the index of each
/// segment with such a loss is left as it is, and so are the runs over it, which sum up many segments; the
/// other indexes are made, but for those behind a damaged segment that has no sound index. What is damaged is
/// named, and the exit code is 1.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  quipu --store flights.quipu rebuild-index\n  \
    quipu --store flights.quipu rebuild-index --json")]
pub(crate) struct RebuildIndexArgs {}

/// Print completions for a shell.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  quipu completions bash > quipu.bash\n  \
    quipu completions fish > quipu.fish")]
pub(crate) struct CompletionsArgs {
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Print the manual page.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  quipu man > quipu.1\n  quipu man --dir man1")]
pub(crate) struct ManArgs {
    /// Write a page for each command into this folder instead.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

fn position(text: &str) -> Result<Position, String> {
    text.parse().map(Position).map_err(|error: std::num::ParseIntError| error.to_string())
}

fn expected(text: &str) -> Result<ExpectedVersion, String> {
    match text {
        "any" => Ok(ExpectedVersion::Any),
        "none" => Ok(ExpectedVersion::NoStream),
        "exists" => Ok(ExpectedVersion::StreamExists),
        _ => text
            .parse()
            .map(ExpectedVersion::Exact)
            .map_err(|_| "say any, none, exists, or a version".to_owned()),
    }
}

/// Answers a command line that asks for help or cannot be followed.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    let asked_for_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let for_script = std::env::args_os().any(|argument| argument == "--json");
    if for_script && !asked_for_help {
        let text = error.to_string();
        // What is missing stands in lines of its own.
        let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
        let message = lines.collect::<Vec<_>>().join(" ");
        let message = message.strip_prefix("error: ").unwrap_or(&message);
        let failure = Failure::usage(message, "see quipu --help");
        Output::new(Report::Scripts).failure(&failure);
        return failure.exit.into();
    }
    let printed = error.print().and_then(|()| io::stdout().flush());
    if !asked_for_help {
        return Exit::Failed.into();
    }
    let report = if for_script { Report::Scripts } else { Report::People };
    match shell::told(printed) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            Output::new(report).failure(&failure);
            failure.exit.into()
        }
    }
}

/// Whether standard input would wait for somebody to type.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

#[cfg(test)]
mod tests;
