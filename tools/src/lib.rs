//! The `quipu` command: imports, exports, verifies and shows stores.
//!
//! What is absent: it never goes around the engine. Whatever it does to a store, a program can do with
//! the public API of the crate `quipu`. Nor is there anything here for other programs but [`main`]: it is a
//! library so that a fuzzer can call what parses the command's input.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "the command reads and writes the user's own files")]

mod append;
mod base64;
mod bench;
mod choice;
mod cli;
mod codec;
mod damages;
mod demo;
mod export;
mod failure;
#[doc(hidden)]
pub mod fuzzing;
mod import;
mod interruption;
mod output;
mod print;
mod read;
mod rebuild;
mod salvage;
mod shell;
mod stat;
mod strangers;
mod streams;
mod tail;
mod time;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};
use crate::failure::{Exit, Failure};
use crate::output::{Complaint, Output};

/// Runs the command with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::refuse(&error),
    };
    let output = Output::new(cli.report());
    let done = log_to_stderr(&cli).and_then(|()| {
        // Where that is refused it may be enough as it is.
        let _most = quipu::raise_open_files();
        run(&cli, &output)
    });
    let done = done.and_then(|exit| output::unwritten().map_or(Ok(exit), Err));
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit.into()
        }
    }
}

fn run(cli: &Cli, output: &Output) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Demo(args) => demo::run(args, output),
        Command::Import(args) if args.parse_only => import::parse_only(args, output),
        Command::Import(args) => import::run(cli.store()?, args, output),
        Command::Export(args) => export::run(cli.store()?, args, output),
        Command::Append(args) => append::run(cli.store()?, args, output),
        Command::Read(args) => read::run(cli.store()?, args, output),
        Command::Tail(args) => tail::run(cli.store()?, args, output),
        Command::Streams(args) => streams::run(cli.store()?, args, output),
        Command::Stat(args) => stat::run(cli.store()?, args, output),
        Command::Verify(_) => verify::run(cli.store()?, output),
        Command::Salvage(args) => salvage::run(cli.store()?, args, output),
        Command::RebuildIndex(_) => rebuild::run(cli.store()?, output),
        Command::Bench(args) => bench::run(args, output),
        Command::Completions(args) => shell::completions(args),
        Command::Man(args) => shell::man(args),
    }
}

/// Prints what the engine has to say: as much as `-v` asks for, or as `QUIPU_LOG` filters.
fn log_to_stderr(cli: &Cli) -> Result<(), Failure> {
    let asked = match cli.verbose {
        0 => None,
        1 => Some("info"),
        2 => Some("debug"),
        _ => Some("trace"),
    };
    let wanted = std::env::var("QUIPU_LOG").ok().filter(|text| !text.is_empty());
    let Some(filter) = wanted.as_deref().or(asked) else { return Ok(()) };
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::usage(format!("QUIPU_LOG: {error}"), "say for example QUIPU_LOG=quipu=debug")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Complaint)
        // It would say so on standard error, and panic where that is gone.
        .log_internal_errors(false)
        .init();
    Ok(())
}
