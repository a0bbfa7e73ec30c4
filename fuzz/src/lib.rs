//! What the fuzz targets share: the functions that they run stand in the project's own crates, where an ordinary
//! test runs them too.

#![forbid(unsafe_code)]

use quipu_tests::fuzzing::{self, Bound, Counted, Target};

/// Memory is counted.
#[global_allocator]
static COUNTED: Counted = Counted;

/// The targets of the `quipu` command.
pub const OF_THE_COMMAND: &[Target] = &[
    Target { name: "import", run: quipu_tools::fuzzing::import, bound: Bound::Store },
    Target { name: "arguments", run: quipu_tools::fuzzing::arguments, bound: Bound::Store },
];

/// Gives the target of this name an input.
///
/// # Panics
/// When something was wrong with the answer: that is what a fuzzer looks for.
pub fn judge(name: &str, input: &[u8]) {
    let mut of_the_command = OF_THE_COMMAND.iter();
    let target = of_the_command.find(|target| target.name == name);
    let judged = match target.or_else(|| Target::named(name)) {
        Some(target) => target.judge(input),
        None => Err("there is no such target".to_owned()),
    };
    if let Err(wrong) = judged {
        panic!("{name}: {wrong}");
    }
}

/// The first inputs for the target of this name.
#[must_use]
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    let of_text = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match name {
        "import" => of_text(&LINES),
        "arguments" => of_text(&ARGUMENTS),
        _ => fuzzing::seeds(name),
    }
}

const LINES: [&str; 5] = [
    r#"{"stream":"order-1","type":"Placed","data":{"total":42}}"#,
    r#"{"stream":"order-1","type":"Paid","time":"2013-01-01T05:17:00-05:00","tags":["customer:7","k"],"data":[1,2.5e3,"\u00e4"],"metadata":null}"#,
    "{\"stream\":\"\\u0041-1\",\"type\":\"T\",\"data\":\"\\n\",\"time\":\"2024-02-29T23:59:59.123456789Z\"}\n\n{\"stream\":\"b\",\"type\":\"T\",\"data\":1}\n",
    r#"["order-1","Placed",null,[],{}]"#,
    r#"{"stream":"$all","type":"T","data":{},"tags":[""]}"#,
];

const ARGUMENTS: [&str; 9] = [
    "--store\nflights.quipu\nimport\nflights.jsonl.zst\n--resume\n--cut-times",
    "--store=s\nappend\norder-42\n--type\nPlaced\n--data\n{\"total\":42}\n--expect\n0\n--tag\na",
    "export\n--category\naircraft\n--since\n2013-01-03T12:00:00-05:00\n--until\n2013-01-02\n--limit\n3",
    "read\norder-42\n--from\n1\n--limit\n5\n--json\n-vvv",
    "tail\n--json\n--type\nPlaced\n--tag\na",
    "streams\n--prefix\norder-",
    "verify\n--json",
    "salvage\nnew.quipu\n--store\nold.quipu",
    "completions\nbash",
];
