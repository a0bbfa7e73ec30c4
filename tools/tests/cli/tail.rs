use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use quipu::{ExpectedVersion, NewEvent, Store};
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
    lines: Receiver<String>,
}

impl Follower {
    fn start(bench: &Bench, arguments: &[&str]) -> Follower {
        let mut command = quipu();
        command.arg("--store").arg(bench.store()).args(["tail", "-f", "--json"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // A test that is over does not listen any more.
                let _over = sender.send(line);
            }
        });
        Follower { child, lines }
    }

    fn next(&self) -> u64 {
        let line = self.lines.recv_timeout(Duration::from_secs(20)).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        event["position"].as_u64().unwrap()
    }

    fn goes_on(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn append(store: &Store, stream: &str, tag: &str) -> u64 {
    let event = NewEvent::new("Came", b"1".as_slice()).tag(tag);
    store.append(stream, ExpectedVersion::Any, [event]).unwrap().position.0
}

#[test]
fn what_is_there_is_printed_before_anything_comes() {
    let bench = filled();
    let mut follower = Follower::start(&bench, &["-n", "3"]);
    assert_eq!([follower.next(), follower.next(), follower.next()], [97, 98, 99]);
    assert!(follower.goes_on());
}

#[test]
fn what_another_process_appends_is_printed_in_order() {
    let bench = filled();
    let mut follower = Follower::start(&bench, &["-n", "1"]);
    assert_eq!(follower.next(), 99);
    for _ in 0..2 {
        // It goes on when the writer closes the store, and when another opens it.
        let store = Store::open(bench.store()).unwrap();
        for number in 0..50 {
            let position = append(&store, &format!("s-{}", number % 3), "any");
            assert_eq!(follower.next(), position);
        }
        let burst: Vec<u64> = (0..50).map(|_| append(&store, "burst", "any")).collect();
        store.close().unwrap();
        let printed: Vec<u64> = burst.iter().map(|_| follower.next()).collect();
        assert_eq!(printed, burst);
        assert!(follower.goes_on());
    }
}

#[test]
fn only_what_is_asked_for_is_followed() {
    let bench = filled();
    let store = Store::open(bench.store()).unwrap();
    append(&store, "new-1", "wanted");
    let kinds: [&[&str]; 4] = [
        &["--stream", "new-1"],
        &["--category", "new"],
        &["--tag", "wanted"],
        &["--type", "Came", "--tag", "wanted", "--category", "new"],
    ];
    let followers = kinds.map(|arguments| Follower::start(&bench, arguments));
    for follower in &followers {
        assert_eq!(follower.next(), 100, "it has begun");
    }
    append(&store, "other", "unwanted");
    append(&store, "other-new", "unwanted");
    let last = append(&store, "new-1", "wanted");
    for (follower, arguments) in followers.iter().zip(kinds) {
        assert_eq!(follower.next(), last, "{arguments:?}");
    }
    store.close().unwrap();
}

/// A store in which nothing happens writes nothing that would show that nobody reads any more.
#[test]
fn following_ends_once_the_reader_is_gone() {
    let bench = filled();
    for more in [&[][..], &["-n", "0"]] {
        let mut command = quipu();
        command.arg("--store").arg(bench.store()).args(["tail", "-f"]).args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        if more.is_empty() {
            stdout.read_line(&mut String::new()).unwrap();
        }
        drop(stdout);
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > Duration::from_secs(60) {
                let _gone = child.kill();
                panic!("it still follows: {more:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{more:?}");
    }
}
