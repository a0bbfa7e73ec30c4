//! The command that makes a new store from a damaged one.

use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  quipu --store flights.quipu salvage --dry-run
  quipu --store flights.quipu salvage --dry-run --json
  quipu --store flights.quipu salvage --to rescued.quipu";

/// Make a new, sound store from what is left of a damaged one.
///
/// The new store holds exactly the commits that are whole, in their order; one with a damaged event is
/// lost as a whole (`export` gives the events of such a commit that can be read). What is lost is listed
/// with file, offset, length and positions, and the exit code is 1 then; also where the manifest is
/// damaged, so that nobody knows whether there was more. A backup is better, if there is one.
///
/// Events keep stream, type, id, times, tags, metadata and data. Behind a loss they get lower positions,
/// and in streams that have lost events lower versions; the report says from where on.
///
/// The damaged store is only read, and must not be open for writing. The new one is verified before the
/// command ends; a directory that an interrupted salvage has left opens as no store: remove it and begin
/// again.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SalvageArgs {
    /// Where the new store goes: a directory that does not exist, or is empty.
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    pub(crate) to: Option<PathBuf>,

    /// Only say what would be kept and what is lost.
    #[arg(long, conflicts_with = "to")]
    pub(crate) dry_run: bool,
}
