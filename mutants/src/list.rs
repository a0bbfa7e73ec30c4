//! The changes that cargo-mutants proposes.

use std::ops::Range;
use std::path::PathBuf;

use serde_json::Value;

/// One change of one file.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its place in the list, from 1 on: the name by which it is switched on.
    pub number: u32,
    /// Its file, from the root of the tree.
    pub file: PathBuf,
    /// What cargo-mutants calls it.
    pub name: String,
    /// What is changed: an operator, the value of a function, an arm.
    pub kind: String,
    /// What stands there instead.
    pub replacement: String,
    /// From this line and column to that, both from 1 on.
    pub span: Range<(usize, usize)>,
}

impl Change {
    /// The function that it changes, as cargo-mutants names it: behind the last `in`, or before what it returns.
    pub fn function(&self) -> &str {
        let value = self.name.split_once("replace ").and_then(|(_, rest)| rest.split_once(" ->"));
        match value {
            Some((function, _)) if self.kind == "FnValue" => function,
            _ => self.name.rsplit_once(" in ").map_or("", |(_, function)| function),
        }
    }
}

/// Reads what `cargo mutants --list --json` prints.
///
/// # Errors
/// What is not such a list.
pub fn read(json: &str) -> Result<Vec<Change>, String> {
    let all: Vec<Value> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    (1..).zip(&all).map(|(number, value)| change(number, value)).collect()
}

fn change(number: u32, value: &Value) -> Result<Change, String> {
    let text = |key: &str| {
        let text = value[key].as_str().ok_or_else(|| format!("change {number} has no {key}"))?;
        Ok::<String, String>(text.to_owned())
    };
    let place = |end: &str| {
        let part = |key: &str| value["span"][end][key].as_u64().map(|part| part as usize);
        part("line").zip(part("column")).ok_or_else(|| format!("change {number} has no {end}"))
    };
    Ok(Change {
        number,
        file: text("file")?.into(),
        name: text("name")?,
        kind: text("genre")?,
        replacement: text("replacement")?,
        span: place("start")?..place("end")?,
    })
}
