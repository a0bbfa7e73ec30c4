use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::bench::{Bench, lines, quipu};

fn filled() -> Bench {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(100));
    bench.ok(&["import", &file]);
    bench
}

fn positions(bench: &Bench, arguments: &[&str]) -> Vec<u64> {
    let all = [&["tail", "--json"][..], arguments].concat();
    let objects = bench.ok(&all).objects();
    objects.iter().map(|event| event["position"].as_u64().unwrap()).collect()
}

#[test]
fn the_last_events_come_in_their_order() {
    let bench = filled();
    assert_eq!(positions(&bench, &[]), (90..100).collect::<Vec<_>>());
    assert_eq!(positions(&bench, &["-n", "2"]), [98, 99]);
    assert_eq!(positions(&bench, &["-n", "0"]), [0; 0]);
    assert_eq!(positions(&bench, &["--lines", "1000"]).len(), 100);
    assert_eq!(positions(&bench, &["-n", "18446744073709551615"]).len(), 100);
    assert_eq!(positions(&bench, &["-n", "2", "--stream", "plain"]), [95, 99]);
    assert_eq!(positions(&bench, &["-n", "2", "--type", "Tied"]), [92, 96]);
    assert_eq!(positions(&bench, &["-n", "3", "--type", "Tied", "--type", "Cut"]), [93, 96, 97]);
    assert_eq!(positions(&bench, &["-n", "2", "--tag", "a\"b", "--tag", "knot:8"]), [8]);
    assert_eq!(positions(&bench, &["-n", "2", "--category", "cord", "--type", "Cut"]), [93, 97]);
    assert_eq!(positions(&bench, &["--stream", "none"]), [0; 0]);
    let text = bench.ok(&["tail", "-n", "1"]).stdout;
    assert!(text.starts_with("99  1969-12-31T23:59:59.25Z  plain v24  T\n     null"), "{text}");
}

/// A `tail -f` under way, killed with the test.
struct Follower {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(bench: &Bench, arguments: &[&str]) -> Follower {
        let mut command = quipu();
        command.arg("--store").arg(bench.store()).args(["tail", "-f", "--json"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Follower { child, lines }
    }

    fn next(&mut self) -> u64 {
        let line = self.lines.next().unwrap().unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        event["position"].as_u64().unwrap()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[test]
fn what_is_there_is_printed_before_anything_comes() {
    let bench = filled();
    let mut follower = Follower::start(&bench, &["-n", "3"]);
    assert_eq!([follower.next(), follower.next(), follower.next()], [97, 98, 99]);
    assert!(follower.child.try_wait().unwrap().is_none(), "it goes on");
}
