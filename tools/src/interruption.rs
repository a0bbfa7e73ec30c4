//! Interruptions, for commands that have something to clear away before they end.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::failure::Failure;

/// What says that it is time to end: at the first interruption. The second one ends the process.
pub(crate) fn halt() -> Result<Arc<AtomicBool>, Failure> {
    let halt = Arc::new(AtomicBool::new(false));
    let closing = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(closing) {
        flag::register_conditional_shutdown(signal, 2, Arc::clone(&halt))
            .and_then(|_| flag::register(signal, Arc::clone(&halt)))
            .map_err(|error| {
                let message = format!("cannot be told of interruptions: {error}");
                Failure::new("system", message, "see the system's message")
            })?;
    }
    Ok(halt)
}

/// Whether whoever started the process had it ignore a signal, as `nohup` does of that of a closed terminal.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| (mask >> (signal - 1)) & 1 == 1)
}
