//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::cache::Cold;
use crate::contestants::Contestant;
use crate::scale::Scale;

const EXAMPLES: &str = "\
Examples:
  compare run --quick                        a look at everything, within a minute
  compare run durable-1 os-1 --dir /data     two works, on the disk of that folder
  compare run --rounds 5 --json figures.json --svg pictures
  compare run --only quipu,tephra durable-64
  compare list                               the works and who takes part";

/// Runs Quipu and its peers side by side: the same work, the same durability, the same machine, in one run.
#[derive(Debug, Parser)]
#[command(name = "compare", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs works and tells the figures.
    Run(Run),
    /// Lists the works and the stores.
    List,
    /// Draws pictures of a report that was written with --json.
    Draw {
        /// The report.
        report: PathBuf,
        /// Where the pictures go.
        folder: PathBuf,
    },
    /// One arm, run by the process that runs all of them.
    #[command(hide = true)]
    Arm { spec: String },
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Run {
    /// Works to run, by name, as `compare list` shows them; all of them if none is named.
    pub(crate) works: Vec<String>,

    /// Small sizes and one round, within 60 seconds: shows that everything works, and figures to be read with care.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Rounds, in each of which every store runs every work once [default: 3; 1 with --quick].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) rounds: Option<u64>,

    /// Stores that take part [default: all].
    #[arg(long, value_delimiter = ',', value_name = "STORE,…")]
    pub(crate) only: Vec<Contestant>,

    #[command(flatten)]
    pub(crate) sizes: Sizes,

    /// Where the stores lie, on the disk that is measured [default: a folder in the current one].
    #[arg(long, value_name = "PATH")]
    pub(crate) dir: Option<PathBuf>,

    /// Also where everything is kept in memory, and no durable figure means anything.
    #[arg(long)]
    pub(crate) force: bool,

    /// Writes everything that was found to a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Draws pictures into a folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) svg: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Sizes {
    /// Seconds that a loop runs [default: 5; 0.05 with --quick].
    #[arg(long, value_parser = seconds)]
    seconds: Option<f64>,

    /// Events in a store before it is read or opened; some works hold up to ten times as many [default: 1,000,000;
    /// 2,000 with --quick].
    #[arg(long, value_parser = clap::value_parser!(u64).range(100..=1_000_000_000))]
    events: Option<u64>,

    /// Streams where there are very many [default: 10,000,000; 5,000 with --quick].
    #[arg(long, value_parser = clap::value_parser!(u64).range(100..=1_000_000_000))]
    streams: Option<u64>,

    /// Events a second at a fixed rate [default: 2,000; 1,000 with --quick].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: Option<u32>,

    /// Before cold reads, empties the page cache of the whole machine (as root), and not of the store's files alone.
    #[arg(long)]
    drop_caches: bool,

    /// Seed of payloads and of what is drawn at random [default: 1].
    #[arg(long)]
    seed: Option<u64>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("must be a number of seconds, from 0.01 to 86400".to_owned()),
    }
}

impl Run {
    pub(crate) fn scale(&self) -> Scale {
        let usual = if self.quick { Scale::quick() } else { Scale::full() };
        let Sizes { seconds, events, streams, rate, seed, drop_caches } = &self.sizes;
        Scale {
            seconds: seconds.unwrap_or(usual.seconds),
            events: events.unwrap_or(usual.events),
            streams: streams.unwrap_or(usual.streams),
            rate: rate.map_or(usual.rate, f64::from),
            seed: seed.unwrap_or(usual.seed),
            cold: if *drop_caches { Cold::Everything } else { Cold::Files },
            ..usual
        }
    }

    pub(crate) fn rounds(&self) -> usize {
        let usual = if self.quick { 1 } else { 3 };
        self.rounds.map_or(usual, |rounds| rounds as usize)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn run(arguments: &[&str]) -> Run {
        match Arguments::try_parse_from([&["compare", "run"], arguments].concat()).unwrap().command
        {
            Command::Run(run) => run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_are_declared_without_contradiction() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_is_said_goes_before_what_is_usual() {
        let scale = run(&["--quick", "--events", "500", "--seconds", "0.5"]).scale();
        assert_eq!(scale, Scale { events: 500, seconds: 0.5, ..Scale::quick() });
        assert_eq!(run(&[]).scale(), Scale::full());
        assert_eq!((run(&[]).rounds(), run(&["--quick"]).rounds()), (3, 1));
        assert_eq!(run(&["--only", "quipu,lmdb"]).only, [Contestant::Quipu, Contestant::Lmdb]);
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in [["--seconds", "0"], ["--events", "1"], ["--rounds", "0"], ["--only", "mysql"]]
        {
            assert!(Arguments::try_parse_from([&["compare", "run"], &wrong[..]].concat()).is_err());
        }
    }
}
