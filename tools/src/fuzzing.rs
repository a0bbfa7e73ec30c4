//! What a fuzzer gives the command. No part of the stable interface.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use clap::Parser;

use crate::cli::Cli;
use crate::time;

/// Arguments of one command line.
const ARGUMENTS_MAX: usize = 32;

/// Takes the input for JSON lines: what is parsed is taken by a store, and exported as it came.
///
/// # Errors
/// What was wrong.
pub fn import(input: &[u8]) -> Result<(), String> {
    crate::import::fuzzing::import(input)
}

/// Takes each line of the input for an argument of the command.
///
/// # Errors
/// What was wrong.
pub fn arguments(input: &[u8]) -> Result<(), String> {
    let given = input.split(|&byte| byte == b'\n').take(ARGUMENTS_MAX);
    let given: Vec<OsString> = given.map(|word| OsString::from_vec(word.to_vec())).collect();
    for word in given.iter().filter_map(|word| word.to_str()) {
        moment(word)?;
    }
    match Cli::try_parse_from([OsString::from("quipu")].into_iter().chain(given)) {
        Ok(cli) => {
            let store = cli.store();
            let is_named = store.is_ok_and(|path| !path.as_os_str().is_empty());
            let shown = format!("{cli:?}");
            if !is_named && cli.store().is_ok() {
                return Err(format!("a store without a name: {shown}"));
            }
            Ok(())
        }
        Err(error) if error.to_string().is_empty() => Err("an error that says nothing".to_owned()),
        Err(_) => Ok(()),
    }
}

/// A time that is understood is shown so that it is understood again.
fn moment(text: &str) -> Result<(), String> {
    let Ok(time) = time::parse_argument(text) else { return Ok(()) };
    let shown = time::show(time);
    match time::parse_argument(&shown) {
        Ok(again) if again == time => Ok(()),
        again => Err(format!("{text:?} is shown as {shown:?}, which means {again:?}")),
    }
}
