//! What people and scripts get to see.
//!
//! Reports go to standard output; errors, notes and progress go to standard error. A reader of
//! standard output that goes away is no error: it has seen what it wanted. A report that cannot be
//! written for another reason fails the command, once it has done its work.

use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::failure::Failure;
use crate::print::{Page, Style, printable};

/// For whom a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// Text, with colours on a terminal.
    People,
    /// JSON objects.
    Scripts,
}

/// Where and how a command reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    report: Report,
    stdout_colours: bool,
    stderr_colours: bool,
}

/// How a piece of text stands out on a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    Bold,
    Red,
    Green,
}

impl Look {
    fn code(self) -> &'static str {
        match self {
            Look::Bold => "1",
            Look::Red => "1;31",
            Look::Green => "1;32",
        }
    }
}

impl Output {
    pub(crate) fn new(report: Report) -> Output {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Output {
            report,
            stdout_colours: wanted && io::stdout().is_terminal(),
            stderr_colours: wanted && io::stderr().is_terminal(),
        }
    }

    /// A line of a report for people, on standard output.
    pub(crate) fn line(&self, text: impl Display) {
        if self.report == Report::People {
            put(&format!("{text}\n"));
        }
    }

    /// A report for scripts, on standard output.
    pub(crate) fn object(&self, value: &Value) {
        if self.report == Report::Scripts {
            put(&format!("{value}\n"));
        }
    }

    /// A word on what was reported, for people at a terminal: no part of the report.
    pub(crate) fn note(&self, text: impl Display) {
        if io::stderr().is_terminal() {
            self.remark(text);
        }
    }

    /// A word on why the report ends, for people, on standard error.
    pub(crate) fn remark(&self, text: impl Display) {
        if self.report == Report::People {
            complain(&format!("{text}\n"));
        }
    }

    /// For whom is reported.
    pub(crate) fn report(&self) -> Report {
        self.report
    }

    /// How events are written: laid out for people, with all fields for scripts.
    pub(crate) fn style(&self, page: Page) -> Style {
        match self.report {
            Report::People => Style::Page(page),
            Report::Scripts => Style::Complete,
        }
    }

    /// Why the command failed, or one thing that it found, on standard error.
    pub(crate) fn failure(&self, failure: &Failure) {
        let text = match self.report {
            Report::People => format!(
                "{}: {}\n  {}: {}\n",
                self.paint_error(Look::Red, "error"),
                printable(&failure.message),
                self.paint_error(Look::Bold, "help"),
                printable(&failure.advice)
            ),
            Report::Scripts => format!("{}\n", failure.to_json()),
        };
        complain(&text);
    }

    /// One more thing of a kind of which the first was told with advice.
    pub(crate) fn further(&self, failure: &Failure) {
        match self.report {
            Report::People => {
                let error = self.paint_error(Look::Red, "error");
                complain(&format!("{error}: {}\n", printable(&failure.message)));
            }
            Report::Scripts => self.failure(failure),
        }
    }

    /// `text` for standard output, standing out where that is a terminal.
    pub(crate) fn paint(&self, look: Look, text: impl Display) -> String {
        paint(self.stdout_colours, look, text)
    }

    fn paint_error(&self, look: Look, text: impl Display) -> String {
        paint(self.stderr_colours, look, text)
    }

    /// A bar that fills from 0 to `total` bytes, on a terminal and for people only.
    pub(crate) fn progress(&self, total_bytes: Option<u64>) -> ProgressBar {
        if self.report == Report::Scripts || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let (bar, template) = match total_bytes {
            Some(total) => (ProgressBar::new(total), "{bar:32} {percent:>3} %  {msg}  {eta} to go"),
            None => (ProgressBar::new_spinner(), "{spinner} {elapsed}  {msg}"),
        };
        match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

fn paint(colours: bool, look: Look, text: impl Display) -> String {
    if colours { format!("\x1b[{}m{text}\x1b[0m", look.code()) } else { text.to_string() }
}

/// Why a part of the report could not be written.
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// Writes to standard output at once. What cannot be written is told at the end.
fn put(text: &str) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        UNWRITTEN.get_or_init(|| error);
    }
}

/// Why the report is not whole, if it is not and somebody still waits for it.
pub(crate) fn unwritten() -> Option<Failure> {
    let error = UNWRITTEN.get()?;
    Some(Failure::new(
        "report",
        format!("cannot write to standard output: {error}"),
        "what the command did stands; only its report is not whole",
    ))
}

/// Standard error for those who need a writer. Where it is gone or full, what is written is lost: the command goes
/// on with what it was asked for.
pub(crate) struct Complaint;

impl Write for Complaint {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _gone = io::stderr().lock().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn complain(text: &str) {
    let _gone = io::stderr().lock().write_all(text.as_bytes());
}

/// A whole number with its thousands apart: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `number` per second, as a whole number; 0 where no time has passed.
pub(crate) fn per_second(number: u64, seconds: f64) -> u64 {
    if seconds <= 0.0 {
        return 0;
    }
    #[expect(clippy::cast_sign_loss, reason = "neither the count nor the seconds are negative")]
    {
        (number as f64 / seconds) as u64
    }
}

/// `1 event`, `2 events`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    let mut text = count(number);
    let ending = if number == 1 { "" } else { "s" };
    // Writing to a string cannot fail.
    let _always = write!(text, " {noun}{ending}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (123_456, "123,456"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(plural(1, "event"), "1 event");
        assert_eq!(plural(1_234, "event"), "1,234 events");
    }

    #[test]
    fn a_rate_over_no_time_is_none() {
        assert_eq!(per_second(10, 0.0), 0);
        assert_eq!(per_second(10, 0.5), 20);
    }
}
