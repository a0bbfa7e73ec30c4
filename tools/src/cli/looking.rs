//! The commands that show what a store holds.

use clap::Args;
use quipu::Version;

/// Which events are meant.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ChoiceArgs {
    /// Only events of this stream.
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: Option<String>,

    /// Only events of streams whose name begins with this and a `-`.
    #[arg(long, value_name = "CATEGORY")]
    pub(crate) category: Option<String>,

    /// Only events of this type; given again, of any of these.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,

    /// Only events with this tag; given again, with all of them.
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
}

const READ_EXAMPLES: &str = "\
Examples:
  quipu --store flights.quipu read aircraft-N14228
  quipu --store flights.quipu read aircraft-N14228 --backwards --limit 1
  quipu --store flights.quipu read aircraft-N14228 --from 1 --limit 5 --json";

/// Read the events of one stream.
///
/// For people each event has a line with its version, time, type and position, and below it tags, payload
/// and metadata, as wide as the variable COLUMNS says, else 80 letters. The time is when the event
/// occurred, else when it was recorded. With --json each event is an object on a line of its own, with
/// all of its fields.
///
/// Damaged events are reported on standard error with file, offset and positions; the others are printed
/// all the same, and the exit code is 1.
#[derive(Args, Debug)]
#[command(after_help = READ_EXAMPLES)]
pub(crate) struct ReadArgs {
    /// The stream.
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,

    /// Begin with this version; backwards it is the newest that is read.
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub(crate) from: Option<Version>,

    /// The newest first.
    #[arg(long)]
    pub(crate) backwards: bool,

    /// At most this many events.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

const TAIL_EXAMPLES: &str = "\
Examples:
  quipu --store flights.quipu tail
  quipu --store flights.quipu tail -n 3 --type FlightDiverted --tag carrier:UA
  quipu --store flights.quipu tail --follow --stream aircraft-N14228
  quipu --store flights.quipu tail -f -n 0 --json";

/// Show the last events, and with -f those that come.
///
/// For people each event has a line with its position, time, stream and version, and type, and below it
/// the beginning of its payload; `read` shows all of an event. The time is when it occurred, else when it
/// was recorded. With --json each event is an object on a line of its own, with all of its fields. An
/// event has to pass every kind of filter that is given.
///
/// With --follow the command goes on until it is interrupted, nobody reads what it prints, or the store ends:
/// events that another process appends are printed once they are durable, in order, none twice. Damaged events that may be
/// meant are reported on standard error with file, offset and positions, and the exit code is 1.
#[derive(Args, Debug)]
#[command(after_help = TAIL_EXAMPLES)]
pub(crate) struct TailArgs {
    /// This many of the last events.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub(crate) lines: u64,

    /// Go on with those that are appended from now on.
    #[arg(short, long)]
    pub(crate) follow: bool,

    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,
}

const STREAMS_EXAMPLES: &str = "\
Examples:
  quipu --store flights.quipu streams
  quipu --store flights.quipu streams --prefix aircraft-N1
  quipu --store flights.quipu streams --json";

/// List the streams, each with the number of its events.
///
/// They are sorted by the bytes of their names. A stream whose last event is damaged is listed as damaged.
/// One whose first event is damaged may be missing; that there may be such is reported on standard error
/// with file, offset and positions. The exit code is 1 in both cases.
#[derive(Args, Debug)]
#[command(after_help = STREAMS_EXAMPLES)]
pub(crate) struct StreamsArgs {
    /// Only streams whose name begins so.
    #[arg(long, value_name = "BEGINNING", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
}

/// Say what a store holds, and what its bytes are spent on.
///
/// Every byte of every file in the store's directory is counted once: the parts add up to the total. What
/// the log consists of is found by reading all of it; --quick leaves that out and answers at once. What is
/// damaged is counted as unreadable, and the exit code is 1 then; `verify` says where it is. A writer may
/// go on beside it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  quipu --store flights.quipu stat\n  \
    quipu --store flights.quipu stat --quick\n  quipu --store flights.quipu stat --json")]
pub(crate) struct StatArgs {
    /// Look at the files only, not into the log.
    #[arg(long)]
    pub(crate) quick: bool,
}

fn version(text: &str) -> Result<Version, String> {
    text.parse().map(Version).map_err(|error: std::num::ParseIntError| error.to_string())
}
