use crate::bench::{Bench, lines};

#[test]
fn streams_are_listed_in_order_with_their_numbers_of_events() {
    let bench = Bench::new();
    let file = bench.write("in.jsonl", lines(100));
    bench.ok(&["import", &file]);
    let objects = bench.ok(&["streams", "--json"]).objects();
    let names: Vec<&str> = objects.iter().map(|line| line["stream"].as_str().unwrap()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(names, sorted);
    let events: u64 = objects.iter().map(|line| line["events"].as_u64().unwrap()).sum();
    assert_eq!(events, 100);
    for line in &objects {
        let stream = line["stream"].as_str().unwrap();
        let last = ["read", stream, "--backwards", "--limit", "1", "--json"];
        let last = bench.ok(&last).objects().remove(0);
        assert_eq!(last["version"].as_u64().unwrap() + 1, line["events"].as_u64().unwrap());
        assert_eq!(last["position"], line["last_position"]);
    }
    let said = bench.ok(&["streams", "--prefix", "pl"]);
    assert_eq!(said.stdout, "          25  plain\n");
    assert_eq!(bench.ok(&["streams", "--prefix", "cord-"]).stdout.lines().count(), 7);
    assert_eq!(bench.ok(&["streams", "--prefix", "x"]).stdout, "");
}
