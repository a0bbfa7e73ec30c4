//! What strace writes.

use std::collections::HashMap;

/// The lines of a trace on which the calls begin that something was done to.
pub(super) fn injected(trace: &str) -> Vec<&str> {
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut found = Vec::new();
    for line in trace.lines() {
        let (thread, rest) = line.split_once(' ').unwrap_or((line, ""));
        if !rest.trim_start().starts_with("<...") {
            begun.insert(thread, line);
        }
        if line.contains("(INJECTED)") {
            found.extend(begun.get(thread));
        }
    }
    found
}

/// Whether a call writes or syncs a segment or the manifest, which nobody may go on after.
pub(super) fn is_of_the_log(line: &str) -> bool {
    let writes = ["pwrite64", "fdatasync"].iter().any(|call| is_of(line, call));
    writes && [".seg>", "/manifest>"].iter().any(|file| line.contains(file))
}

/// Whether a line of a trace is of this call: its beginning, if it has two lines.
pub(super) fn is_of(line: &str, call: &str) -> bool {
    let asked = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    asked.strip_prefix(call).is_some_and(|rest| rest.starts_with('('))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_found_in_a_trace_and_what_it_was_of() {
        let trace = "1 fdatasync(4</s/0000000001.seg> <unfinished ...>\n\
                     2  pwrite64(5</s/0000000001.idx.tmp>, \"\", 4, 0) = -1 EIO (INJECTED)\n\
                     1 <... fdatasync resumed>) = -1 EIO (INJECTED)\n\
                     1 fdatasync(6</s/manifest>) = 0\n";
        let found: Vec<_> = injected(trace).into_iter().map(is_of_the_log).collect();
        assert_eq!(found, [false, true]);
    }

    #[test]
    fn calls_are_told_apart_in_a_trace() {
        assert!(is_of("123 fsync(4) = 0", "fsync"));
        assert!(is_of("123   fsync(4 <unfinished ...>", "fsync"));
        assert!(!is_of("123 <... fsync resumed>) = 0", "fsync"));
        assert!(!is_of("123 fsync2(4) = 0", "fsync"));
    }
}
