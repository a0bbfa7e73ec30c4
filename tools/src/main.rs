//! The `quipu` command.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    quipu_tools::main()
}
