//! Files that lie in a store's directory and are none of its own.

use crate::output::{Look, Output};
use crate::print::printable;

/// Names each of them: nobody reads them, and nobody removes them.
pub(crate) fn print(names: &[String], output: &Output) {
    for name in names {
        output.line(format_args!(
            "{}: {} is none of the store's files, and left alone",
            output.paint(Look::Bold, "note"),
            printable(name),
        ));
    }
}
