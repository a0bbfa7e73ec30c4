//! Why a command failed, what to do about it, and the exit code that says so.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well: 0.
    Done,
    /// The command did its work and found damage or a conflict: 1.
    Found,
    /// The command was used wrongly, or could not do its work: 2.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        match exit {
            Exit::Done => ExitCode::SUCCESS,
            Exit::Found => ExitCode::from(1),
            Exit::Failed => ExitCode::from(2),
        }
    }
}

/// A command that did not get to its end.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// A word for scripts that never changes.
    pub(crate) code: &'static str,
    /// What happened.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) advice: String,
    /// The same for scripts: numbers and names as fields.
    pub(crate) details: Map<String, Value>,
}

impl Failure {
    /// A failure with exit code 2.
    pub(crate) fn new(
        code: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Failure {
        Failure {
            exit: Exit::Failed,
            code,
            message: message.into(),
            advice: advice.into(),
            details: Map::new(),
        }
    }

    /// The command line cannot be followed.
    pub(crate) fn usage(message: impl Into<String>, advice: impl Into<String>) -> Failure {
        Failure::new("usage", message, advice)
    }

    /// A file of the user's own could not be read or written.
    pub(crate) fn file(what: &str, path: &Path, error: &io::Error) -> Failure {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::IsADirectory => "name a file in it",
            io::ErrorKind::PermissionDenied => "check the permissions of the file and its folder",
            io::ErrorKind::StorageFull => "free some space and try again",
            _ => "see the system's message; the command can be repeated",
        };
        Failure::new("file", format!("cannot {what} {}: {error}", path.display()), advice)
    }

    /// The same with another exit code.
    pub(crate) fn exit(mut self, exit: Exit) -> Failure {
        self.exit = exit;
        self
    }

    /// The same with one more detail.
    pub(crate) fn detail(mut self, name: &str, value: impl Into<Value>) -> Failure {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// The same with where damage is.
    fn damage(self, damage: &quipu::Damage) -> Failure {
        self.detail("file", damage.file.display().to_string())
            .detail("offset", damage.offset.0)
            .detail("bytes", damage.bytes)
            .detail("positions", json!([damage.positions.start.0, damage.positions.end.0]))
    }

    /// As an object for scripts.
    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("error".to_owned(), self.code.into());
        object.insert("message".to_owned(), self.message.clone().into());
        object.insert("advice".to_owned(), self.advice.clone().into());
        object.extend(self.details.clone());
        Value::Object(object)
    }
}

impl From<quipu::Error> for Failure {
    fn from(error: quipu::Error) -> Failure {
        let mut failure = Failure::new(error.code(), error.to_string(), advice(&error));
        if let Some(conflict) = error.conflict() {
            failure.exit = Exit::Found;
            failure = failure
                .detail("stream", conflict.stream.as_str())
                .detail("expected", conflict.expected.to_string())
                .detail("actual", conflict.actual.map_or(Value::Null, |version| version.0.into()));
        }
        if error.kind() == quipu::ErrorKind::Damaged {
            failure.exit = Exit::Found;
        }
        match error.damage() {
            Some(damage) => failure.damage(damage),
            None => failure,
        }
    }
}

impl From<&quipu::Damage> for Failure {
    fn from(damage: &quipu::Damage) -> Failure {
        let file = damage.file.display();
        let message = format!("{file} at offset {}: {}", damage.offset, damage.what);
        let kind = quipu::ErrorKind::Damaged;
        Failure::new(kind.code(), message, kind.advice()).exit(Exit::Found).damage(damage)
    }
}

/// What to do next at a command line: the engine speaks to programs.
fn advice(error: &quipu::Error) -> &'static str {
    match error.kind() {
        quipu::ErrorKind::InUse => {
            "close the program that writes to it; what only reads works beside it: `read`, `export`, \
             `tail`, `streams`, `stat`, `verify`"
        }
        quipu::ErrorKind::Io => match cause(error) {
            // What stands in the way of a directory is no directory.
            Some(io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists) => {
                "check the path; a store is a directory"
            }
            Some(io::ErrorKind::PermissionDenied) => "check the permissions of the store's files",
            // It knows more of this very error.
            _ if error.advice() != error.kind().advice() => error.advice(),
            _ => "see the system's message; the command can be repeated",
        },
        _ => error.advice(),
    }
}

/// What the system said.
fn cause(error: &quipu::Error) -> Option<io::ErrorKind> {
    let cause = std::error::Error::source(error)?.downcast_ref::<io::Error>()?;
    Some(cause.kind())
}
