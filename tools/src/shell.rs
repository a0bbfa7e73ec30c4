//! Completions and manual pages, from the same declaration as the arguments.

use std::io::{self, Write};

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs, ManArgs};
use crate::failure::{Exit, Failure};

/// Prints the completions for a shell.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "quipu", &mut script);
    print(&script)
}

/// Prints the manual page, or writes one for each command into a folder.
pub(crate) fn man(args: &ManArgs) -> Result<Exit, Failure> {
    let Some(folder) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(|error| stdout_failure(&error))?;
        return print(&page);
    };
    std::fs::create_dir_all(folder).map_err(|error| Failure::file("create", folder, &error))?;
    clap_mangen::generate_to(Cli::command(), folder)
        .map_err(|error| Failure::file("write manual pages into", folder, &error))?;
    Ok(Exit::Done)
}

fn print(bytes: &[u8]) -> Result<Exit, Failure> {
    let mut stdout = io::stdout().lock();
    told(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// What comes of writing what the command says of itself. A reader that went away has seen enough.
pub(crate) fn told(written: io::Result<()>) -> Result<Exit, Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(stdout_failure(&error)),
        _ => Ok(Exit::Done),
    }
}

fn stdout_failure(error: &io::Error) -> Failure {
    Failure::file("write to", "standard output".as_ref(), error)
}
